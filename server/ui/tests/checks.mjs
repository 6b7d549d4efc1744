// What several tests look at.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { visit } from "./browser.mjs";
import { rows } from "./stores.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VIEWS = ["", "/candidates", "/lineage", "/examples", "/examples?set=validation&sort=hard", "/reflections", "/failures", "/slots", "/steer", "/config"];

/** The addresses of all views of a run, with the pages of a candidate, a rollout and a reflection. */
export function views(folder, run) {
  const rollouts = rows(folder, run, "events").filter((event) => event.kind === "rollout_settled");
  const replies = rows(folder, run, "events").filter((event) => event.kind === "reflection_settled");
  const of = (seq) => `/event/${seq}`;
  const shown = [of(rollouts[0].seq), of(rollouts.at(-1).seq), of(replies[0].seq)];
  const last = rows(folder, run, "candidates").at(-1).iteration;
  return [...VIEWS, "/candidate/0", `/candidate/${last}?against=0`, ...shown].map((view) => `#/run/${run}${view}`);
}

export async function figure(page, name) {
  return (await page.locator(`[data-figure="${name}"]`).first().innerText()).replace(/\u202f/g, "");
}

export const three = (value) => (value === null ? "\u2013" : value.toFixed(3));

export async function accessible(page, view) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document));
  const problems = found.violations.map((one) => `${view}: ${one.id}: ${one.nodes.map((node) => node.html).join(" | ").slice(0, 400)}`);
  assert.deepEqual(problems, []);
}

/** The steps of the page are those of the export; returns the latter. */
export async function sameSlots(page, folder, run) {
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

/** Submits a job from a page of the server; returns its id. */
export async function submit(page, job) {
  const answer = await page.evaluate(async (body) => {
    const answer = await fetch("api/prompt-learning/online/jobs", { method: "POST", headers: { "content-type": "application/json" }, body });
    return answer.json();
  }, JSON.stringify(job));
  assert.ok(answer.job_id, JSON.stringify(answer));
  return answer.job_id;
}
