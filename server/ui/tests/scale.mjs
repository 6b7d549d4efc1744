// What a large run costs to look at: node scale.mjs STORE.db RUN. Needs the built binary (GEPA=path) and
// a store that large.py has filled. Prints a line for each figure; asserts nothing.
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { start, visit } from "./browser.mjs";
import { GEPA, serve } from "./stores.mjs";

const [store, run] = process.argv.slice(2);
const folder = dirname(resolve(store));
const browser = await start();
const served = await serve(folder, {}, "open", "--no-browser");
const say = (name, value) => console.log(`${name.padEnd(52)} ${value}`);
const ms = (value) => `${value.toFixed(0)} ms`;

function command(...args) {
  const began = performance.now();
  const text = execFileSync(GEPA, args, { cwd: folder, env: { ...process.env, GEPA_STORE: `sqlite://${resolve(store)}` }, encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "ignore"] });
  say(`gepa ${args.slice(0, 3).join(" ")}`, `${ms(performance.now() - began)}, ${text.length} bytes`);
}

/** Opens a view in a new tab; the time until its content is painted. */
async function paint(name, hash, selector, base = served.url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const [address, token] = base.split("#");
  const params = token === undefined ? "" : `?${token.split("?")[1] ?? ""}`;
  const began = performance.now();
  await page.goto(`${address}${hash}${params}`);
  await page.waitForSelector(".tabs, .vrow");
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const painted = performance.now() - began;
  await page.waitForSelector(selector, { timeout: 300_000 });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  say(`first paint, whole view: ${name}`, `${ms(painted)}, ${ms(performance.now() - began)}`);
  return { page, close: () => context.close() };
}

/** The time from an act to the frame after it, measured within the page. */
async function act(page, name, does) {
  const took = await page.evaluate(async (source) => {
    const act = new Function(`return (${source})`)();
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    await frame();
    const began = performance.now();
    act();
    await frame();
    return performance.now() - began;
  }, does.toString());
  say(name, ms(took));
}

async function memory(page, name) {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize, totalSize } = await session.send("Runtime.getHeapUsage");
  say(`heap of the tab: ${name}`, `${(usedSize / 1e6).toFixed(0)} MB used, ${(totalSize / 1e6).toFixed(0)} MB taken`);
}

function resident(pid) {
  const line = readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/);
  return `${(Number(line[1]) / 1e3).toFixed(0)} MB`;
}

const choose = (id, value) => `() => { const one = document.querySelector("${id}"); one.value = "${value}"; one.dispatchEvent(new Event("input", { bubbles: true })); one.dispatchEvent(new Event("change", { bubbles: true })); }`;
const press = (name) => `() => { [...document.querySelectorAll("button.sort")].find((one) => one.textContent.startsWith("${name}")).click(); }`;

try {
  say("server before the first request", resident(served.pid));
  for (const turn of ["cold", "warm"]) {
    const { page, close } = await paint(`overview, ${turn}`, `#/run/${run}`, "#stages");
    await page.waitForSelector("[data-figure=verdict_sentence]");
    await memory(page, "overview");
    await close();
  }
  for (const [name, view, selector] of [["runs", "", ".vrow"], ["candidates", `run/${run}/candidates`, ".vbody .vrow"], ["lineage", `run/${run}/lineage`, "svg.lineage, .lineage svg, .lineage"], ["examples, cold", `run/${run}/examples`, ".grid canvas"], ["examples, warm", `run/${run}/examples`, ".grid canvas"], ["failures", `run/${run}/failures`, "h2"], ["slots", `run/${run}/slots`, "[data-slots]"], ["reflections", `run/${run}/reflections`, "h2, .vrow"], ["a candidate", `run/${run}/candidate/9000`, "#blame, h2"]]) {
    const { page, close } = await paint(name, `#/${view}`, selector);
    if (name === "candidates") {
      for (const column of ["Pareto", "Iteration", "Origin", "Tokens"]) await act(page, `candidates: sort by ${column}`, press(column)).catch((error) => say(`candidates: sort by ${column}`, error.message.split("\n")[0]));
      for (const filter of ["front", "accepted", ""]) await act(page, `candidates: filter ${filter || "none"}`, choose("#filter", filter));
      await memory(page, name);
    }
    if (name === "examples, warm") {
      const sorts = await page.evaluate(() => [...document.querySelectorAll(".tools select")].flatMap((one) => [...one.options].map((option) => [`#${one.id}`, option.value])));
      for (const [id, value] of sorts) if (id !== "#set") await act(page, `examples: ${id} ${value}`, choose(id, value));
      await act(page, "examples: scroll", `() => { const grid = document.querySelector("div.grid"); grid.scrollLeft += 800; }`);
      await memory(page, name);
    }
    await close();
  }
  say("server after all views", resident(served.pid));
  served.stop();
  command("runs");
  command("show", run);
  command("show", run, "--candidates");
  command("export", run, "--what", "slots");
  command("report", run, "-o", "large.html");
  const file = join(folder, "large.html");
  say("report file", `${(statSync(file).size / 1e6).toFixed(1)} MB`);
  for (const [name, view, selector] of [["overview", "", "#stages"], ["candidates", "candidates", ".vbody .vrow"], ["examples", "examples", ".grid canvas"]]) {
    const { page, close } = await paint(`report, ${name}`, `#/run/${run}/${view}`, selector, `file://${file}`);
    await memory(page, `report, ${name}`);
    await close();
  }
} finally {
  served.stop();
  await browser.close();
}
