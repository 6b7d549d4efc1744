// What was in progress over the time of a run, and what the limits on model calls allowed.

import type { SlotStep, Slots } from "../data";
import { h, s } from "../dom";
import { count, duration } from "../format";
import type { Context } from "./run";

const KINDS = [
  ["optimization", "Rollouts of the search"],
  ["validation", "Rollouts of the final scoring"],
  ["reflection", "Reflections"],
] as const;

const NARROWEST = 330;
const WIDEST = 1200;
const HEIGHT = 280;
const LEFT = 44;
const RIGHT = 16;
const TOP = 14;
const BOTTOM = 34;

export async function slotsTab({ source, run, view }: Context): Promise<HTMLElement> {
  const found = await source.json<Slots>(`runs/${run}/slots`);
  const { steps } = found;
  const length = steps[steps.length - 1]?.to_seconds ?? 0;
  if (steps.every((step) => step.ended === 0)) {
    return h("section", { class: "card" }, h("h2", {}, "Slots and limits"), h("p", {}, "No rollout and no reflection has ended yet."));
  }
  return h(
    "div",
    { class: "stack" },
    h(
      "section",
      { class: "card" },
      h("h2", {}, "Slots and limits"),
      h("p", { class: "dim" }, `What was in progress at once, on average over each ${duration(length / steps.length)} of the run\u2019s ${duration(length)} of work. Pauses and the time without a process are left out. A rollout counts from its first attempt to the end of its last one${view.run.finished_at === null ? ", and appears when it has ended" : ""}.`),
      h("div", { class: "chart" }, chart(found)),
      key(found),
    ),
    h("section", { class: "card" }, h("h2", {}, "Figures"), figures(found)),
    h("section", { class: "card" }, details(steps)),
  );
}

/** The providers whose limits were recorded. */
function providers(steps: SlotStep[]): string[] {
  return [...new Set(steps.flatMap((step) => (step.limits ?? []).map((limit) => limit.provider)))];
}

function allowed(step: SlotStep, provider: string): number | null {
  return step.limits?.find((limit) => limit.provider === provider)?.allowed ?? null;
}

function chart({ steps, slots }: Slots): SVGElement {
  const width = Math.max(NARROWEST, Math.min(WIDEST, innerWidth - 64));
  const total = (step: SlotStep): number => step.optimization + step.validation + step.reflection;
  const busiest = Math.max(...steps.map(total), 1);
  // A limit far above what was in progress would press the picture flat; then it is named below only.
  const highest = Math.max(busiest * 1.15, Math.min(busiest * 3, Math.max(0, slots.rollouts ?? 0, ...steps.flatMap((step) => (step.limits ?? []).map((limit) => limit.allowed)))));
  const ceiling = highest > 8 ? 4 * Math.ceil(highest / 4) : highest;
  const length = steps[steps.length - 1]?.to_seconds || 1;
  const x = (seconds: number): number => LEFT + (seconds / length) * (width - LEFT - RIGHT);
  const y = (value: number): number => TOP + (1 - Math.min(value, ceiling) / ceiling) * (HEIGHT - TOP - BOTTOM);
  const drawn: SVGElement[] = [];
  for (let step = 0; step <= 4; step++) {
    const value = (ceiling * step) / 4;
    drawn.push(s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    drawn.push(s("text", { class: "tick", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(ceiling < 10 ? 1 : 0)));
    if (width < 600 && step % 2 === 1) continue;
    drawn.push(s("text", { class: "tick", x: x((length * step) / 4), y: HEIGHT - 14, "text-anchor": step === 4 ? "end" : "middle" }, step === 0 ? "0" : duration((length * step) / 4)));
  }
  const below = steps.map(() => 0);
  KINDS.forEach(([kind], place) => {
    const low = [...below];
    steps.forEach((step, at) => (below[at] = (below[at] ?? 0) + step[kind]));
    if (steps.every((step) => step[kind] === 0)) return;
    const up = steps.map((step, at) => `${at === 0 ? "M" : "L"}${x(step.from_seconds)},${y(below[at] ?? 0)}H${x(step.to_seconds)}`).join("");
    const down = steps.map((step, at) => `L${x(step.to_seconds)},${y(low[at] ?? 0)}H${x(step.from_seconds)}`).reverse().join("");
    drawn.push(s("path", { class: `area a${place}`, d: `${up}${down}Z` }));
  });
  providers(steps).forEach((provider, place) => {
    let path = "";
    for (const step of steps) {
      const value = allowed(step, provider);
      if (value === null || value > ceiling) {
        path += path === "" || path.endsWith(" ") ? "" : " ";
        continue;
      }
      path += `${path === "" || path.endsWith(" ") ? "M" : "L"}${x(step.from_seconds)},${y(value)}H${x(step.to_seconds)}`;
    }
    drawn.push(s("path", { class: `line l${3 + (place % 3)}`, d: path }));
  });
  if (slots.rollouts !== null && slots.rollouts <= ceiling) {
    drawn.push(s("line", { class: "reference", x1: LEFT, x2: width - RIGHT, y1: y(slots.rollouts), y2: y(slots.rollouts) }));
  }
  for (const step of steps) {
    const at = (x(step.from_seconds) + x(step.to_seconds)) / 2;
    const refused = (step.limits ?? []).reduce((sum, limit) => sum + limit.refused, 0);
    const marks: string[] = [];
    if (refused > 0) marks.push(`${count(refused)} calls refused`);
    if ((step.limits ?? []).some((limit) => limit.closed)) marks.push("the provider was down or requested a pause");
    if ((step.paused_seconds ?? 0) > 0) marks.push(`paused for ${duration(step.paused_seconds)}`);
    if ((step.stopped_seconds ?? 0) > 0) marks.push(`no process for ${duration(step.stopped_seconds)}`);
    if (marks.length > 0) drawn.push(s("line", { class: refused > 0 ? "mark refused" : "mark", x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM }, s("title", {}, marks.join("; "))));
  }
  return s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `Rollouts and reflections in progress over ${duration(length)}, at most ${busiest.toFixed(1)} on average over one step` }, drawn);
}

function key({ steps, slots }: Slots): HTMLElement {
  const parts: HTMLElement[] = KINDS.filter(([kind]) => steps.some((step) => step[kind] > 0)).map(([kind, title]) => h("span", { class: `swatch a${KINDS.findIndex(([one]) => one === kind)}` }, title));
  providers(steps).forEach((provider, place) => parts.push(h("span", { class: `key l${3 + (place % 3)}` }, `Calls to ${provider} that were allowed at once`)));
  if (slots.rollouts !== null) parts.push(h("span", {}, `run.max_concurrent = ${slots.rollouts} (dashes)`));
  if (steps.some((step) => (step.limits ?? []).some((limit) => limit.refused > 0 || limit.closed) || (step.paused_seconds ?? 0) > 0 || (step.stopped_seconds ?? 0) > 0)) {
    parts.push(h("span", {}, "Upright lines: calls refused, a pause, or no process"));
  }
  return h("p", { class: "legend" }, parts);
}

function figures({ steps, has_rests, slots }: Slots): HTMLElement {
  const length = steps[steps.length - 1]?.to_seconds ?? 0;
  const sum = (of: (step: SlotStep) => number): number => steps.reduce((all, step) => all + of(step), 0);
  const mean = (kind: (typeof KINDS)[number][0]): string => (length === 0 ? "\u2013" : (sum((step) => step[kind] * (step.to_seconds - step.from_seconds)) / length).toFixed(2));
  const hasLimits = steps.some((step) => step.limits !== null);
  const missing = "not recorded";
  const entries: [string, string, string][] = KINDS.map(([kind, title]) => [kind, `${title}, on average`, mean(kind)]);
  entries.push(
    ["slots", "Slots for rollouts", slots.rollouts === null ? "not set: the default" : count(slots.rollouts)],
    ["reflection_slots", "Slots for reflections", slots.reflections === null ? "not set: the default" : count(slots.reflections)],
    ["retries", "Further attempts at rollouts", count(sum((step) => step.retries))],
    ["refused", "Calls that providers refused", hasLimits ? count(sum((step) => (step.limits ?? []).reduce((all, limit) => all + limit.refused, 0))) : missing],
    ["paused", "Paused", has_rests ? duration(sum((step) => step.paused_seconds ?? 0)) : missing],
    ["stopped", "Without a process", has_rests ? duration(sum((step) => step.stopped_seconds ?? 0)) : missing],
  );
  for (const provider of providers(steps)) {
    const values = steps.map((step) => allowed(step, provider)).filter((value) => value !== null);
    entries.push([`allowed_${provider}`, `Calls to ${provider} allowed at once`, `${Math.min(...values)} to ${Math.max(...values)}, at the end ${values[values.length - 1]}`]);
  }
  const reason = steps.find((step) => step.limits_missing !== null)?.limits_missing;
  const why = reason ? h("p", { class: "dim" }, `The limits on model calls were not recorded, because ${reason}.`) : null;
  return h("div", {}, h("dl", { class: "figures" }, entries.map(([name, title, value]) => [h("dt", {}, title), h("dd", { "data-slots": name }, value)])), why);
}

/** The same as the chart, for those who cannot see it. */
function details(steps: SlotStep[]): HTMLElement {
  const two = (value: number): string => value.toFixed(2);
  const rows = steps.map((step) =>
    h(
      "tr",
      {},
      [
        step.from_seconds.toFixed(3),
        two(step.optimization),
        two(step.validation),
        two(step.reflection),
        count(step.ended),
        count(step.retries),
        count(step.failed),
        step.limits === null ? "\u2013" : step.limits.map((limit) => limit.allowed).join(", "),
        step.limits === null ? "\u2013" : count(step.limits.reduce((all, limit) => all + limit.refused, 0)),
        step.paused_seconds === null ? "\u2013" : duration(step.paused_seconds),
        step.stopped_seconds === null ? "\u2013" : duration(step.stopped_seconds),
      ].map((cell) => h("td", { class: "figure" }, cell)),
    ),
  );
  const heads = ["From (s)", "Search", "Scoring", "Reflections", "Ended", "Retries", "Failed", "Allowed", "Refused", "Paused", "No process"];
  return h("details", {}, h("summary", {}, `Each step (${steps.length})`), h("div", { class: "wide" }, h("table", { id: "slots" }, h("thead", {}, h("tr", {}, heads.map((name) => h("th", { class: "figure" }, name)))), h("tbody", {}, rows))));
}
