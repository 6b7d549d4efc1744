// What people do to runs from the page, and what a kill right after it leaves.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { startApp, submission } from "./app.mjs";
import { open, visit } from "./browser.mjs";
import { accessible, sameSlots, submit } from "./checks.mjs";
import { gepa, rows, serve } from "./stores.mjs";

export const acts = {
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
    const rollout = rows(well, run, "events").find((event) => event.kind === "rollout_settled" && event.body.stage === "validation_baseline");
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
      await new Promise((done) => setTimeout(done, 3000));
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
      assert.ok((await page.locator("main").innerText()).includes("Calls to openai allowed at once"));
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

  async "every act of the page survives a kill of the server right after it"({ browser, folder }) {
    const place = join(folder, "killed-acts");
    mkdirSync(place);
    const app = await startApp();
    const keys = { GEPA_PROVIDER_BASE_URL: `${app.url}/v1`, OPENAI_API_KEY: "k", ENVIRONMENT_API_KEY: "k" };
    const start = () => serve(place, keys, "serve", "--listen", "127.0.0.1:0");
    let server = await start();
    const view = async (run) => (await fetch(`${server.url}/api/runs/${run}/view`)).json();
    const events = (run, kind) => rows(place, run, "events").filter((event) => event.kind === kind);
    const until = async (isSo) => {
      for (let looks = 0; !(await isSo()); looks++) {
        assert.ok(looks < 400, `not within a minute: ${isSo}`);
        await new Promise((done) => setTimeout(done, 150));
      }
    };
    const told = (page, form, words) => page.waitForFunction(([id, text]) => new RegExp(text).test(document.querySelector(`${id} [role=status]`)?.textContent ?? ""), [form, words]);
    /** Does something on a page, kills the server at once, and starts another one. */
    const killed = async (run, hash, does) => {
      const { page, close } = await open(browser, `${server.url}/`);
      page.removeAllListeners("dialog");
      page.on("dialog", (dialog) => void dialog.accept("a test"));
      await visit(page, `#/run/${run}${hash}`);
      const found = await does(page);
      await server.kill();
      await close();
      return found;
    };
    /** The run is decided again the same as far as it came, and goes on. */
    const goesOn = async (run) => {
      gepa(place, "doctor", run);
      gepa(place, "replay", run);
      server = await start();
      const before = (await view(run)).run.total_rollouts;
      await until(async () => (await view(run)).run.total_rollouts > before + 5);
    };
    try {
      const first = await open(browser, `${server.url}/`);
      const job = await submit(first.page, submission(app.url));
      await visit(first.page, `#/run/${job}`);
      await first.page.waitForFunction(() => Number(document.querySelector("[data-figure=candidates_accepted]")?.textContent) > 2, null, { timeout: 60_000 });
      await first.close();
      const form = (name, field, value) => async (page) => {
        await page.fill(field, value);
        await page.locator(`#${name}-form button[type=submit]`).click();
        await told(page, `#${name}-form`, "of the journal");
      };
      await killed(job, "/steer", form("extend", "#extend-max_rollouts", "90000"));
      assert.equal(events(job, "limits_changed").length, 1);
      await goesOn(job);
      assert.equal((await view(job)).limits.max_rollouts, 90000);
      await killed(job, "/steer", form("inject", "#inject-0", "Ada wrote this."));
      assert.equal(events(job, "candidate_injected").length, 1);
      await goesOn(job);
      await until(() => rows(place, job, "candidates").some((row) => row.origin === "injected"));
      const rollout = rows(place, job, "events").find((event) => event.kind === "rollout_settled" && event.body.stage === "seed");
      await killed(job, `/event/${rollout.seq}`, async (page) => {
        await page.getByRole("button", { name: "Mark as mislabelled" }).click();
        await page.waitForFunction(() => [...document.querySelectorAll("[role=status]")].some((status) => /of the journal/.test(status.textContent)));
      });
      assert.deepEqual(events(job, "example_excluded").map((event) => event.body.example), [rollout.body.example]);
      await goesOn(job);
      assert.deepEqual((await view(job)).excluded, [rollout.body.example]);

      await killed(job, "", async (page) => {
        await page.getByRole("button", { name: "Pause" }).click();
        await page.waitForSelector(".status.paused");
      });
      assert.equal(events(job, "run_paused").length, 1);
      gepa(place, "doctor", job);
      gepa(place, "replay", job);
      server = await start();
      assert.equal((await view(job)).run.status, "paused");
      await killed(job, "", async (page) => {
        await page.getByRole("button", { name: "Resume" }).click();
        await page.waitForSelector(".status.running");
      });
      assert.equal(events(job, "run_continued").length, 1);
      await goesOn(job);

      await killed(job, "/steer", async (page) => {
        await page.fill("#label-name", "renamed");
        await page.fill("#label-tags", "ship");
        await page.locator("#label-archived").check();
        await page.locator("#labels-form button[type=submit]").click();
        await told(page, "#labels-form", "Saved");
      });
      await goesOn(job);
      const { run } = await view(job);
      assert.deepEqual([run.name, run.tags, run.archived_at === null], ["renamed", ["ship"], false]);

      const branch = await killed(job, "/steer", async (page) => {
        await page.fill("#branch-at", "1");
        await page.locator("#branch-form button[type=submit]").click();
        await page.waitForSelector("#branch-form [role=status] a");
        return page.locator("#branch-form [role=status] a").innerText();
      });
      assert.deepEqual(events(branch, "run_started").map((event) => event.body.origin.run), [job]);
      await goesOn(branch);
      await killed(branch, "", async (page) => {
        await page.getByRole("button", { name: "Stop" }).click();
        await page.waitForSelector(".status.cancelled");
      });
      gepa(place, "doctor", branch);
      gepa(place, "replay", branch);
      server = await start();
      assert.equal((await view(branch)).run.status, "cancelled");
      await killed(branch, "/steer", async (page) => {
        await page.locator("#delete-run").click();
        await told(page, "#labels-form", "Deleted");
      });
      assert.ok(!gepa(place, "runs", "--all", "--json").includes(branch));
      await goesOn(job);

      const written = await killed(job, "/steer", async (page) => {
        await page.selectOption("#course-act", "stop");
        await page.locator("#course-form button[type=submit]").click();
        await told(page, "#course-form", "of the journal|calls in flight have ended");
        return page.locator("#course-form [role=status]").innerText();
      });
      // A stop is journaled when the calls in flight have ended, and the page says which it was.
      if (/of the journal/.test(written)) assert.equal(events(job, "stop_requested").length, 1);
      gepa(place, "doctor", job);
      gepa(place, "replay", job);
      server = await start();
      if (events(job, "stop_requested").length === 0) {
        await fetch(`${server.url}/api/runs/${job}/steering`, { method: "POST", body: JSON.stringify({ act: "stop" }) });
      }
      await until(async () => (await view(job)).run.status === "succeeded");
      gepa(place, "doctor", job);
      gepa(place, "replay", job);
    } finally {
      server.stop();
      app.stop();
    }
  },
};
