// What must hold on every page.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { startApp, submission } from "./app.mjs";
import { open, visit } from "./browser.mjs";
import { gepa, healthy, rows, serve } from "./stores.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VIEWS = ["", "/candidates", "/lineage", "/examples", "/examples?set=validation&sort=hard", "/reflections", "/failures", "/slots", "/steer", "/config"];

/** The addresses of all views of a run, with the pages of a candidate, a rollout and a reflection. */
function views(folder, run) {
  const rollouts = rows(folder, run, "events").filter((event) => event.kind === "rollout_settled");
  const replies = rows(folder, run, "events").filter((event) => event.kind === "reflection_settled");
  const of = (seq) => `/event/${seq}`;
  const shown = [of(rollouts[0].seq), of(rollouts.at(-1).seq), of(replies[0].seq)];
  const last = rows(folder, run, "candidates").at(-1).iteration;
  return [...VIEWS, "/candidate/0", `/candidate/${last}?against=0`, ...shown].map((view) => `#/run/${run}${view}`);
}

async function figure(page, name) {
  return (await page.locator(`[data-figure="${name}"]`).first().innerText()).replace(/\u202f/g, "");
}

const three = (value) => (value === null ? "\u2013" : value.toFixed(3));

async function accessible(page, view) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document));
  const problems = found.violations.map((one) => `${view}: ${one.id}: ${one.nodes.map((node) => node.html).join(" | ").slice(0, 400)}`);
  assert.deepEqual(problems, []);
}

/** The steps of the page are those of the export; returns the latter. */
async function sameSlots(page, folder, run) {
  const steps = rows(folder, run, "slots");
  await visit(page, `#/run/${run}/slots`);
  await page.locator("details summary").click();
  const cells = await page.locator("#slots tbody tr").evaluateAll((lines) => lines.map((line) => [...line.children].map((cell) => cell.textContent.replace(/\u202f/g, ""))));
  assert.equal(cells.length, steps.length);
  const two = (value) => value.toFixed(2);
  for (const [place, step] of steps.entries()) {
    const limits = step.limits;
    const expected = [step.from_seconds.toFixed(3), two(step.optimization), two(step.validation), two(step.reflection), String(step.ended), String(step.retries), String(step.failed)];
    expected.push(limits === null ? "\u2013" : limits.map((limit) => limit.allowed).join(", "), limits === null ? "\u2013" : String(limits.reduce((sum, limit) => sum + limit.refused, 0)));
    assert.deepEqual(cells[place].slice(0, expected.length), expected);
  }
  // What was in progress over all steps is what the rollouts took.
  const spent = rows(folder, run, "rollouts").reduce((sum, row) => sum + (Date.parse(row.finished_at) - Date.parse(row.started_at)) / 1000, 0);
  const shown = steps.reduce((sum, step) => sum + (step.optimization + step.validation) * (step.to_seconds - step.from_seconds), 0);
  const rests = steps.reduce((sum, step) => sum + (step.paused_seconds ?? 0) + (step.stopped_seconds ?? 0), 0);
  if (rests === 0) assert.ok(Math.abs(shown - spent) <= 0.01 * spent + 0.05, `${shown} and ${spent} seconds`);
  return steps;
}

export const tests = {
  async "every view is shown without an error, live and in a report"({ browser, opened, run, well }) {
    const all = views(well, run);
    for (const url of [opened, `file://${join(well, "report.html")}`]) {
      const { page, wrong, close } = await open(browser, url);
      for (const view of all) {
        await visit(page, view);
        assert.equal(await page.locator("[role=alert]").count(), 0, `${url} ${view}`);
        assert.ok((await page.locator("main").innerText()).length > 40, view);
      }
      assert.deepEqual(wrong, []);
      await close();
    }
  },

  async "figures are those of the export"({ browser, opened, run, well }) {
    const [stats] = rows(well, run, "stats");
    const candidates = rows(well, run, "candidates");
    const { page, close } = await open(browser, opened);
    await visit(page, `#/run/${run}`);
    await page.waitForSelector("[data-figure=verdict_sentence]");
    assert.equal(await figure(page, "verdict_sentence"), stats.verdict_sentence);
    for (const name of ["baseline_score", "best_score", "baseline_validation_score", "best_validation_score"]) {
      assert.equal(await figure(page, name), three(stats[name]), name);
    }
    for (const name of ["trials_tried", "candidates_accepted", "front_size", "failed_rollouts"]) {
      assert.equal(await figure(page, name), String(stats[name]), name);
    }
    assert.equal((await figure(page, "total_rollouts")).split(" of ")[0], String(stats.total_rollouts));
    const cells = await page.locator("#stages tbody tr").evaluateAll((lines) => lines.map((line) => [...line.children].map((cell) => cell.textContent.replace(/\u202f/g, ""))));
    const sum = (place) => cells.filter(([stage]) => stage !== "reflection").reduce((all, line) => all + Number(line[place]), 0);
    assert.equal(sum(1), stats.total_rollouts, "executed by stage");
    assert.equal(sum(2), stats.reused_rollouts, "reused by stage");
    assert.equal(cells.reduce((all, line) => all + Number(line[4]), 0), stats.total_tokens, "tokens by stage");
    await visit(page, `#/run/${run}/config`);
    for (const [name, value] of Object.entries(stats)) {
      if ((typeof value === "object" && value !== null) || /^verdict|^p_better$/.test(name)) continue;
      assert.equal(await page.locator(`[data-stat="${name}"]`).innerText(), JSON.stringify(value), name);
    }
    await sameSlots(page, well, run);
    for (const candidate of candidates.slice(0, 6)) {
      await visit(page, `#/run/${run}/candidate/${candidate.iteration}`);
      assert.equal(await figure(page, "mean_score"), three(candidate.mean_score));
      assert.equal(await figure(page, "validation_score"), three(candidate.validation_score));
    }
    await close();
  },

  async "the matrix has the scores of the export, and a missing one is none"({ browser, openedBad, evil, bad }) {
    const candidates = rows(bad, evil, "candidates");
    const { page, close } = await open(browser, openedBad);
    const data = await page.evaluate(async (run) => {
      const answer = await fetch(`api/runs/${run}/matrix/pareto`, { headers: { Authorization: `Bearer ${sessionStorage.getItem("gepa-key")}` } });
      const bytes = await answer.arrayBuffer();
      const length = new DataView(bytes).getUint32(0, true);
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
      const cells = header.examples.length * header.iterations.length;
      return { ...header, scores: [...new Float32Array(bytes, 4 + length, cells)].map((value) => (Number.isNaN(value) ? null : value)), state: [...new Uint8Array(bytes, 4 + length + 8 * cells, cells)] };
    }, evil);
    const width = data.examples.length;
    let scored = 0;
    let missing = 0;
    for (const [place, iteration] of data.iterations.entries()) {
      const { scores } = candidates.find((candidate) => candidate.iteration === iteration);
      if (scores === null) continue;
      for (const [example, score] of scores.entries()) {
        const cell = place * width + example;
        assert.equal(data.scores[cell], score === null ? null : Math.fround(score));
        assert.equal(data.states[data.state[cell]], score === null ? "permanent" : "scored");
        if (score === null) missing++;
        else scored++;
      }
    }
    assert.ok(scored > 50 && missing > 10, `${scored} scored, ${missing} missing`);
    await close();
  },

  async "hostile texts are shown and do nothing"({ browser, openedBad, evil, bad }) {
    const all = views(bad, evil);
    for (const url of [openedBad, `file://${join(bad, "report.html")}`]) {
      const { page, wrong, close } = await open(browser, url);
      let seen = 0;
      for (const view of all) {
        await visit(page, view);
        const text = await page.locator("main").innerText();
        seen += Number(text.includes("</script><script>window.hacked=1</script>"));
        assert.ok(!text.includes("\u202e") && !text.includes("\u001b"), `${view} hides characters`);
        assert.equal(await page.evaluate(() => window.hacked), undefined, view);
        assert.equal(await page.locator("main img, main script, main a[href^=javascript]").count(), 0, view);
      }
      assert.ok(seen > 8, `${seen} views show the text`);
      assert.deepEqual(wrong, []);
      await close();
    }
  },

  async "axe finds nothing, light and dark"({ browser, opened, openedBad, run, well, evil }) {
    const worlds = [
      [opened, ["#/", ...views(well, run), `#/compare?runs=${run},${run}`]],
      [openedBad, [`#/run/${evil}/failures`]],
    ];
    for (const colorScheme of ["light", "dark"]) {
      for (const [url, all] of worlds) {
        const { page, close } = await open(browser, url, { colorScheme, bypassCSP: true });
        for (const view of all) {
          await visit(page, view);
          await accessible(page, `${colorScheme} ${view}`);
        }
        await close();
      }
    }
  },

  async "no view is wider than the screen at 400, 1280 and 2560 pixels"({ browser, opened, openedBad, run, well, evil, bad }) {
    for (const [url, all] of [[opened, views(well, run)], [openedBad, views(bad, evil)]]) {
      const { page, close } = await open(browser, url);
      for (const view of ["#/", ...all]) {
        await page.setViewportSize({ width: 400, height: 900 });
        await visit(page, view);
        for (const width of [400, 1280, 2560]) {
          await page.setViewportSize({ width, height: 900 });
          const beyond = await page.evaluate(() => new Promise((told) => requestAnimationFrame(() => told(document.documentElement.scrollWidth - innerWidth))));
          assert.ok(beyond <= 0, `${view} at ${width}: ${beyond} px`);
        }
      }
      await close();
    }
  },

  async "filters, order and choice are in the address"({ browser, opened, run }) {
    const { page, close } = await open(browser, opened);
    await visit(page, `#/run/${run}/candidates`);
    await page.selectOption("#filter", "front");
    await page.getByRole("button", { name: "Pareto" }).click();
    const shown = await page.locator(".vbody .vrow").allInnerTexts();
    const address = await page.evaluate(() => location.hash);
    assert.match(address, /filter=front/);
    assert.match(address, /sort=pareto/);
    await visit(page, "#/");
    await visit(page, address);
    assert.deepEqual(await page.locator(".vbody .vrow").allInnerTexts(), shown);
    await close();
  },

  async "the keyboard opens a candidate and a rollout"({ browser, opened, run, well }) {
    const { page, close } = await open(browser, opened);
    await visit(page, `#/run/${run}/candidates`);
    await page.locator(".vscroll").focus();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL(/candidate\/1/);
    await visit(page, `#/run/${run}/examples`);
    await page.locator("div.grid").focus();
    // The second candidate was not run on every example.
    const scores = rows(well, run, "candidates")[1].scores;
    const known = scores.findIndex((score, place) => place > 0 && score !== null);
    await page.keyboard.press("ArrowRight");
    for (let place = 0; place < known; place++) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForURL(/event\/\d+/);
    await close();
  },

  async "data needs the token, and the page keeps it out of the address"({ browser, opened, run }) {
    const bare = opened.replace(/#.*/, "");
    const { page, close } = await open(browser, bare);
    assert.match(await page.locator("main").innerText(), /needs a key/);
    const answer = await page.evaluate(async () => (await fetch("api/runs")).status);
    assert.equal(answer, 401);
    const token = new URLSearchParams(opened.split("?")[1]).get("token");
    await page.fill("#key", token);
    await page.getByRole("button", { name: "Show the runs" }).click();
    await page.waitForSelector(".vrow");
    await close();
    const other = await open(browser, opened.replace("#/", `#/run/${run}`));
    assert.ok(!(await other.page.evaluate(() => location.href)).includes(token));
    await other.close();
  },

  async "no script from elsewhere runs on the served page"({ browser, opened }) {
    const { page, close } = await open(browser, opened);
    const policy = await page.evaluate(async () => (await fetch("./")).headers.get("content-security-policy"));
    assert.match(policy, /default-src 'none'; script-src 'self';/);
    await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "window.inline = 1";
      document.body.append(script);
    });
    assert.equal(await page.evaluate(() => window.inline), undefined);
    await close();
  },

  async "a live job is followed, paused, resumed and stopped from the page"({ browser, folder }) {
    const app = await startApp();
    const keys = { GEPA_PROVIDER_BASE_URL: `${app.url}/v1`, OPENAI_API_KEY: "k", ENVIRONMENT_API_KEY: "k" };
    const server = await serve(folder, keys, "serve", "--listen", "127.0.0.1:0");
    try {
      const { page, wrong, close } = await open(browser, `${server.url}/`);
      const job = await submit(page, submission(app.url));
      await visit(page, `#/run/${job}`);
      await page.waitForFunction(() => Number(document.querySelector("[data-figure=total_rollouts]")?.textContent.split(" of ")[0].replace(/\D/g, "")) > 50);
      await page.getByRole("button", { name: "Pause" }).click();
      await page.waitForSelector(".status.paused");
      await page.getByRole("button", { name: "Resume" }).click();
      await page.waitForSelector(".status.running");
      page.removeAllListeners("dialog");
      page.on("dialog", (dialog) => void dialog.accept());
      await page.getByRole("button", { name: "Stop" }).click();
      await page.waitForSelector(".status.cancelled");
      assert.deepEqual(wrong, []);
      await close();
    } finally {
      server.stop();
      app.stop();
    }
  },

  async "people steer a live job from the page, and each act is in the journal"({ browser, folder }) {
    const app = await startApp();
    const keys = { GEPA_PROVIDER_BASE_URL: `${app.url}/v1`, OPENAI_API_KEY: "k", ENVIRONMENT_API_KEY: "k" };
    const server = await serve(folder, keys, "serve", "--listen", "127.0.0.1:0");
    try {
      const { page, wrong, close } = await open(browser, `${server.url}/`);
      const job = await submit(page, submission(app.url));
      await visit(page, `#/run/${job}`);
      await page.waitForFunction(() => Number(document.querySelector("[data-figure=candidates_accepted]")?.textContent) > 2, null, { timeout: 60_000 });
      await visit(page, `#/run/${job}/steer`);
      await page.fill("#who", "Ada");
      await page.locator("#who").blur();
      const acts = [
        ["hint", { "#hint-text": "Name the unit <b>first</b>." }, "hint_given"],
        ["extend", { "#extend-max_rollouts": "200000" }, "limits_changed"],
        ["exclude", { "#exclude-example": "11" }, "example_excluded"],
        ["veto", { "#veto-candidate": "1" }, "candidate_vetoed"],
        ["inject", { "#inject-0": "A person wrote this." }, "candidate_injected"],
      ];
      for (const [name, fields, kind] of acts) {
        for (const [field, value] of Object.entries(fields)) await page.fill(field, value);
        await page.fill(`#${name}-why`, `why ${name}`);
        await page.locator(`#${name}-form button[type=submit]`).click();
        await page.waitForFunction((id) => /of the journal/.test(document.querySelector(`#${id}-form [role=status]`)?.textContent ?? ""), name);
        const written = rows(folder, job, "events").filter((event) => event.kind === kind);
        assert.equal(written.length, 1, kind);
        assert.equal(written[0].body.by.who, "Ada");
        assert.equal(written[0].body.by.why, `why ${name}`);
      }
      await page.fill("#veto-candidate", "1");
      await page.locator("#veto-form button[type=submit]").click();
      await page.waitForFunction(() => /left the archive/.test(document.querySelector("#veto-form [role=status]")?.textContent ?? ""));
      await visit(page, `#/run/${job}`);
      await visit(page, `#/run/${job}/steer`);
      const listed = await page.locator("#acts").innerText();
      for (const part of ["Ada", "candidate 1", "example 11", "why inject", "<b>first</b>"]) assert.ok(listed.includes(part), `${part}: ${listed}`);
      await accessible(page, "steer");
      await visit(page, `#/run/${job}`);
      assert.ok((await page.locator("#in-force").innerText()).includes("Name the unit"));
      await visit(page, `#/run/${job}/steer`);
      await page.fill("#branch-at", "1");
      await page.fill("#branch-rollouts", "150000");
      await page.locator("#branch-form button[type=submit]").click();
      await page.waitForSelector("#branch-form [role=status] a");
      const branched = await page.locator("#branch-form [role=status] a").innerText();
      const [begun] = rows(folder, branched, "events");
      assert.deepEqual([begun.body.origin.run, begun.body.origin.iteration], [job, 1]);
      await page.request.post(`${server.url}/api/prompt-learning/online/jobs/${branched}/cancel`);
      await page.selectOption("#course-act", "stop");
      await page.fill("#course-why", "enough");
      await page.locator("#course-form button[type=submit]").click();
      await page.waitForSelector(".status.succeeded", { timeout: 60_000 });
      assert.deepEqual(wrong.filter((line) => !line.includes("409")), []);
      await close();
    } finally {
      server.stop();
      app.stop();
    }
  },

  async "a run at rest is steered from the page of gepa open"({ browser, opened, run, well }) {
    const { page, wrong, close } = await open(browser, opened);
    const rollout = rows(well, run, "events").find((event) => event.kind === "rollout_settled" && event.body.stage === "seed");
    await visit(page, `#/run/${run}/event/${rollout.seq}`);
    page.removeAllListeners("dialog");
    page.on("dialog", (dialog) => void dialog.accept("label wrong"));
    await page.getByRole("button", { name: "Mark as mislabelled" }).click();
    await page.waitForFunction(() => /takes it in when it is resumed/.test(document.querySelector("[role=status]")?.textContent ?? ""));
    const written = rows(well, run, "events").at(-1);
    assert.equal(written.kind, "example_excluded");
    assert.equal(written.body.by.why, "label wrong");
    assert.equal(written.body.by.at_rest, true);
    await visit(page, `#/run/${run}`);
    await page.waitForSelector("[data-figure=verdict_sentence]");
    assert.ok((await page.locator("main").innerText()).includes("that people excluded"));
    await visit(page, `#/run/${run}/steer`);
    await page.fill("#extend-max_rollouts", "1");
    await page.locator("#extend-form button[type=submit]").click();
    await page.waitForFunction(() => /cannot be 1/.test(document.querySelector("#extend-form [role=status]")?.textContent ?? ""));
    assert.deepEqual(wrong.filter((line) => !line.includes("409")), []);
    await close();
  },

  async "slots, refusals, pauses and what the limiter allowed are shown and exported"({ browser, folder, run, well }) {
    const place = join(folder, "slots");
    mkdirSync(place);
    const app = await startApp(6);
    const keys = { GEPA_PROVIDER_BASE_URL: `${app.url}/v1`, OPENAI_API_KEY: "k", ENVIRONMENT_API_KEY: "k" };
    const start = () => serve(place, keys, "serve", "--listen", "127.0.0.1:0");
    let server = await start();
    try {
      let { page, wrong, close } = await open(browser, `${server.url}/`);
      const job = await submit(page, submission(app.url));
      const events = (kind) => rows(place, job, "events").filter((event) => event.kind === kind);
      const until = async (isSo) => {
        while (!isSo()) await new Promise((done) => setTimeout(done, 300));
      };
      await until(() => events("call_limits_noted").some((event) => event.body.limits.some((limit) => limit.refused > 0)));
      const post = async (act) => {
        const answer = await fetch(`${server.url}/api/runs/${job}/steering`, { method: "POST", body: JSON.stringify({ act }) });
        assert.equal(answer.status, 200, await answer.text());
      };
      await post("pause");
      await until(() => events("run_paused").length === 1);
      await new Promise((done) => setTimeout(done, 1200));
      await post("resume");
      await until(() => events("run_continued").length === 1);
      const noted = events("call_limits_noted").length;
      await close();
      await server.kill();
      gepa(place, "doctor", job);
      gepa(place, "replay", job);
      await new Promise((done) => setTimeout(done, 600));
      server = await start();
      await until(() => events("call_limits_noted").length > noted);
      await post("stop");
      await until(() => events("run_finished").length === 1);
      ({ page, wrong, close } = await open(browser, `${server.url}/`));
      const steps = await sameSlots(page, place, job);
      const sum = (of) => steps.reduce((all, step) => all + of(step), 0);
      const refused = events("call_limits_noted").flatMap((event) => event.body.limits).reduce((all, limit) => all + (limit.refused ?? 0), 0);
      assert.equal(sum((step) => (step.limits ?? []).reduce((all, limit) => all + limit.refused, 0)), refused);
      assert.equal((await page.locator("[data-slots=refused]").innerText()).replace(/\u202f/g, ""), String(refused));
      assert.ok(sum((step) => step.paused_seconds) > 1, "the pause is recorded");
      assert.ok(sum((step) => step.stopped_seconds) > 0.5, "the time without a process is recorded");
      assert.ok((await page.locator("svg .mark").count()) >= 2);
      assert.ok((await page.locator("main").innerText()).includes("Calls allowed at once, openai"));
      await accessible(page, "slots");
      await close();
      gepa(place, "doctor", job);
      gepa(place, "replay", job);
      gepa(place, "report", job, "-o", "report.html");
      const report = await open(browser, `file://${join(place, "report.html")}`);
      await sameSlots(report.page, place, job);
      await report.close();
      assert.deepEqual([...wrong, ...report.wrong], []);
      // A run whose models have no limit says so.
      gepa(well, "report", run, "-o", "slots.html");
      const bare = await open(browser, `file://${join(well, "slots.html")}`);
      await visit(bare.page, `#/run/${run}/slots`);
      assert.equal(await bare.page.locator("[data-slots=refused]").innerText(), "not recorded");
      await bare.close();
    } finally {
      server.stop();
      app.stop();
    }
  },

  async "two runs are compared with the figures of the command line"({ browser, opened, run, well }) {
    const other = healthy(well, "--set", "run.seed=1", "--set", "budget.max_rollouts=1500");
    const printed = gepa(well, "compare", run, other);
    const line = printed.split("\n").find((text) => text.trim().startsWith("run 2  ") && text.includes("won"));
    const interval = line.match(/([+-][\d.]+) +(\[[+-][\d.]+, [+-][\d.]+\])/).slice(1, 3).join(" ");
    const { page, wrong, close } = await open(browser, opened);
    await visit(page, `#/compare?runs=${run},${other}`);
    const shown = await page.locator("#held").innerText();
    assert.ok(shown.includes(interval), `${shown} has not ${interval}`);
    const settings = await page.locator("#settings").innerText();
    assert.ok(settings.includes("run.seed") && settings.includes("budget.max_rollouts"), settings);
    assert.ok(printed.includes("run.seed") && printed.includes("budget.max_rollouts"), printed);
    assert.deepEqual(wrong, []);
    await close();
  },

  async "runs are named, tagged, found, archived and deleted on the page"({ browser, opened, well }) {
    const mine = healthy(well, "--set", "run.seed=2", "--set", "budget.max_rollouts=1200");
    const entry = () => gepa(well, "runs", "--all", "--json").split("\n").filter(Boolean).map((line) => JSON.parse(line)).find((one) => one.run_id === mine);
    const { page, wrong, close } = await open(browser, opened);
    await visit(page, `#/run/${mine}/steer`);
    await page.fill("#label-name", "<b>best</b> try");
    await page.fill("#label-tags", "ship <i>x</i>");
    await page.fill("#label-note", "look\nat this");
    await page.locator("#labels-form button[type=submit]").click();
    await page.waitForFunction(() => document.querySelector("#labels-form [role=status]")?.textContent === "Saved.");
    const stored = entry();
    assert.deepEqual([stored.name, stored.tags, stored.note], ["<b>best</b> try", ["<i>x</i>", "ship"], "look\nat this"]);
    assert.ok((await page.locator(".runhead").innerText()).includes("#ship"));
    await accessible(page, "labels");
    await page.fill("#label-tags", "x".repeat(65));
    await page.locator("#labels-form button[type=submit]").click();
    await page.waitForFunction(() => /cannot be a tag/.test(document.querySelector("#labels-form [role=status]")?.textContent ?? ""));
    await visit(page, "#/?tag=ship");
    assert.equal(await page.locator(".vbody .vrow").count(), 1);
    await visit(page, "#/?q=look");
    assert.equal(await page.locator(".vbody .vrow").count(), 1);
    await page.locator(".vbody input[type=checkbox]").check();
    await page.getByRole("button", { name: "Archive the chosen" }).click();
    await page.waitForFunction(() => document.querySelectorAll(".vbody .vrow").length === 0);
    assert.ok(entry().archived_at);
    await page.locator("#archived").check();
    assert.equal(await page.locator(".vbody .vrow").count(), 1);
    assert.ok(page.url().includes("archived=1"));
    await accessible(page, "runs");
    await visit(page, `#/run/${mine}/steer`);
    page.removeAllListeners("dialog");
    page.on("dialog", (dialog) => void dialog.accept());
    await page.locator("#delete-run").click();
    await page.waitForFunction(() => /^Deleted\. /.test(document.querySelector("#labels-form [role=status]")?.textContent ?? ""));
    assert.equal(entry(), undefined);
    assert.deepEqual(wrong.filter((line) => !line.includes("422")), []);
    await close();
  },

  async "a sweep is compared in one file"({ browser, folder }) {
    const place = join(folder, "sweep");
    mkdirSync(place);
    const config = JSON.stringify(new URL("../../../configs/heart_disease.toml", import.meta.url).pathname);
    writeFileSync(join(place, "sweep.toml"), `config = ${config}\nseeds = [1, 2]\nparallel = 2\n[budget]\nmax_rollouts = 4000\n[grid]\n"search.parent" = ["pareto", "current_best"]\n`);
    const printed = gepa(place, "sweep", "sweep.toml", "--report", "page.html");
    const runs = gepa(place, "runs", "--json").split("\n").filter(Boolean).map((line) => JSON.parse(line));
    const { page, wrong, close } = await open(browser, `file://${join(place, "page.html")}`);
    await page.waitForSelector("#figures");
    const shown = await page.locator("#figures").innerText();
    for (const run of runs) {
      assert.ok(shown.includes(run.run_id), run.run_id);
      assert.ok(shown.includes(three(run.best_validation_score)), run.run_id);
    }
    assert.equal(await page.locator("#held tr").count(), runs.length - 1);
    assert.ok((await page.locator("#settings").innerText()).includes("search.parent"), printed);
    await accessible(page, "sweep");
    await page.locator("#figures a").first().click();
    await page.waitForSelector(".runhead");
    assert.deepEqual(wrong, []);
    await close();
  },

  async "the page says how proposals ended as the command line does"({ browser, opened, run, well }) {
    const shown = gepa(well, "show", run);
    const { page, wrong, close } = await open(browser, opened);
    await visit(page, `#/run/${run}`);
    const lines = await page.locator("#endings tbody tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent.replace(/\u202f/g, " "))));
    assert.ok(lines.length > 1);
    for (const [number, words] of lines) assert.ok(shown.includes(`${number} ${words}`), `${number} ${words} is not in ${shown}`);
    assert.deepEqual(wrong, []);
    await close();
  },

  async "acts from the page and from the API survive a kill of the server right after them"({ browser, folder }) {
    const place = join(folder, "killed");
    mkdirSync(place);
    const app = await startApp();
    const keys = { GEPA_PROVIDER_BASE_URL: `${app.url}/v1`, OPENAI_API_KEY: "k", ENVIRONMENT_API_KEY: "k" };
    const start = () => serve(place, keys, "serve", "--listen", "127.0.0.1:0");
    let server = await start();
    let job;
    const rollouts = async () => (await (await fetch(`${server.url}/api/runs/${job}/view`)).json()).run.total_rollouts;
    const progress = async (more) => {
      const before = await rollouts();
      while ((await rollouts()) < before + more) await new Promise((done) => setTimeout(done, 50));
    };
    /** What an act wrote is there after a kill; the run goes on from it and is decided again the same. */
    const killed = async (kind, count) => {
      await server.kill();
      const written = rows(place, job, "events").filter((event) => event.kind === kind);
      assert.equal(written.length, count, kind);
      gepa(place, "doctor", job);
      gepa(place, "replay", job);
      server = await start();
      await progress(5);
    };
    try {
      const first = await open(browser, `${server.url}/`);
      job = await submit(first.page, submission(app.url));
      await visit(first.page, `#/run/${job}`);
      await first.page.waitForFunction(() => Number(document.querySelector("[data-figure=candidates_accepted]")?.textContent) > 2, null, { timeout: 60_000 });
      await first.close();
      const post = async (request) => {
        const answer = await fetch(`${server.url}/api/runs/${job}/steering`, { method: "POST", body: JSON.stringify({ who: "Ada", why: "a test", ...request }) });
        assert.equal(answer.status, 200, await answer.text());
      };
      const view = async () => (await fetch(`${server.url}/api/runs/${job}/view`)).json();
      const best = await (await fetch(`${server.url}/api/runs/${job}/candidates/0`)).json();
      const components = { ...best.candidate.components, system: "Ada wrote this." };
      const acts = [
        [{ act: "hint", text: "Name the unit." }, "hint_given"],
        [{ act: "inject", components }, "candidate_injected"],
        [{ act: "veto", candidate: 1 }, "candidate_vetoed"],
        [{ act: "exclude", example: 12 }, "example_excluded"],
        [{ act: "extend", limits: { max_rollouts: 90000 } }, "limits_changed"],
      ];
      for (const [request, kind] of acts) {
        await post(request);
        await killed(kind, 1);
      }
      // The answer to a pause of a job comes before its entry, which waits for the calls in flight.
      await post({ act: "pause" });
      while ((await view()).run.status !== "paused") await new Promise((done) => setTimeout(done, 50));
      await server.kill();
      assert.equal(rows(place, job, "events").filter((event) => event.kind === "run_paused").length, 1);
      gepa(place, "replay", job);
      server = await start();
      assert.equal((await view()).run.status, "paused");
      await post({ act: "resume" });
      await progress(5);
      await killed("run_continued", 1);
      const { page, close } = await open(browser, `${server.url}/`);
      await visit(page, `#/run/${job}/steer`);
      await page.fill("#hint-text", "From the page.");
      await page.locator("#hint-form button[type=submit]").click();
      await page.waitForFunction(() => /of the journal/.test(document.querySelector("#hint-form [role=status]")?.textContent ?? ""));
      await close();
      await killed("hint_given", 2);
      const again = await open(browser, `${server.url}/`);
      await visit(again.page, `#/run/${job}`);
      assert.ok((await again.page.locator("#in-force").innerText()).includes("From the page."));
      const members = await view();
      const free = members.candidates.index.findLast((index, row) => index !== null && index > 1 && members.candidates.status[row] === "accepted");
      const iteration = members.candidates.iteration[members.candidates.index.indexOf(free)];
      await visit(again.page, `#/run/${job}/candidate/${iteration}`);
      again.page.removeAllListeners("dialog");
      again.page.on("dialog", (dialog) => void dialog.accept("copies the question"));
      await again.page.getByRole("button", { name: "Veto" }).click();
      await again.page.waitForFunction(() => [...document.querySelectorAll("[role=status]")].some((told) => /of the journal/.test(told.textContent)));
      await again.page.getByRole("link", { name: "Edit and try" }).click();
      await again.page.waitForSelector("#inject-form");
      assert.ok((await again.page.locator("#inject-form").innerText()).includes(`candidate ${free}`));
      const reflection = rows(place, job, "events").findLast((event) => event.kind === "reflection_settled" && event.body.text);
      await visit(again.page, `#/run/${job}/event/${reflection.seq}`);
      const main = await again.page.locator("main").innerText();
      assert.ok(main.includes("From the page.") || main.includes("Name the unit."), "the prompt that was sent has the hint");
      await again.close();
      await killed("candidate_vetoed", 2);
    } finally {
      server.stop();
      app.stop();
    }
  },

  async "blame prints the lines of the best prompt with their iterations"({ well, run }) {
    const text = gepa(well, "blame", run);
    const best = gepa(well, "best", run).split("\n").filter((line) => line.trim() !== "");
    assert.ok(best.some((line) => text.includes(line)), text);
    assert.match(text, /iteration \d+: reflection of/);
  },
};

async function submit(page, job) {
  const answer = await page.evaluate(async (body) => {
    const answer = await fetch("api/prompt-learning/online/jobs", { method: "POST", headers: { "content-type": "application/json" }, body });
    return answer.json();
  }, JSON.stringify(job));
  assert.ok(answer.job_id, JSON.stringify(answer));
  return answer.job_id;
}
