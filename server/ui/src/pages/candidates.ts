// The table of candidates.

import { h } from "../dom";
import { count, score, words } from "../format";
import { href, setParams } from "../route";
import type { Context } from "./run";
import { table, type Column } from "./table";

const FILTERS: [name: string, title: string][] = [
  ["all", "All"],
  ["front", "Front"],
  ["accepted", "Accepted"],
  ["rejected", "Rejected"],
  ["validated", "Held-out scored"],
];

export function candidatesTab(context: Context): HTMLElement {
  const { view, run, params } = context;
  const all = view.candidates;
  const front = new Set(view.front);
  const isFront = (row: number): boolean => front.has(all.index[row] ?? -1);
  const isBest = (row: number): boolean => all.index[row] !== null && all.index[row] === view.best;
  const page = (row: number): string => href(["run", run, "candidate", all.iteration[row] ?? 0]);
  const iterationOf = new Map(all.index.map((index, row) => [index, all.iteration[row] ?? 0]));
  const figure = (name: string, title: string, values: (number | null)[], shown: (value: number | null | undefined) => string): Column => ({
    name,
    title,
    isFigure: true,
    key: (row) => values[row],
    cell: (row) => shown(values[row]),
  });
  // Means over few examples are not to be compared as if they were over all.
  const areRowsShort = all.scored.some((scored) => scored > 0 && scored < view.sets.pareto.length);
  const columns: Column[] = [
    figure("iteration", "Iteration", all.iteration, count),
    {
      name: "candidate",
      title: "Candidate",
      isFigure: false,
      key: (row) => all.index[row],
      cell: (row) => [h("a", { href: page(row) }, all.index[row] === null ? (all.candidate_id[row] ?? "") : `candidate ${all.index[row]}`), isBest(row) ? " \u2605" : "", isFront(row) ? " \u25c6" : ""],
    },
    { name: "status", title: "Status", isFigure: false, key: (row) => all.status[row], cell: (row) => [words(all.status[row] ?? ""), all.close_reason[row] ? h("span", { class: "dim" }, ` ${words(all.close_reason[row] ?? "")}`) : null] },
    { name: "origin", title: "Origin", isFigure: false, key: (row) => all.origin[row], cell: (row) => [all.origin[row], " ", (all.parents[row] ?? []).map((parent) => [h("a", { href: href(["run", run, "candidate", iterationOf.get(parent) ?? 0]) }, String(parent)), " "])] },
    { name: "gate", title: "Gate", isFigure: true, key: (row) => gateGain(all.gate[row]), cell: (row) => gateText(all.gate[row]) },
    figure("pareto", "Pareto", all.mean_score, score),
    ...(areRowsShort ? [figure("scored", "Examples", all.scored, (value) => (value === 0 ? "\u2013" : count(value ?? 0)))] : []),
    figure("held", "Held out", all.validation_score, score),
    figure("tokens", "Tokens", all.tokens, count),
  ];
  const search = h("input", { type: "search", id: "find", value: params.get("q") ?? "", placeholder: "id, index, status, reason" });
  const told = h("span", { class: "dim", role: "status" });
  let filter = params.get("filter") ?? "all";
  const texts = all.iteration.map((iteration, row) => `${iteration} ${all.index[row] ?? ""} ${all.candidate_id[row]} ${all.status[row]} ${all.close_reason[row] ?? ""} ${all.origin[row]}`.toLowerCase());

  function matching(): number[] {
    const wanted = search.value.trim().toLowerCase();
    const rows: number[] = [];
    for (let row = 0; row < texts.length; row++) {
      const fits =
        filter === "front" ? isFront(row) : filter === "validated" ? all.validation_score[row] !== null : filter === "all" || all.status[row] === filter;
      if (fits && (wanted === "" || texts[row]?.includes(wanted))) rows.push(row);
    }
    told.textContent = `${count(rows.length)} of ${count(texts.length)} candidates`;
    return rows;
  }
  const list = table({
    label: "Candidates",
    columns,
    rows: matching(),
    sort: params.get("sort") ?? "iteration",
    isDescending: params.get("order") === "down",
    onSort: (sort, isDescending) => setParams({ sort, order: isDescending ? "down" : null }),
    onOpen: (row) => (location.hash = page(row)),
    rowClass: (row) => (isBest(row) ? "best" : (all.status[row] ?? "")),
  });
  const choice = h("select", { id: "filter" }, FILTERS.map(([name, title]) => h("option", { value: name, selected: name === filter }, title)));
  choice.addEventListener("change", () => {
    filter = choice.value;
    setParams({ filter: filter === "all" ? null : filter });
    list.show(matching());
  });
  search.addEventListener("input", () => {
    setParams({ q: search.value });
    list.show(matching());
  });
  return h(
    "div",
    { class: "stack" },
    h("h2", { class: "hidden" }, "Candidates"),
    h("div", { class: "tools" }, h("span", { class: "pair" }, h("label", { for: "filter" }, "Show"), choice), h("span", { class: "pair" }, h("label", { for: "find" }, "Search"), search), told, h("span", { class: "dim" }, "\u2605 best  \u25c6 on the front")),
    list.element,
  );
}

type Gate = Context["view"]["candidates"]["gate"][number] | undefined;

function gateGain(gate: Gate): number | null {
  return gate ? gate[3] - gate[2] : null;
}

/** The sums of parent and child on the minibatch. */
export function gateText(gate: Gate): string {
  return gate ? `${trimmed(gate[2])} \u2192 ${trimmed(gate[3])} of ${gate[1]}` : "\u2013";
}

export function trimmed(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}
