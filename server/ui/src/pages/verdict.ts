// What came of a run, at the top of its page.

import { h } from "../dom";
import { score, signed } from "../format";
import { href } from "../route";
import type { Context } from "./run";

export interface Summary {
  won: number;
  lost: number;
  equal: number;
  mean: number;
}

/** Scores of two candidates on the examples on which both have one. */
export function pairs(before: (number | null)[] | null, after: (number | null)[] | null): [number, number][] {
  const found: [number, number][] = [];
  for (let place = 0; place < Math.min(before?.length ?? 0, after?.length ?? 0); place++) {
    const left = before?.[place];
    const right = after?.[place];
    if (typeof left === "number" && typeof right === "number") found.push([left, right]);
  }
  return found;
}

export function summary(found: [number, number][]): Summary | null {
  if (found.length === 0) return null;
  const won = found.filter(([left, right]) => right > left).length;
  const lost = found.filter(([left, right]) => right < left).length;
  const mean = found.reduce((sum, [left, right]) => sum + right - left, 0) / found.length;
  return { won, lost, equal: found.length - won - lost, mean };
}

export function verdictCard({ view, run }: Context): HTMLElement {
  const { best } = view;
  const place = best === null ? -1 : view.candidates.index.indexOf(best);
  const tiles: [string, string, string][] = [
    ["baseline_score", "Baseline", score(view.run.baseline_score)],
    ["best_score", "Best", score(view.run.best_score)],
    ["baseline_validation_score", "Baseline, held out", score(view.run.baseline_validation_score)],
    ["best_validation_score", "Best, held out", score(view.run.best_validation_score)],
  ];
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Result"),
    h("div", { class: "tiles" }, tiles.map(([name, title, value]) => h("div", { class: "tile" }, h("span", { class: "dim" }, title), h("strong", { "data-figure": name }, value)))),
    place >= 0 && h("p", {}, sentence(view), " ", h("a", { href: href(["run", run, "candidate", view.candidates.iteration[place] ?? 0], { against: 0 }) }, best === 0 ? "Show the baseline" : "Show the best candidate against the baseline")),
  );
}

function sentence(view: Context["view"]): string {
  if (view.best === 0) return "No candidate scored higher than the baseline.";
  const result = (index: number) => view.validated.find((one) => one.index === index)?.scores ?? null;
  const found = summary(pairs(result(0), result(view.best ?? 0)));
  if (found === null) return "The best candidate was not compared with the baseline on held-out examples.";
  const all = found.won + found.lost + found.equal;
  return `On ${all} held-out examples the best candidate won ${found.won} and lost ${found.lost} against the baseline; the mean difference is ${signed(found.mean)}.`;
}
