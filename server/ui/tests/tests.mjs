// What must hold on every page.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { open, visit } from "./browser.mjs";
import { accessible, figure, sameSlots, three, views } from "./checks.mjs";
import { copies, gepa, healthy, rows, serve } from "./stores.mjs";

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

  async "the tabs are there while a run is read, and a failure is said in their place"({ browser, opened, run }) {
    for (const ends of ["continue", "abort"]) {
      const { page, close } = await open(browser, opened);
      let release;
      const held = new Promise((done) => (release = done));
      await page.route(`**/api/runs/${run}/view`, async (route) => {
        await held;
        await route[ends]();
      });
      await page.evaluate((hash) => (location.hash = hash), `#/run/${run}`);
      await page.waitForSelector("nav.tabs");
      assert.equal(await page.locator("h1").innerText(), run);
      assert.equal(await page.locator("[data-reading]").count(), 1);
      release();
      await page.waitForSelector("main:not(:has([data-reading]))");
      assert.equal(await page.locator("[role=alert]").count(), ends === "abort" ? 1 : 0);
      assert.equal(await page.locator(".status").count(), ends === "abort" ? 0 : 1);
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
    await page.waitForFunction(() => document.querySelectorAll(".vbody .vrow").length === 1);
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

  async "the list shows the newest runs, says how many there are, and shows older ones on request"({ browser, folder }) {
    const place = join(folder, "many");
    mkdirSync(place);
    const oldest = healthy(place, "--set", "budget.max_rollouts=1200");
    copies(place, oldest, 1199);
    const { url, stop } = await serve(place, {}, "open", "--no-browser");
    const { page, wrong, close } = await open(browser, url);
    const says = (words) => page.waitForFunction((words) => document.querySelector(".tools [role=status]")?.textContent.replace(/\u202f/g, "") === words, words);
    await visit(page, "#/");
    await says("the newest 500 of 1200 runs");
    assert.equal(await page.locator(".vtable").getAttribute("aria-rowcount"), "501");
    await accessible(page, "runs");
    await page.locator("#more").click();
    await says("the newest 1000 of 1200 runs");
    await page.locator("#more").click();
    await says("1200 runs");
    assert.ok(await page.locator("#older").isHidden());
    await page.locator("#search").fill(oldest);
    await says("1 run; the store has 1200");
    await page.locator("#search").fill("");
    await says("the newest 500 of 1200 runs");
    await page.locator("#rest").click();
    await says("1200 runs");
    assert.equal(await page.locator(".vtable").getAttribute("aria-rowcount"), "1201");
    assert.deepEqual(wrong, []);
    await close();
    stop();
  },

  async "an ablation is kept with its run and shown on the page and in a report"({ browser, folder }) {
    const place = join(folder, "ablated");
    mkdirSync(place);
    const mine = healthy(place, "--set", "budget.max_rollouts=1500");
    const best = rows(place, mine, "stats")[0].best_index;
    const { iteration } = rows(place, mine, "candidates").find((row) => row.index === best);
    const served = await serve(place, {}, "open", "--no-browser");
    try {
      const { page, wrong, close } = await open(browser, served.url);
      await visit(page, `#/run/${mine}/candidate/${iteration}`);
      assert.ok((await page.locator("#ablation").innerText()).includes(`gepa ablate ${mine} ${best} --max-rollouts`));
      gepa(place, "ablate", mine, String(best), "--max-rollouts", "2000", "--margin", "0.2", "--who", "Ada <b>", "--json", "found.json", "-o", "short.json");
      const found = JSON.parse(readFileSync(join(place, "found.json"), "utf8"));
      gepa(place, "report", mine, "-o", "report.html");
      const report = await open(browser, `file://${join(place, "report.html")}`);
      for (const shown of [page, report.page]) {
        await visit(shown, `#/run/${mine}/candidate/${iteration}`);
        const cells = await shown.locator("#ablation tbody tr").evaluateAll((lines) => lines.map((line) => [...line.children].map((cell) => cell.textContent.replace(/\u202f/g, ""))));
        const signed = (value) => (value >= 0 ? "+" : "") + value.toFixed(3);
        const expected = found.parts.map((part, at) => {
          const without = part.difference === null ? "\u2013" : `${signed(part.difference.mean)} [${signed(part.difference.low)}, ${signed(part.difference.high)}]`;
          return [String(at + 1), part.finding.replace("_", " "), without, String(part.examples), String(part.tokens), part.text];
        });
        assert.deepEqual(cells, expected);
        const text = await shown.locator("#ablation").innerText();
        assert.ok(text.includes("Ada <b>"), text);
        assert.equal(text.includes("Shorter prompt"), found.shorter !== null);
        if (found.shorter !== null) assert.equal(text.includes("Proposed: "), found.shorter.is_proposed);
        await accessible(shown, "ablation");
      }
      await visit(page, `#/run/${mine}/steer`);
      assert.ok((await page.locator("#acts").innerText()).includes(`ablated candidate ${best}`));
      await page.locator("#acts a").click();
      await page.waitForSelector("table.ablation");
      assert.deepEqual([...wrong, ...report.wrong], []);
      gepa(place, "doctor", mine);
      gepa(place, "replay", mine);
      await report.close();
      await close();
    } finally {
      served.stop();
    }
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

  async "blame prints the lines of the best prompt with their iterations"({ well, run }) {
    const text = gepa(well, "blame", run);
    const best = gepa(well, "best", run).split("\n").filter((line) => line.trim() !== "");
    assert.ok(best.some((line) => text.includes(line)), text);
    assert.match(text, /iteration \d+: reflection of/);
  },
};
