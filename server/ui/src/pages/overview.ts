// The first view of a run: what came of it, how it went, what it cost.

import type { Point, View } from "../data";
import { h } from "../dom";
import { cost, count, dollars, score, signed, words } from "../format";
import { href, setParams } from "../route";
import { AXES, progress, type Axis } from "./chart";
import type { Context } from "./run";
import { inForce } from "./steer";
import { pairs, summary, verdictCard } from "./verdict";

export function overviewTab(context: Context): HTMLElement {
  const { view } = context;
  const verdict = h("div", {}, h("p", { class: "card dim" }, "Reading the verdict."));
  // The verdict of a large run takes longer than the rest, which is shown meanwhile.
  verdictCard(context).then(
    (card) => verdict.replaceChildren(card),
    (error: Error) => verdict.replaceChildren(h("p", { class: "card warn" }, error.message)),
  );
  return h(
    "div",
    { class: "stack" },
    verdict,
    inForce(context),
    h("section", { class: "card" }, h("h2", {}, "Progress"), progressChart(context)),
    h("div", { class: "two" }, h("section", { class: "card" }, h("h2", {}, "Spent by stage"), stages(context)), h("section", { class: "card" }, h("h2", {}, "Figures"), figures(context))),
    endings(context),
    view.validated.length > 1 && h("section", { class: "card" }, h("h2", {}, "Held-out examples"), heldOut(context)),
  );
}

/** How the proposals ended, in the words of `gepa show`. */
function endings({ view }: Context): HTMLElement | null {
  const parts = view.ending_parts ?? [];
  if (parts.every(([number]) => number === 0)) return null;
  const rows = parts.map(([number, text]) => h("tr", {}, h("td", { class: "figure" }, count(number)), h("td", {}, text)));
  return h("section", { class: "card" }, h("h2", {}, "How proposals ended"), h("table", { id: "endings" }, h("thead", {}, h("tr", {}, h("th", { class: "figure" }, "Proposals"), h("th", {}, "Ending"))), h("tbody", {}, rows)));
}

function progressChart(context: Context): HTMLElement {
  const { view, params } = context;
  const wanted = params.get("axis") as Axis | null;
  let axis: Axis = wanted !== null && wanted in AXES ? wanted : "rollouts";
  const place = h("div", { class: "chart" });
  const draw = (): void => place.replaceChildren(progress(view, axis));
  const choice = h("select", { id: "axis" }, Object.entries(AXES).map(([name, { title }]) => h("option", { value: name, selected: name === axis }, title)));
  choice.addEventListener("change", () => {
    axis = choice.value as Axis;
    setParams({ axis });
    draw();
  });
  draw();
  return h("div", {}, h("div", { class: "tools" }, h("label", { for: "axis" }, "Against"), choice), place, falls(view) && h("p", { class: "dim" }, "Each score is the mean over the examples that the candidate was run on in the end. The line falls where the search took a candidate for the best one by an estimate from few examples, and further examples lowered its mean."), steps(context));
}

/** Whether the best candidate has a lower mean than one before it. */
function falls(view: View): boolean {
  let highest = -Infinity;
  for (const { best_score } of view.curve) {
    if (best_score === null) continue;
    if (best_score < highest) return true;
    highest = best_score;
  }
  return false;
}

/** The same as the chart, for those who cannot see it. */
function steps({ view, run }: Context): HTMLElement {
  const rises: Point[] = [];
  for (const point of view.curve) {
    const last = rises[rises.length - 1];
    if (point.best_score !== null && (last === undefined || point.best_score > (last.best_score ?? -Infinity))) rises.push(point);
  }
  const iteration = (index: number): number => view.candidates.iteration[view.candidates.index.indexOf(index)] ?? 0;
  const rows = rises.map((point) =>
    h(
      "tr",
      {},
      h("td", { class: "figure" }, count(point.rollouts)),
      h("td", { class: "figure" }, count(point.tokens)),
      h("td", { class: "figure" }, dollars(point.cost_usd)),
      h("td", { class: "figure" }, score(point.best_score)),
      h("td", {}, h("a", { href: href(["run", run, "candidate", iteration(point.best)]) }, `candidate ${point.best}`)),
    ),
  );
  return h(
    "details",
    {},
    h("summary", {}, `Each rise of the best score (${rises.length})`),
    h("table", {}, h("thead", {}, h("tr", {}, ["Rollouts", "Tokens", "Cost", "Best score"].map((name) => h("th", { class: "figure" }, name)), h("th", {}, "By"))), h("tbody", {}, rows)),
  );
}

function stages({ view }: Context): HTMLElement {
  const spent = view.reflections.reduce((sum, row) => ({ tokens: sum.tokens + row.tokens, known: sum.known + (row.cost_usd ?? 0), unpriced: sum.unpriced + (row.cost_usd === null ? 1 : 0) }), { tokens: 0, known: 0, unpriced: 0 });
  const rows = view.stages.map((stage) => [words(stage.stage), count(stage.executed), count(stage.reused), count(stage.failed), count(stage.tokens), cost(stage.cost_usd, stage.unpriced_calls)]);
  rows.push(["reflection", count(view.reflections.length), "\u2013", count(view.reflections.filter((row) => row.failure !== null).length), count(spent.tokens), cost(spent.known, spent.unpriced)]);
  return h(
    "div",
    { class: "wide" },
    h(
      "table",
      { id: "stages" },
      h("thead", {}, h("tr", {}, ["Stage", "Executed", "Reused", "Failed", "Tokens", "Cost"].map((name, place) => h("th", { class: place > 0 ? "figure" : "" }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, place) => h("td", { class: place > 0 ? "figure" : "" }, cell))))),
    ),
  );
}

function figures({ view }: Context): HTMLElement {
  const { run, limits } = view;
  const accepted = Math.max(0, run.candidates_accepted - 1);
  const limit = (name: string): string => {
    const value = limits?.[name];
    return typeof value === "number" ? ` of ${count(value)}` : "";
  };
  const entries: [string, string, string][] = [
    ["total_rollouts", "Rollouts", `${count(run.total_rollouts)}${limit("max_rollouts")}`],
    ["trials_tried", "Candidates tried", count(run.trials_tried)],
    ["candidates_accepted", "Accepted, with the seed", count(run.candidates_accepted)],
    ["front_size", "Front", count(run.front_size)],
    ["failed_rollouts", "Failed rollouts", count(run.failed_rollouts)],
    ["total_tokens", "Tokens", `${count(run.total_tokens)}${limit("max_tokens")}`],
    ["total_cost_usd", "Cost", cost(run.total_cost_usd, run.unpriced_calls)],
    ["cost_per_accepted", "Cost per accepted child", accepted === 0 ? "\u2013" : cost(run.total_cost_usd / accepted, run.unpriced_calls)],
    ["rollouts_per_accepted", "Rollouts per accepted child", accepted === 0 ? "\u2013" : count(Math.round(run.total_rollouts / accepted))],
  ];
  return h("dl", { class: "figures" }, entries.map(([name, title, value]) => [h("dt", {}, title), h("dd", { "data-figure": name }, value)]));
}

function heldOut({ view, run }: Context): HTMLElement {
  const baseline = view.validated.find((result) => result.rank === null) ?? view.validated[0];
  const rows = view.validated.map((result) => {
    const place = view.candidates.index.indexOf(result.index);
    const found = baseline === undefined || result === baseline ? null : summary(pairs(baseline.scores, result.scores));
    return h(
      "tr",
      {},
      h("td", {}, h("a", { href: href(["run", run, "candidate", view.candidates.iteration[place] ?? 0]) }, `candidate ${result.index}`), result.rank === null ? " (baseline)" : ""),
      h("td", { class: "figure" }, score(result.mean_score)),
      h("td", { class: "figure" }, found === null ? "\u2013" : signed(found.mean)),
      h("td", { class: "figure" }, found === null ? "\u2013" : `${found.won} / ${found.lost} / ${found.equal}`),
    );
  });
  return h("div", { class: "wide" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Candidate"), h("th", { class: "figure" }, "Mean"), h("th", { class: "figure" }, "Against baseline"), h("th", { class: "figure" }, "Won / lost / equal"))), h("tbody", {}, rows)));
}
