// Ablations that are begun from the page: refused, watched, killed, done, cancelled.
import assert from "node:assert/strict";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { open, visit } from "./browser.mjs";
import { accessible } from "./checks.mjs";
import { gepa, rows, serve } from "./stores.mjs";

/** A run whose evaluator takes 30 ms and needs one of the lines of its prompt. */
function slow(folder) {
  mkdirSync(folder);
  writeFileSync(join(folder, "evaluator.py"), EVALUATOR);
  writeFileSync(join(folder, "proposer.py"), PROPOSER);
  const lines = Array.from({ length: 150 }, (_, id) => JSON.stringify({ id: String(id), question: `q${id}`, answer: "yes" }));
  writeFileSync(join(folder, "rows.jsonl"), lines.join("\n"));
  writeFileSync(join(folder, "slow.toml"), CONFIG);
  return gepa(folder, "run", "slow.toml").split("\n")[0];
}

const EVALUATOR = `
import json, sys, time
print(json.dumps({"protocol": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    time.sleep(0.03)
    known = "amber" in request["candidate"]["words"]
    print(json.dumps({"id": request["id"], "score": float(known and int(request["example"]) % 8 != 0), "feedback": "amber"}), flush=True)
`;

const PROPOSER = `
import json, sys
print(json.dumps({"proposer": 1}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"id": request["id"], "texts": {"words": request["candidate"]["words"] + chr(10) + "more " + str(request["iteration"])}}), flush=True)
`;

const CONFIG = `
[components]
words = """amber is red
read the question twice
answer in one word"""
[dataset]
path = "rows.jsonl"
id_column = "id"
answer = "answer"
[dataset.split]
train = { count = 30 }
pareto = { count = 60 }
validation = { count = 60 }
[evaluator]
kind = "process"
command = ["python3", "evaluator.py"]
processes = 4
[proposer]
kind = "process"
command = ["python3", "proposer.py"]
[run]
max_concurrent = 4
[budget]
max_rollouts = 240
`;

const begin = async (page, rollouts) => {
  await page.fill("#ablation_rollouts", String(rollouts));
  await page.fill("#ablation_margin", "0.1");
  await page.locator("#ablation form button[type=submit]").click();
};
const says = (page, words, timeout = 60_000) => page.waitForFunction((words) => document.querySelector("#ablating")?.textContent.includes(words), words, { timeout });
const numbers = (text) => [...text.matchAll(/(\d[\d\u202f]*) of at most|: (\d[\d\u202f]*) rollouts executed|\. (\d[\d\u202f]*) rollouts executed/g)].map((one) => Number((one[1] ?? one[2] ?? one[3]).replace(/\D/g, "")));

export const ablations = {
  async "an ablation is begun from the page, killed half way, begun again, finished and cancelled"({ browser, folder }) {
    const place = join(folder, "slow");
    const run = slow(place);
    const stored = () => gepa(place, "runs", "--all", "--json").split("\n").filter(Boolean).map((line) => JSON.parse(line)).filter((one) => one.tags?.includes("ablation")).reduce((sum, one) => sum + one.total_rollouts, 0);
    let served = await serve(place, {}, "open", "--no-browser");
    try {
      let shown = await open(browser, served.url);
      await visit(shown.page, `#/run/${run}/candidate/0`);
      await shown.page.waitForSelector("#ablation form");
      await accessible(shown.page, "a form for an ablation");
      await begin(shown.page, 5);
      await shown.page.waitForFunction(() => /a budget of 5 rollouts is too small/.test(document.querySelector("#ablation [role=alert]")?.textContent ?? ""));
      assert.equal(stored(), 0);
      renameSync(join(place, "evaluator.py"), join(place, "moved.py"));
      await begin(shown.page, 600);
      await shown.page.waitForFunction(() => /cannot|changed/.test(document.querySelector("#ablation [role=alert]")?.textContent ?? ""));
      renameSync(join(place, "moved.py"), join(place, "evaluator.py"));
      await begin(shown.page, 600);
      await says(shown.page, "goes on");
      const again = await shown.page.evaluate(async (path) => (await fetch(path, { method: "POST", headers: { Authorization: `Bearer ${sessionStorage.getItem("gepa-key")}` }, body: '{"max_rollouts": 600}' })).status, `api/runs/${run}/ablation`);
      assert.equal(again, 409);
      await shown.page.waitForFunction(() => Number(document.querySelector("#ablating progress")?.value ?? 0) > 20, null, { timeout: 60_000 });
      assert.deepEqual(shown.wrong.filter((line) => !/409|422/.test(line)), []);
      await served.kill();
      await shown.close();
      const paid = stored();
      assert.ok(paid > 20, String(paid));

      served = await serve(place, {}, "open", "--no-browser");
      shown = await open(browser, served.url);
      await visit(shown.page, `#/run/${run}/candidate/0`);
      await says(shown.page, "was not finished");
      assert.deepEqual(numbers(await shown.page.locator("#ablating").innerText()), [paid]);
      await accessible(shown.page, "an ablation that was not finished");
      await begin(shown.page, 600);
      await says(shown.page, "is done", 120_000);
      const events = rows(place, run, "events").filter((event) => event.kind === "ablation_noted");
      assert.equal(events.length, 1);
      const { report } = events[0].body ?? events[0].data ?? events[0];
      // What was stored before the kill is not paid for again.
      assert.equal(stored(), paid + report.executed);
      assert.ok(report.executed + paid <= 600);
      assert.equal(report.parts.find((part) => part.text.includes("amber")).finding, "earns");
      await shown.page.locator("#ablating a").click();
      await shown.page.waitForSelector("table.ablation");
      assert.deepEqual(shown.wrong, []);
      gepa(place, "doctor", run);
      gepa(place, "replay", run);

      const longer = rows(place, run, "candidates").find((row) => row.iteration > 0)?.iteration;
      if (longer !== undefined) {
        await visit(shown.page, `#/run/${run}/candidate/${longer}`);
        await shown.page.waitForSelector("#ablation form");
        await begin(shown.page, 900);
        await says(shown.page, "goes on");
        await shown.page.getByRole("button", { name: "Cancel the ablation" }).click();
        await says(shown.page, "was cancelled");
      }
      await shown.close();
    } finally {
      served.stop();
    }
  },
};
