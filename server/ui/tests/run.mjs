// The browser tests: node run.mjs. Needs the built binary (GEPA=path) and what setup.sh installs.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "./browser.mjs";
import { gepa, healthy, hostile, serve } from "./stores.mjs";
import { ablations } from "./ablations.mjs";
import { acts } from "./acts.mjs";
import { tests } from "./tests.mjs";

/** What the open pages tell their readers, with the id of the part that tells it. */
async function told(browser) {
  const lines = [];
  const told = (all) => all.map((element) => `in ${element.closest("[id]")?.id}: ${element.innerText}`);
  for (const page of browser.contexts().flatMap((context) => context.pages())) {
    lines.push(`at ${page.url()}:`, ...(await page.locator("[role=status], [role=alert]").evaluateAll(told).catch(() => [])));
  }
  return lines;
}

const folder = mkdtempSync(join(tmpdir(), "gepa-ui-"));
const browser = await start();
const stops = [];
let [passed, failed] = [0, 0];
try {
  const well = join(folder, "well");
  const bad = join(folder, "bad");
  mkdirSync(well);
  const run = healthy(well);
  const evil = hostile(bad);
  gepa(well, "report", run, "-o", "report.html");
  gepa(bad, "report", evil, "-o", "report.html");
  const opened = await serve(well, {}, "open", "--no-browser");
  const openedBad = await serve(bad, {}, "open", "--no-browser");
  stops.push(opened.stop, openedBad.stop);
  const world = { browser, folder, well, bad, run, evil, opened: opened.url, openedBad: openedBad.url };
  const wanted = process.argv[2];
  for (const [name, test] of Object.entries({ ...tests, ...acts, ...ablations })) {
    if (wanted !== undefined && !name.includes(wanted)) continue;
    try {
      await test(world);
      passed++;
      console.log(`ok    ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAILED ${name}\n${error.stack ?? error}`);
      for (const line of await told(browser)) console.log(`      the page said ${line}`);
    }
  }
} finally {
  for (const stop of stops) stop();
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
