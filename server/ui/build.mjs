// Builds dist/app.js and dist/app.css from src/. The result depends on the sources and on the
// version of esbuild in package-lock.json alone, so CI can compare it with the files checked in.
import { build } from "esbuild";
import { readFileSync } from "node:fs";

const LARGEST_SCRIPT = 300 * 1024;

await build({
  entryPoints: ["src/main.ts"],
  outfile: "dist/app.js",
  bundle: true,
  minify: true,
  charset: "ascii",
  format: "iife",
  target: "es2022",
  legalComments: "none",
});
await build({
  entryPoints: ["src/app.css"],
  outfile: "dist/app.css",
  bundle: true,
  minify: true,
  target: "es2022",
});
const size = readFileSync("dist/app.js").length;
console.log(`dist/app.js has ${size} bytes`);
if (size > LARGEST_SCRIPT) {
  console.error(`it may have ${LARGEST_SCRIPT}`);
  process.exit(1);
}
