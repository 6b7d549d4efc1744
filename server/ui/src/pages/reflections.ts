// The calls of the reflection model, and what became of them.

import { h } from "../dom";
import { count, dollars, duration, words } from "../format";
import { href, setParams } from "../route";
import type { Context } from "./run";
import { table, type Column } from "./table";

export function reflectionsTab(context: Context): HTMLElement {
  const { view, run, params } = context;
  const calls = view.reflections;
  if (calls.length === 0) {
    return h("section", { class: "card" }, h("h2", {}, "Reflections"), h("p", {}, "No call of the reflection model has been settled yet."));
  }
  const rowOf = new Map(view.candidates.iteration.map((iteration, row) => [iteration, row]));
  const fate = (call: number): string => {
    const row = rowOf.get(calls[call]?.iteration ?? -1);
    if (row === undefined) return "no candidate";
    const reason = view.candidates.close_reason[row];
    return `${view.candidates.status[row]}${reason ? ` (${words(reason)})` : ""}`;
  };
  const figure = (name: string, title: string, value: (call: number) => number | null, shown: (value: number | null) => string): Column => ({ name, title, isFigure: true, key: value, cell: (call) => shown(value(call)) });
  const at = (call: number) => calls[call] as (typeof calls)[number];
  const page = (call: number): string => href(["run", run, "event", at(call).seq]);
  const columns: Column[] = [
    { ...figure("iteration", "Iteration", (call) => at(call).iteration, count), cell: (call) => h("a", { href: page(call) }, count(at(call).iteration)) },
    { name: "component", title: "Component", isFigure: false, key: (call) => at(call).component, cell: (call) => at(call).component },
    figure("attempt", "Attempt", (call) => at(call).attempt, count),
    { name: "failure", title: "Reply", isFigure: false, key: (call) => at(call).failure ?? "", cell: (call) => (at(call).failure === null ? "a new text" : h("span", { class: "warn" }, words(at(call).failure ?? ""))) },
    { name: "fate", title: "Its candidate", isFigure: false, key: fate, cell: fate },
    figure("tokens", "Tokens", (call) => at(call).tokens, count),
    figure("cost", "Cost", (call) => at(call).cost_usd, dollars),
    figure("seconds", "Time", (call) => at(call).seconds, duration),
  ];
  const isOnlyFailed = params.get("only") === "failed";
  const box = h("input", { type: "checkbox", id: "only", checked: isOnlyFailed });
  const matching = (): number[] => calls.map((_, call) => call).filter((call) => !box.checked || at(call).failure !== null);
  const list = table({
    label: "Reflections",
    columns,
    rows: matching(),
    sort: params.get("sort") ?? "iteration",
    isDescending: params.get("order") === "down",
    onSort: (sort, isDescending) => setParams({ sort, order: isDescending ? "down" : null }),
    onOpen: (call) => (location.hash = page(call)),
  });
  box.addEventListener("change", () => {
    setParams({ only: box.checked ? "failed" : null });
    list.show(matching());
  });
  const failed = calls.filter((call) => call.failure !== null).length;
  return h(
    "div",
    { class: "stack" },
    h("h2", { class: "hidden" }, "Reflections"),
    h("p", {}, `${count(calls.length)} calls, ${count(failed)} without a usable text. ${view.closed.length} iterations ended without a candidate of their own.`),
    h("div", { class: "tools" }, h("span", { class: "pair" }, box, h("label", { for: "only" }, "Only calls without a usable text"))),
    list.element,
  );
}
