// Examples by candidates: which examples move, which never do, which candidates complement others.

import type { Matrix } from "../data";
import { h } from "../dom";
import { count, score } from "../format";
import { href, setParams } from "../route";
import { readMatrix } from "../source";
import { Grid } from "./grid";
import type { Context } from "./run";

const SORTS: [name: string, title: string][] = [
  ["set", "order of the set"],
  ["hard", "hardest first"],
  ["solver", "who solves them"],
  ["spread", "most differing first"],
];
const COLUMNS: [name: string, title: string][] = [
  ["all", "all scored candidates"],
  ["accepted", "accepted"],
  ["front", "on the front"],
];

export async function examplesTab(context: Context): Promise<HTMLElement> {
  const { source, run, view, params } = context;
  const set = params.get("set") === "validation" ? "validation" : "pareto";
  const matrix = await readMatrix(source, run, set);
  let sort = params.get("sort") ?? "set";
  let columns = params.get("columns") ?? "all";
  let isDiffering = params.get("only") === "differing";
  const told = h("p", { class: "dim", role: "status" }, "Point at a cell, or move with the arrow keys; Enter opens the rollout.");
  const shape = h("span", { class: "dim", role: "status" });
  const grid = new Grid(matrix, {
    label: "Scores of candidates (across) on examples (down)",
    tell: (column, row) => (told.textContent = describe(context, matrix, column, row)),
    open: (column, row) => {
      const seq = matrix.seqs[column * matrix.examples.length + row] ?? 0;
      if (seq > 0) location.hash = href(["run", run, "event", seq]);
    },
  });

  function update(): void {
    const shownColumns = pick(context, matrix, columns);
    const shownRows = order(matrix, sort, shownColumns, isDiffering);
    shape.textContent = `${count(shownRows.length)} of ${count(matrix.examples.length)} examples, ${count(shownColumns.length)} candidates`;
    grid.show(shownColumns, shownRows);
  }
  const choose = (id: string, title: string, options: [string, string][], value: string, then: (next: string) => void): HTMLElement => {
    const select = h("select", { id }, options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)));
    select.addEventListener("change", () => then(select.value));
    return h("span", { class: "pair" }, h("label", { for: id }, title), select);
  };
  const box = h("input", { type: "checkbox", id: "differing", checked: isDiffering });
  box.addEventListener("change", () => {
    isDiffering = box.checked;
    setParams({ only: isDiffering ? "differing" : null });
    update();
  });
  const tools = h(
    "div",
    { class: "tools" },
    choose("set", "Set", [["pareto", `pareto (${view.sets.pareto.length})`], ["validation", `held out (${view.sets.validation.length})`]], set, (next) => (location.hash = href(["run", run, "examples"], { set: next === "pareto" ? null : next, sort, columns }))),
    choose("rows", "Examples by", SORTS, sort, (next) => {
      sort = next;
      setParams({ sort });
      update();
    }),
    choose("columns", "Candidates", COLUMNS, columns, (next) => {
      columns = next;
      setParams({ columns });
      update();
    }),
    h("span", { class: "pair" }, box, h("label", { for: "differing" }, "Only examples that differ")),
    shape,
  );
  update();
  return h("div", { class: "stack" }, h("section", { class: "card" }, h("h2", {}, "Examples by candidates"), tools, grid.element, told, legend(grid)), hardest(context, matrix));
}

function pick({ view }: Context, matrix: Matrix, wanted: string): number[] {
  const rowOf = new Map(view.candidates.iteration.map((iteration, row) => [iteration, row]));
  const front = new Set(view.front);
  const columns: number[] = [];
  matrix.iterations.forEach((iteration, column) => {
    const row = rowOf.get(iteration);
    const index = row === undefined ? null : (view.candidates.index[row] ?? null);
    const fits = wanted === "all" || (wanted === "front" ? index !== null && front.has(index) : index !== null);
    if (fits) columns.push(column);
  });
  return columns;
}

interface Sum {
  mean: number;
  low: number;
  high: number;
  first: number;
}

/** The examples in the order asked for. */
function order(matrix: Matrix, sort: string, columns: number[], isDiffering: boolean): number[] {
  const sums = matrix.examples.map((_, row) => sum(matrix, row, columns));
  let rows = matrix.examples.map((_, row) => row);
  if (isDiffering) rows = rows.filter((row) => (sums[row]?.low ?? 0) < (sums[row]?.high ?? 0));
  const by = (value: (one: Sum) => number): number[] => rows.sort((left, right) => value(sums[left] as Sum) - value(sums[right] as Sum) || left - right);
  if (sort === "hard") return by((one) => one.mean);
  if (sort === "spread") return by((one) => one.low - one.high);
  if (sort === "solver") return by((one) => one.first * 1e6 - one.mean);
  return rows;
}

function sum(matrix: Matrix, row: number, columns: number[]): Sum {
  const size = matrix.examples.length;
  let [total, scored, low, high, first] = [0, 0, Infinity, -Infinity, columns.length];
  for (let place = 0; place < columns.length; place++) {
    const cell = (columns[place] as number) * size + row;
    if (matrix.state[cell] !== 1) continue;
    const value = matrix.scores[cell] as number;
    total += value;
    scored++;
    if (value < low) low = value;
    if (value > high) {
      high = value;
      first = place;
    }
  }
  return { mean: scored === 0 ? Infinity : total / scored, low: scored === 0 ? 0 : low, high: scored === 0 ? 0 : high, first };
}

function describe({ view }: Context, matrix: Matrix, column: number, row: number): string {
  const cell = column * matrix.examples.length + row;
  const place = view.candidates.iteration.indexOf(matrix.iterations[column] ?? -1);
  const index = view.candidates.index[place];
  const name = index === null || index === undefined ? `iteration ${matrix.iterations[column]}` : `candidate ${index}`;
  const state = matrix.states[matrix.state[cell] ?? 0];
  const value = state === "scored" ? score(matrix.scores[cell]) : state === "missing" ? "not scored" : `failed: ${state}`;
  return `Example ${matrix.examples[row]}, ${name}: ${value}`;
}

function legend(grid: Grid): HTMLElement {
  return h("div", { class: "legend" }, grid.legend().map(([swatch, text]) => h("span", {}, swatch, text)));
}

/** A table beside the picture. */
function hardest({ view }: Context, matrix: Matrix): HTMLElement {
  const columns = matrix.iterations.map((_, column) => column);
  const rows = order(matrix, "hard", columns, false).slice(0, 20);
  const lines = rows.map((row) => {
    const found = sum(matrix, row, columns);
    const solver = found.high > found.low || found.high > 0 ? matrix.iterations[found.first] : undefined;
    const index = view.candidates.index[view.candidates.iteration.indexOf(solver ?? -1)];
    return h("tr", {}, h("td", {}, String(matrix.examples[row])), h("td", { class: "figure" }, score(found.mean)), h("td", { class: "figure" }, score(found.high)), h("td", {}, solver === undefined ? "\u2013" : index === null || index === undefined ? `iteration ${solver}` : `candidate ${index}`));
  });
  return h("section", { class: "card" }, h("h2", {}, "Hardest examples"), h("div", { class: "wide" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Example"), h("th", { class: "figure" }, "Mean"), h("th", { class: "figure" }, "Highest"), h("th", {}, "First reached by"))), h("tbody", {}, lines))));
}
