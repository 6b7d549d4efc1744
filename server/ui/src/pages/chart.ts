// The score over what was spent.

import type { Point, View } from "../data";
import { s } from "../dom";
import { count, dollars, duration, score } from "../format";

export const AXES = {
  rollouts: { title: "rollouts", show: count, of: (point: Point) => point.rollouts },
  tokens: { title: "tokens", show: count, of: (point: Point) => point.tokens },
  cost: { title: "dollars", show: dollars, of: (point: Point) => point.cost_usd },
  seconds: { title: "time", show: duration, of: (point: Point) => point.seconds },
  iterations: { title: "iterations", show: count, of: (point: Point) => point.iterations },
};

export type Axis = keyof typeof AXES;

export interface Curve {
  name: string;
  points: Point[];
  baseline: number | null;
}

/** The chart is drawn for the room there is, so that its letters keep their size. */
const WIDEST = 900;
const NARROWEST = 330;
const HEIGHT = 260;
const LEFT = 52;
const BOTTOM = 34;
const TOP = 14;
const RIGHT = 16;

export function progress(view: View, axis: Axis): SVGElement {
  return curves([{ name: "best", points: view.curve, baseline: view.run.baseline_score }], axis, true);
}

/** Curves of the best score over one axis; `hasPoints` adds each candidate that changed the front. */
export function curves(all: Curve[], axis: Axis, hasPoints: boolean): SVGElement {
  const { of, show, title } = AXES[axis];
  const width = Math.max(NARROWEST, Math.min(WIDEST, innerWidth - 48));
  const isNarrow = width < 600;
  const scores = all.flatMap(({ points }) => points.flatMap((point) => [point.score, point.best_score ?? point.score]));
  if (scores.length === 0) {
    return s("svg", { viewBox: `0 0 ${width} 60`, role: "img", "aria-label": "No candidate has a score yet" }, s("text", { x: 20, y: 34 }, "No candidate has a score yet"));
  }
  const low = Math.min(...scores);
  const high = Math.max(...scores);
  const step = even((high - low || Math.abs(high) || 1) / 4);
  // Points on the edge of the picture stay whole.
  const bottom = Math.floor(low / step - 0.05) * step;
  const top = Math.ceil(high / step + 0.05) * step;
  const most = Math.max(...all.flatMap(({ points }) => points.map(of)), 1e-9);
  const x = (value: number): number => LEFT + (value / most) * (width - LEFT - RIGHT);
  const y = (value: number): number => TOP + ((top - value) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
  const lines: SVGElement[] = [];
  for (let value = bottom; value < top + step / 2; value += step) {
    lines.push(s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    lines.push(s("text", { class: "tick", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(Math.max(0, Math.ceil(-Math.log10(step) - 1e-9) + (isHalf(step) ? 1 : 0)))));
  }
  for (let step = 0; step <= 4; step++) {
    if (isNarrow && step % 2 === 1) continue;
    const along = (most * step) / 4;
    const anchor = step === 4 ? "end" : "middle";
    lines.push(s("text", { class: "tick", x: x(along), y: HEIGHT - 14, "text-anchor": anchor }, show(step === 0 ? 0 : rounded(along, axis))));
  }
  all.forEach((curve, place) => {
    const path = curve.points
      .filter((point) => point.best_score !== null)
      .map((point, step) => (step === 0 ? `M${x(of(point))},${y(point.best_score ?? 0)}` : `H${x(of(point))}V${y(point.best_score ?? 0)}`))
      .join("");
    const end = curve.points[curve.points.length - 1];
    if (hasPoints) {
      for (const point of curve.points) {
        lines.push(s("circle", { class: "dot", cx: x(of(point)), cy: y(point.score), r: 3 }, s("title", {}, `candidate ${point.index}: ${score(point.score)} after ${show(of(point))} ${title}`)));
      }
    }
    // Before the first best score there is no line.
    if (path !== "" && end !== undefined) lines.push(s("path", { class: `line l${place % 6}`, d: `${path}H${x(of(end))}` }));
    if (curve.baseline !== null && hasPoints) {
      const at = y(curve.baseline);
      lines.push(s("line", { class: "reference", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
      lines.push(s("text", { class: "tick", x: width - RIGHT, y: at + 14, "text-anchor": "end" }, `baseline ${score(curve.baseline)}`));
    }
  });
  return s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `Score over ${title}, from ${score(low)} to ${score(high)}` }, lines);
}

/** The next larger of 1, 2, 2.5, 5 times a power of ten. */
function even(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 2.5, 5].find((factor) => factor * power >= value * (1 - 1e-9)) ?? 10) * power;
}

/** Whether the step needs one digit more than its first one. */
function isHalf(step: number): boolean {
  return Math.abs(step / 10 ** Math.floor(Math.log10(step) + 1e-9) - 2.5) < 1e-6;
}

function rounded(value: number, axis: Axis): number {
  return axis === "cost" || axis === "seconds" ? value : Math.round(value);
}
