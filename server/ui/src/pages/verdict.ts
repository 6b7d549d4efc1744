// What came of a run, at the top of its page.

import type { Comparison, Verdict } from "../data";
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

/** A comparison in the words of `gepa diff`. */
export function sentence(found: Comparison): string {
  const equal = found.examples - found.won - found.lost;
  const { mean, low, high } = found.difference;
  return `${found.won} won, ${found.lost} lost, ${equal} equal; difference ${signed(mean)} [${signed(low)}, ${signed(high)}] at 95 %, n = ${found.examples}.`;
}

export async function verdictCard({ source, view, run }: Context): Promise<HTMLElement> {
  const { best } = view;
  const place = best === null ? -1 : view.candidates.index.indexOf(best);
  const found = await source.json<Verdict>(`runs/${run}/verdict`);
  const tiles: [string, string, string][] = [
    ["baseline_score", "Baseline", score(view.run.baseline_score)],
    ["best_score", "Best", score(view.run.best_score)],
    ["baseline_validation_score", "Baseline, held out", score(view.run.baseline_validation_score)],
    ["best_validation_score", "Best, held out", score(view.run.best_validation_score)],
  ];
  return h(
    "section",
    { class: `card verdict ${found.verdict.verdict}` },
    h("h2", {}, found.word.charAt(0).toUpperCase() + found.word.slice(1)),
    h("p", { "data-figure": "verdict_sentence" }, found.verdict.sentence),
    found.details.length > 0 && h("ul", {}, found.details.map((line) => h("li", {}, line))),
    h("div", { class: "tiles" }, tiles.map(([name, title, value]) => h("div", { class: "tile" }, h("span", { class: "dim" }, title), h("strong", { "data-figure": name }, value)))),
    place >= 0 && h("p", {}, h("a", { href: href(["run", run, "candidate", view.candidates.iteration[place] ?? 0], { against: best === 0 ? null : 0 }) }, best === 0 ? "Show the baseline" : "Show the best candidate against the baseline")),
  );
}
