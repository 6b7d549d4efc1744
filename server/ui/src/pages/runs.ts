// The list of runs.

import type { RunEntry } from "../data";
import { h } from "../dom";
import { cost, count, dollars, duration, score, time } from "../format";
import type { Page } from "../main";
import { href, setParams } from "../route";
import type { Source } from "../source";
import { setLabels, tagList } from "./labels";
import { table, type Column } from "./table";

/** Runs that the page requests at once. */
const PAGE = 500;
/** How long the page waits for another key before it asks the server. */
const TYPING = 200;
const STATES = ["queued", "running", "paused", "interrupted", "killed", "succeeded", "failed", "cancelled"];

/** What the server knows of the runs that are meant. */
interface Listed {
  runs: RunEntry[];
  /** All runs that meet the conditions. */
  meant: number;
  /** All runs of the store. */
  of: number;
  /** All tags of the store. */
  tags: string[];
}

export async function runsPage(source: Source, params: URLSearchParams): Promise<Page> {
  const given = (name: string): string => params.get(name) ?? "";
  let conditions = { q: given("q").trim(), status: given("status"), tag: given("tag"), name: given("name"), archived: params.get("archived") !== null };
  async function read(limit: number | null, before: string | null): Promise<Listed> {
    const query = new URLSearchParams();
    for (const name of ["q", "status", "tag", "name"] as const) if (conditions[name] !== "") query.set(name, conditions[name]);
    if (!conditions.archived) query.set("archived", "false");
    if (limit !== null) query.set("limit", String(limit));
    if (before !== null) query.set("before", before);
    return source.json<Listed>(`runs?${query}`);
  }
  let { runs, meant, of, tags } = await read(PAGE, null);
  if (of === 0) {
    const text = "The store has no runs yet. `gepa run CONFIG` starts one.";
    return { title: "Runs", body: h("div", { class: "card narrow" }, h("h1", {}, "Runs"), h("p", {}, text)) };
  }
  const chosen = new Set<string>();
  const compare = h("a", { class: "button", "aria-disabled": "true" }, "Compare");
  const at = (row: number): RunEntry => runs[row] as RunEntry;

  function choose(run: string, isChosen: boolean): void {
    if (isChosen) chosen.add(run);
    else chosen.delete(run);
    const isEnough = chosen.size > 1;
    compare.textContent = isEnough ? `Compare ${chosen.size} runs` : "Compare";
    compare.setAttribute("aria-disabled", String(!isEnough));
    if (isEnough) compare.href = href(["compare"], { runs: [...chosen].join(",") });
    else compare.removeAttribute("href");
  }

  const figure = (name: string, title: string, value: (run: RunEntry) => number | null, shown: (value: number | null) => string): Column => ({
    name,
    title,
    isFigure: true,
    key: (row) => value(at(row)),
    cell: (row) => shown(value(at(row))),
  });
  const columns: Column[] = [
    {
      name: "run",
      title: "Run",
      isFigure: false,
      key: (row) => at(row).run_id,
      cell: (row) => {
        const run = at(row);
        const box = h("input", { type: "checkbox", "aria-label": `Choose ${run.run_id} for a comparison` });
        box.checked = chosen.has(run.run_id);
        box.addEventListener("change", () => choose(run.run_id, box.checked));
        return [box, h("a", { href: href(["run", run.run_id]), title: run.run_id }, run.short)];
      },
    },
    { name: "name", title: "Name", isFigure: false, key: (row) => at(row).name, cell: (row) => at(row).name },
    { name: "tags", title: "Tags", isFigure: false, key: (row) => at(row).tags.join(" ") || null, cell: (row) => h("span", { title: at(row).note || null }, tagList(at(row).tags), at(row).archived_at !== null && " archived") },
    { name: "status", title: "Status", isFigure: false, key: (row) => at(row).state, cell: (row) => h("span", { class: `status ${at(row).status}` }, at(row).state) },
    { name: "created", title: "Created", isFigure: false, key: (row) => at(row).created_at, cell: (row) => time(at(row).created_at) },
    figure("baseline", "Baseline", (run) => run.baseline_score, score),
    figure("best", "Best", (run) => run.best_score, score),
    figure("held", "Held out", (run) => run.best_validation_score, score),
    figure("candidates", "Tried", (run) => run.trials_tried, count),
    figure("rollouts", "Rollouts", (run) => run.total_rollouts, count),
    figure("tokens", "Tokens", (run) => run.total_tokens, count),
    { ...figure("cost", "Cost", (run) => run.total_cost_usd, dollars), cell: (row) => cost(at(row).total_cost_usd, at(row).unpriced_calls) },
    figure("seconds", "Time", (run) => run.total_time_seconds, duration),
  ];
  const search = h("input", { type: "search", id: "search", value: given("q"), placeholder: "name, id, tag, note, model" });
  const choice = (id: string, all: string, values: string[]): HTMLSelectElement => {
    const wanted = given(id);
    const options = [...new Set([...values, ...(wanted === "" ? [] : [wanted])])].sort();
    return h("select", { id }, h("option", { value: "" }, all), options.map((value) => h("option", { value, selected: value === wanted }, value)));
  };
  const status = choice("status", "any status", STATES);
  const tag = choice("tag", "any tag", tags);
  const name = choice("name", "any name", runs.map((run) => run.name));
  const archived = h("input", { type: "checkbox", id: "archived", checked: conditions.archived });
  const shown = h("span", { class: "dim", role: "status" });
  const more = h("button", { type: "button", id: "more", onclick: () => void follow(PAGE) });
  const rest = h("button", { type: "button", id: "rest", onclick: () => void follow(null) });
  const older = h("div", { class: "tools", id: "older" }, more, rest);

  /** Says how many runs there are, and offers those that are not here yet. */
  function rows(): number[] {
    const missing = Math.max(0, meant - runs.length);
    const isPart = missing > 0 ? `the newest ${count(runs.length)} of ` : "";
    const others = meant === of ? "" : `; the store has ${count(of)}`;
    shown.textContent = `${isPart}${count(meant)} run${meant === 1 ? "" : "s"}${others}`;
    more.textContent = `Show ${count(Math.min(PAGE, missing))} older`;
    rest.textContent = `Show all ${count(meant)}`;
    older.hidden = missing === 0;
    rest.hidden = missing <= PAGE;
    const names = new Set([...name.options].map((option) => option.value));
    for (const run of runs) {
      if (names.has(run.name)) continue;
      names.add(run.name);
      name.append(h("option", { value: run.name }, run.name));
    }
    return runs.map((_, row) => row);
  }
  const list = table({
    label: "Runs",
    columns,
    rows: rows(),
    sort: params.get("sort") ?? "created",
    isDescending: params.get("order") !== "up",
    onSort: (sort, isDescending) => setParams({ sort, order: isDescending ? null : "up" }),
    onOpen: (row) => (location.hash = href(["run", at(row).run_id])),
  });
  let asked = 0;

  /** Shows the answer, unless other runs are wanted by then. */
  async function show(answer: Promise<Listed>, before: RunEntry[]): Promise<void> {
    const mine = ++asked;
    try {
      const next = await answer;
      if (mine !== asked) return;
      ({ meant, of, tags } = next);
      runs = [...before, ...next.runs];
      list.show(rows());
    } catch (error) {
      if (mine === asked) shown.textContent = (error as Error).message;
    }
  }
  const follow = (limit: number | null): Promise<void> => show(read(limit, runs.at(-1)?.run_id ?? null), runs);
  let typed = 0;
  function filter(): void {
    setParams({ q: search.value || null, status: status.value || null, tag: tag.value || null, name: name.value || null, archived: archived.checked ? "1" : null });
    conditions = { q: search.value.trim(), status: status.value, tag: tag.value, name: name.value, archived: archived.checked };
    clearTimeout(typed);
    typed = window.setTimeout(() => void show(read(PAGE, null), []), TYPING);
  }
  for (const control of [search, status, tag, name, archived]) control.addEventListener("input", filter);

  /** Archives the chosen runs, or lists them again. */
  async function archive(isArchived: boolean): Promise<void> {
    for (const run of chosen) await setLabels(source, run, { archived: isArchived });
    chosen.clear();
    choose("", false);
    await show(read(Math.max(PAGE, runs.length), null), []);
  }
  const archiving = (title: string, isArchived: boolean): HTMLElement =>
    h("button", { type: "button", onclick: () => void archive(isArchived).catch((error: Error) => (shown.textContent = error.message)) }, title);
  const pair = (...both: HTMLElement[]): HTMLElement => h("span", { class: "pair" }, both);
  const label = (id: string, title: string): HTMLElement => h("label", { for: id }, title);
  const body = h(
    "div",
    {},
    h("h1", {}, "Runs"),
    h("div", { class: "tools" }, pair(label("search", "Search"), search), pair(label("status", "Status"), status), pair(label("tag", "Tag"), tag), pair(label("name", "Name"), name), pair(archived, label("archived", "Archived too")), shown),
    h("div", { class: "tools" }, compare, archiving("Archive the chosen", true), archiving("List the chosen again", false)),
    list.element,
    older,
  );
  return { title: "Runs", body };
}

