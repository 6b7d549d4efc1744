// Several runs beside each other.

import type { Comparison, View } from "../data";
import { h } from "../dom";
import { cost, count, duration, score } from "../format";
import type { Page } from "../main";
import { href, setParams } from "../route";
import { readView, type Source } from "../source";
import { AXES, curves, type Axis } from "./chart";
import { sentence } from "./verdict";

export async function comparePage(source: Source, params: URLSearchParams): Promise<Page> {
  const wanted = (params.get("runs") ?? "").split(",").filter((name) => name !== "");
  const names = wanted.length === 0 ? source.several : wanted;
  const views = await Promise.all(names.map((name) => readView(source, name)));
  const body = h("div", { class: "stack" }, h("h1", {}, `${views.length} runs`), figures(views), chart(views, params), await heldOut(source, views), settings(views));
  return { title: "Comparison", body };
}

function heads(views: View[]): HTMLElement[] {
  return views.map(({ run }, place) => h("th", { class: "figure" }, h("a", { href: href(["run", run.run_id]) }, `${place + 1}. ${run.name}`)));
}

function figures(views: View[]): HTMLElement {
  const rows: [string, (view: View) => string][] = [
    ["Run", ({ run }) => run.run_id],
    ["Status", ({ run }) => run.status],
    ["Model", ({ run }) => run.policy],
    ["Baseline", ({ run }) => score(run.baseline_score)],
    ["Best", ({ run }) => score(run.best_score)],
    ["Baseline, held out", ({ run }) => score(run.baseline_validation_score)],
    ["Best, held out", ({ run }) => score(run.best_validation_score)],
    ["Rollouts", ({ run }) => count(run.total_rollouts)],
    ["Candidates tried", ({ run }) => count(run.trials_tried)],
    ["Accepted", ({ run }) => count(run.candidates_accepted)],
    ["Tokens", ({ run }) => count(run.total_tokens)],
    ["Cost", ({ run }) => cost(run.total_cost_usd, run.unpriced_calls)],
    ["Time", ({ run }) => duration(run.total_time_seconds)],
  ];
  return h("section", { class: "card" }, h("h2", {}, "Figures"), h("div", { class: "wide" }, h("table", { id: "figures" }, h("thead", {}, h("tr", {}, h("th", {}, "Figure"), heads(views))), h("tbody", {}, rows.map(([title, value]) => h("tr", {}, h("th", { scope: "row" }, title), views.map((view) => h("td", { class: "figure" }, value(view)))))))));
}

function chart(views: View[], params: URLSearchParams): HTMLElement {
  const wanted = params.get("axis") as Axis | null;
  let axis: Axis = wanted !== null && wanted in AXES ? wanted : "rollouts";
  const place = h("div", { class: "chart" });
  const draw = (): void => place.replaceChildren(curves(views.map((view) => ({ name: view.run.name, points: view.curve, baseline: view.run.baseline_score })), axis, false));
  const choice = h("select", { id: "axis" }, Object.entries(AXES).map(([name, { title }]) => h("option", { value: name, selected: name === axis }, title)));
  choice.addEventListener("change", () => {
    axis = choice.value as Axis;
    setParams({ axis });
    draw();
  });
  draw();
  const key = views.map(({ run }, number) => h("span", { class: `key l${number % 6}` }, `${number + 1}. ${run.name}`));
  return h("section", { class: "card" }, h("h2", {}, "Best score"), h("div", { class: "tools" }, h("label", { for: "axis" }, "Against"), choice, key), place);
}

/** The best candidates on the held-out examples that the runs share. */
async function heldOut(source: Source, views: View[]): Promise<HTMLElement> {
  const first = views[0]?.run.run_id ?? "";
  const found = await Promise.all(views.slice(1).map(({ run }) => source.json<{ comparison: Comparison | null; shared: number }>(`runs/${run.run_id}/against/${first}`)));
  const rows = found.map(({ comparison, shared }, place) => {
    const text = comparison === null ? `${shared} held-out examples in common, none with a score in both` : sentence(comparison);
    return h("tr", {}, h("th", { scope: "row" }, `${place + 2}. ${views[place + 1]?.run.name}`), h("td", {}, text));
  });
  return h("section", { class: "card" }, h("h2", {}, "Held out, best against the best of run 1"), h("div", { class: "wide" }, h("table", { id: "held" }, h("tbody", {}, rows))));
}

/** The keys of the configurations that differ. */
function settings(views: View[]): HTMLElement {
  const flat = views.map((view) => flatten(view.config));
  const keys = [...new Set(flat.flatMap((config) => [...config.keys()]))].sort();
  const rows = keys
    .filter((key) => new Set(flat.map((config) => config.get(key))).size > 1)
    .map((key) => h("tr", {}, h("th", { scope: "row" }, key), flat.map((config) => h("td", {}, config.get(key) ?? "\u2013"))));
  return h("section", { class: "card" }, h("h2", {}, "Settings that differ"), rows.length === 0 ? h("p", {}, "None.") : h("div", { class: "wide" }, h("table", { id: "settings" }, h("thead", {}, h("tr", {}, h("th", {}, "Key"), heads(views))), h("tbody", {}, rows))));
}

function flatten(value: unknown, path = "", into = new Map<string, string>()): Map<string, string> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [name, inner] of Object.entries(value)) flatten(inner, path === "" ? name : `${path}.${name}`, into);
  } else into.set(path, JSON.stringify(value));
  return into;
}
