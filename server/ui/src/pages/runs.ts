// The list of runs.

import type { RunEntry } from "../data";
import { h } from "../dom";
import { count, dollars, duration, score, time } from "../format";
import type { Page } from "../main";
import { href, setParams } from "../route";
import type { Source } from "../source";
import { table, type Column } from "./table";

export async function runsPage(source: Source, params: URLSearchParams): Promise<Page> {
  const { runs } = await source.json<{ runs: RunEntry[] }>("runs");
  if (runs.length === 0) {
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
        return [box, h("a", { href: href(["run", run.run_id]), title: run.run_id }, run.run_id.slice(0, 15))];
      },
    },
    { name: "name", title: "Name", isFigure: false, key: (row) => at(row).name, cell: (row) => at(row).name },
    { name: "status", title: "Status", isFigure: false, key: (row) => at(row).status, cell: (row) => h("span", { class: `status ${at(row).status}` }, at(row).status) },
    { name: "created", title: "Created", isFigure: false, key: (row) => at(row).created_at, cell: (row) => time(at(row).created_at) },
    figure("baseline", "Baseline", (run) => run.baseline_score, score),
    figure("best", "Best", (run) => run.best_score, score),
    figure("held", "Held out", (run) => run.best_validation_score, score),
    figure("candidates", "Tried", (run) => run.trials_tried, count),
    figure("rollouts", "Rollouts", (run) => run.total_rollouts, count),
    figure("tokens", "Tokens", (run) => run.total_tokens, count),
    figure("cost", "Cost", (run) => run.total_cost_usd, dollars),
    figure("seconds", "Time", (run) => run.total_time_seconds, duration),
  ];
  const search = h("input", { type: "search", id: "search", value: params.get("q") ?? "", placeholder: "name, id, status, model" });
  const shown = h("span", { class: "dim", role: "status" });

  function matching(): number[] {
    const wanted = search.value.trim().toLowerCase();
    const rows = runs.map((_, row) => row).filter((row) => {
      const run = at(row);
      return wanted === "" || `${run.name} ${run.run_id} ${run.status} ${run.policy}`.toLowerCase().includes(wanted);
    });
    shown.textContent = `${rows.length} of ${runs.length} runs`;
    return rows;
  }
  const list = table({
    label: "Runs",
    columns,
    rows: matching(),
    sort: params.get("sort") ?? "created",
    isDescending: params.get("order") !== "up",
    onSort: (sort, isDescending) => setParams({ sort, order: isDescending ? null : "up" }),
    onOpen: (row) => (location.hash = href(["run", at(row).run_id])),
  });
  search.addEventListener("input", () => {
    setParams({ q: search.value });
    list.show(matching());
  });
  const body = h("div", {}, h("h1", {}, "Runs"), h("div", { class: "tools" }, h("label", { for: "search" }, "Search"), search, compare, shown), list.element);
  return { title: "Runs", body };
}
