// How the best candidate came to be: every candidate by iteration and score, with its parents.

import { h } from "../dom";
import { count, score, signed, words } from "../format";
import { href } from "../route";
import { gateText } from "./candidates";
import type { Context } from "./run";

const HEIGHT = 420;
const LANE = 26;
const PAD = 40;

export function lineageTab(context: Context): HTMLElement {
  const { view } = context;
  const canvas = h("canvas", { tabindex: 0, role: "img", "aria-label": "Candidates by iteration and score; the ancestry of the best one is listed below" });
  const told = h("p", { class: "dim", role: "status" }, "Point at a candidate.");
  const place = h("div", { class: "lineage" }, canvas);
  const family = ancestry(context);
  const plot = new Plot(context, canvas, new Set(family.map((row) => view.candidates.index[row] ?? -1)));
  canvas.addEventListener("mousemove", (event) => {
    const row = plot.near(event.offsetX, event.offsetY);
    told.textContent = row === null ? "Point at a candidate." : describe(context, row);
    canvas.style.cursor = row === null ? "default" : "pointer";
  });
  canvas.addEventListener("click", (event) => {
    const row = plot.near(event.offsetX, event.offsetY);
    if (row !== null) location.hash = href(["run", context.run, "candidate", view.candidates.iteration[row] ?? 0]);
  });
  new ResizeObserver(() => plot.draw(place.clientWidth)).observe(place);
  return h(
    "div",
    { class: "stack" },
    h("section", { class: "card" }, h("h2", {}, "Lineage"), h("p", { class: "dim" }, "\u25cf accepted  \u25c6 on the front  \u2605 best  \u25cb rejected, below the line  \u00d7 closed without a candidate. Edges lead to the parents; the ancestry of the best is drawn thick."), place, told),
    h("section", { class: "card" }, h("h2", {}, "Ancestry of the best candidate"), ancestryTable(context, family)),
  );
}

function describe({ view }: Context, row: number): string {
  const all = view.candidates;
  const name = all.index[row] === null ? (all.candidate_id[row] ?? "") : `candidate ${all.index[row]}`;
  const reason = all.close_reason[row];
  return `${name}, iteration ${all.iteration[row]}, ${all.status[row]}${reason ? ` (${words(reason)})` : ""}, pareto ${score(all.mean_score[row])}${all.mean_score[row] === null ? "" : ` over ${count(all.scored[row] ?? 0)} examples`}, gate ${gateText(all.gate[row])}`;
}

/** The best candidate and its ancestors, newest first. */
function ancestry({ view }: Context): number[] {
  const all = view.candidates;
  const rowOf = new Map(all.index.map((index, row) => [index, row]));
  const rows = new Set<number>();
  const waiting = view.best === null ? [] : [view.best];
  while (waiting.length > 0) {
    const row = rowOf.get(waiting.pop() as number);
    if (row === undefined || rows.has(row)) continue;
    rows.add(row);
    waiting.push(...(all.parents[row] ?? []));
  }
  return [...rows].sort((left, right) => (all.iteration[right] ?? 0) - (all.iteration[left] ?? 0));
}

function ancestryTable({ view, run }: Context, rows: number[]): HTMLElement {
  const all = view.candidates;
  const rowOf = new Map(all.index.map((index, row) => [index, row]));
  const lines = rows.map((row) => {
    const before = (all.parents[row] ?? []).map((parent) => all.mean_score[rowOf.get(parent) ?? -1] ?? null).filter((value): value is number => value !== null);
    const mean = all.mean_score[row];
    const gain = before.length === 0 || mean === null || mean === undefined ? "\u2013" : signed(mean - Math.max(...before));
    return h(
      "tr",
      {},
      h("td", { class: "figure" }, count(all.iteration[row])),
      h("td", {}, h("a", { href: href(["run", run, "candidate", all.iteration[row] ?? 0]) }, `candidate ${all.index[row]}`)),
      h("td", {}, all.origin[row], (all.parents[row] ?? []).length > 0 ? ` of ${(all.parents[row] ?? []).join(" and ")}` : ""),
      h("td", { class: "figure" }, gateText(all.gate[row])),
      h("td", { class: "figure" }, score(mean)),
      h("td", { class: "figure" }, count(all.scored[row] ?? 0)),
      h("td", { class: "figure" }, gain),
    );
  });
  return h("div", { class: "wide" }, h("table", { id: "ancestry" }, h("thead", {}, h("tr", {}, ["Iteration", "Candidate", "Origin", "Gate", "Pareto mean", "Over examples", "Against its parent"].map((name, at) => h("th", { class: at === 1 || at === 2 ? "" : "figure" }, name)))), h("tbody", {}, lines)));
}

class Plot {
  private spots: { x: number; y: number; row: number }[] = [];

  constructor(
    private readonly context: Context,
    private readonly canvas: HTMLCanvasElement,
    private readonly family: Set<number>,
  ) {}

  draw(width: number): void {
    if (width === 0) return;
    const scale = devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = HEIGHT * scale;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${HEIGHT}px`;
    const pen = this.canvas.getContext("2d");
    if (pen === null) return;
    pen.scale(scale, scale);
    pen.clearRect(0, 0, width, HEIGHT);
    this.place(width);
    this.edges(pen);
    this.nodes(pen, width);
  }

  /** The candidate next to a point. */
  near(x: number, y: number): number | null {
    let best: number | null = null;
    let least = 100;
    for (const spot of this.spots) {
      const distance = (spot.x - x) ** 2 + (spot.y - y) ** 2;
      if (distance < least) [least, best] = [distance, spot.row];
    }
    return best;
  }

  private place(width: number): void {
    const all = this.context.view.candidates;
    const means = all.mean_score.filter((value): value is number => value !== null);
    const low = Math.min(...minMax(means));
    const high = Math.max(...minMax(means));
    const last = Math.max(1, ...minMax(all.iteration), ...minMax(this.context.view.closed.map(({ iteration }) => iteration)));
    const x = (iteration: number): number => PAD + (iteration / last) * (width - PAD - 16);
    const floor = HEIGHT - 2 * LANE - 12;
    this.spots = all.iteration.map((iteration, row) => {
      const mean = all.mean_score[row];
      const y = mean === null || mean === undefined ? HEIGHT - 2 * LANE + 10 : 14 + ((high - mean) / (high - low || 1)) * (floor - 24);
      return { x: x(iteration), y, row };
    });
    this.lanes = this.context.view.closed.map(({ iteration }) => x(iteration));
    this.scale = [low, high, floor];
  }

  private lanes: number[] = [];
  private scale: [number, number, number] = [0, 1, 0];

  private edges(pen: CanvasRenderingContext2D): void {
    const all = this.context.view.candidates;
    const rowOf = new Map(all.index.map((index, row) => [index, row]));
    for (const isFamily of [false, true]) {
      pen.beginPath();
      for (const { x, y, row } of this.spots) {
        const isMember = this.family.has(all.index[row] ?? -2);
        if (isMember !== isFamily) continue;
        for (const parent of all.parents[row] ?? []) {
          const from = this.spots[rowOf.get(parent) ?? -1];
          if (from === undefined) continue;
          pen.moveTo(from.x, from.y);
          pen.lineTo(x, y);
        }
      }
      pen.strokeStyle = color(isFamily ? "--accent" : "--faint");
      pen.lineWidth = isFamily ? 2.5 : 0.6;
      pen.stroke();
    }
  }

  private nodes(pen: CanvasRenderingContext2D, width: number): void {
    const { view } = this.context;
    const all = view.candidates;
    const front = new Set(view.front);
    const [low, high, floor] = this.scale;
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = color("--dim");
    pen.fillText(score(high), 2, 18);
    pen.fillText(score(low), 2, floor - 6);
    pen.strokeStyle = color("--line");
    pen.lineWidth = 1;
    pen.strokeRect(PAD, floor + 4, width - PAD - 16, 0.1);
    // Asked once: ten thousand looks at a style take longer than the picture.
    const [accent, text] = [color("--accent"), color("--text")];
    pen.strokeStyle = color("--dim");
    for (const { x, y, row } of this.spots) {
      const index = all.index[row] ?? null;
      const isBest = index !== null && index === view.best;
      pen.fillStyle = isBest ? accent : text;
      pen.beginPath();
      if (isBest || (index !== null && front.has(index))) {
        const corners = isBest ? STAR : DIAMOND;
        for (const [dx, dy] of corners) pen.lineTo(x + dx, y + dy);
        pen.closePath();
        pen.fill();
      } else {
        pen.arc(x, y, index === null ? 2.5 : 3, 0, 7);
        if (index === null) pen.stroke();
        else pen.fill();
      }
    }
    pen.fillStyle = color("--dim");
    for (const x of this.lanes) pen.fillText("\u00d7", x - 3, HEIGHT - 8);
  }
}

/** The corners of a figure with `points` points between an outer and an inner radius. */
function corners(points: number, outer: number, inner: number): [number, number][] {
  return Array.from({ length: 2 * points }, (_, at) => {
    const radius = at % 2 === 0 ? outer : inner;
    const angle = (Math.PI * at) / points;
    return [radius * Math.sin(angle), -radius * Math.cos(angle)];
  });
}

const STAR = corners(5, 10, 4.2);
const DIAMOND = corners(2, 5, 5);

/** Smallest and largest without spreading a long list over an argument list. */
function minMax(values: number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return values.length === 0 ? [0, 0] : [low, high];
}

export function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
