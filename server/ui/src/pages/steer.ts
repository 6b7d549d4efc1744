// What a person can do to a run, and what people did.

import type { Candidate, View } from "../data";
import { h, type Child } from "../dom";
import { href } from "../route";
import type { Source } from "../source";
import { list } from "./event";
import { labelsForm } from "./labels";
import type { Context } from "./run";

const NAME = "gepa-name";
const LIMITS: [key: string, title: string][] = [
  ["max_rollouts", "Rollouts"],
  ["max_reflection_calls", "Reflection calls"],
  ["max_tokens", "Tokens"],
  ["max_cost_usd", "Cost in USD"],
  ["max_seconds", "Seconds of work"],
  ["max_iterations", "Iterations"],
];
const ACTS: Record<string, string> = {
  candidate_injected: "injected",
  candidate_vetoed: "vetoed",
  hint_given: "gave the hint",
  example_excluded: "excluded",
  run_paused: "paused the run",
  run_continued: "resumed the run",
  stop_requested: "stopped the search",
  limits_changed: "changed limits",
  ablation_noted: "ablated",
};

interface Done {
  seq: number | null;
  at_rest: boolean;
}

const isOver = (view: View): boolean => ["succeeded", "failed", "cancelled"].includes(view.run.status);

/** Asks the server for an act, and says what came of it. */
export async function act(source: Source, run: string, told: HTMLElement, request: Record<string, unknown>): Promise<void> {
  told.textContent = "Waiting for the run.";
  const who = localStorage.getItem(NAME) ?? "";
  try {
    const done = await source.send<Done>(`runs/${run}/steering`, { who, ...request });
    if (done.at_rest) told.textContent = "Written into the journal. The run takes it in when it is resumed.";
    else told.textContent = done.seq === null ? "Passed on, and not in the journal yet: the run takes it up when the calls in flight have ended. Do not repeat it." : `Entry ${done.seq} of the journal.`;
  } catch (error) {
    told.textContent = error instanceof Error ? error.message : String(error);
  }
}

/** A button for an act on what a page shows, with a question for the reason. */
export function actButton({ source, run }: Context, title: string, question: string, request: Record<string, unknown>): HTMLElement {
  const told = h("span", { role: "status", class: "dim" });
  const button = h("button", { type: "button" }, title);
  button.addEventListener("click", () => {
    const why = prompt(`${question} Why? (The journal keeps the reason.)`, "");
    if (why !== null) void act(source, run, told, { ...request, why });
  });
  return h("span", { class: "steer" }, button, " ", told);
}

export async function steerTab(context: Context): Promise<HTMLElement> {
  const { source, view } = context;
  const over = isOver(view);
  return h(
    "div",
    { class: "stack" },
    source.isLive && h("section", { class: "card" }, h("h2", {}, "Who acts"), nameField()),
    source.isLive && labelsForm(context),
    source.isLive && h("div", { class: "two" }, !over && course(context), limits(context), !over && hint(context), exclude(context), !over && veto(context), source.canBranch && branch(context)),
    source.isLive && !over && (await text(context)),
    h("section", { class: "card" }, h("h2", {}, "What people did"), history(context)),
  );
}

function nameField(): HTMLElement {
  const field = h("input", { id: "who", autocomplete: "name", value: localStorage.getItem(NAME) ?? "" });
  field.addEventListener("change", () => localStorage.setItem(NAME, field.value.trim()));
  return h("div", { class: "tools" }, h("label", { for: "who" }, "Your name in the journal"), field);
}

/** A form for one act; `read` makes the request, or a sentence that says what is missing. */
function form({ source, run }: Context, id: string, title: string, about: string, fields: Child[], button: string, read: () => Record<string, unknown> | string): HTMLElement {
  const told = h("p", { role: "status", class: "dim" });
  const why = h("input", { id: `${id}-why`, autocomplete: "off" });
  const made = h(
    "form",
    { class: "card", id: `${id}-form` },
    h("h2", {}, title),
    h("p", { class: "dim" }, about),
    fields,
    h("div", { class: "tools" }, h("label", { for: `${id}-why` }, "Why"), why, h("button", { type: "submit" }, button)),
    told,
  );
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    const request = read();
    if (typeof request === "string") told.textContent = request;
    else void act(source, run, told, { why: why.value, ...request });
  });
  return made;
}

function field(id: string, title: string, input: HTMLElement): HTMLElement {
  input.id = id;
  return h("div", { class: "tools" }, h("label", { for: id }, title), input);
}

function course(context: Context): HTMLElement {
  const paused = context.view.run.status === "paused";
  const choice = h("select", {}, h("option", { value: paused ? "resume" : "pause" }, paused ? "Resume: end the pause" : "Pause: start nothing further for now"), h("option", { value: "stop" }, "Stop: end the search and score held-out examples"));
  return form(context, "course", "Course", "A stop ends the search for good. The best candidates are scored on the held-out examples then.", [field("course-act", "Act", choice)], "Do it", () => ({ act: choice.value }));
}

function limits(context: Context): HTMLElement {
  const inputs = LIMITS.map(([key, title]) => [key, title, h("input", { type: "number", min: 0, step: "any", placeholder: String(context.view.limits?.[key] ?? "none") })] as const);
  return form(context, "extend", "Limits", "New limits of the run. A run that is over goes on if they allow it.", [inputs.map(([key, title, input]) => field(`extend-${key}`, title, input))], "Set limits", () => {
    const given = inputs.filter(([, , input]) => input.value !== "").map(([key, , input]) => [key, Number(input.value)]);
    return given.length === 0 ? "Type at least one limit." : { act: "extend", limits: Object.fromEntries(given) };
  });
}

function hint(context: Context): HTMLElement {
  const area = h("textarea", { rows: 4, maxlength: 4000 }, context.view.hint);
  return form(context, "hint", "Hint for the reflection model", "It stands in each reflection prompt from the next proposal on, and replaces the one before it. An empty text takes it away.", [field("hint-text", "Hint", area)], "Give the hint", () => ({ act: "hint", text: area.value }));
}

function exclude(context: Context): HTMLElement {
  const { sets } = context.view;
  const ids = [...sets.pareto, ...sets.validation];
  const names = h("datalist", { id: "example-names" }, ids.slice(0, 1000).map((id) => h("option", { value: String(id) })));
  const input = h("input", { list: "example-names", autocomplete: "off" });
  const out = context.view.excluded;
  const about = `It counts no longer from then on: not in minibatches, fronts, means or the verdict.${out.length > 0 ? ` Excluded so far: ${out.join(", ")}.` : ""}`;
  return form(context, "exclude", "Mark an example as mislabelled", about, [field("exclude-example", "Example", input), names], "Exclude it", () => {
    const typed = input.value.trim();
    if (typed === "") return "Type the id of an example.";
    const known = ids.find((id) => String(id) === typed);
    return { act: "exclude", example: known ?? (/^\d+$/.test(typed) ? Number(typed) : typed) };
  });
}

function veto(context: Context): HTMLElement {
  const input = h("input", { type: "number", min: 1, step: 1 });
  return form(context, "veto", "Veto a candidate", "It is neither a parent nor the winner from then on.", [field("veto-candidate", "Candidate", input)], "Veto it", () => (input.value === "" ? "Type the index of a candidate." : { act: "veto", candidate: Number(input.value) }));
}

/** Begins a new run from an iteration of this one. */
function branch({ source, run, view }: Context): HTMLElement {
  const told = h("p", { role: "status", class: "dim" });
  const at = h("input", { type: "number", min: 0, step: 1, placeholder: "the last one" });
  const rollouts = h("input", { type: "number", min: 1, step: 1, placeholder: String(view.limits?.["max_rollouts"] ?? "none") });
  const made = h("form", { class: "card", id: "branch-form" }, h("h2", {}, "Branch"), h("p", { class: "dim" }, "A new run that shares this one up to an iteration and knows everything it bought."), field("branch-at", "After iteration", at), field("branch-rollouts", "Rollouts", rollouts), h("div", { class: "tools" }, h("button", { type: "submit" }, "Begin the branch")), told);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    told.textContent = "Preparing the branch.";
    const overrides = rollouts.value === "" ? {} : { "budget.max_rollouts": Number(rollouts.value) };
    source.send<{ run_id: string }>(`runs/${run}/branch`, { ...(at.value === "" ? {} : { iteration: Number(at.value) }), overrides }).then(
      (begun) => told.replaceChildren("It is ", h("a", { href: href(["run", begun.run_id]) }, begun.run_id), "."),
      (error: Error) => (told.textContent = error.message),
    );
  });
  return made;
}

async function text(context: Context): Promise<HTMLElement | null> {
  const { source, run, view, params } = context;
  const wanted = params.get("from");
  const best = view.best ?? 0;
  const iteration = wanted !== null ? Number(wanted) : (view.candidates.iteration[view.candidates.index.indexOf(best)] ?? 0);
  const found = await source.json<Candidate>(`runs/${run}/candidates/${iteration}`).catch(() => null);
  if (found === null) return null;
  const index = found.candidate.index;
  const areas = Object.entries(found.candidate.components).map(([name, value]) => [name, value, h("textarea", { rows: 8, class: "text", "aria-label": `Text of ${name}` }, value)] as const);
  const gated = h("input", { type: "checkbox", checked: true });
  const fields = [areas.map(([name, , area], place) => field(`inject-${place}`, name, area)), field("inject-gated", "Compare it on a minibatch first", gated)];
  // While a person writes, another candidate may become the best one, and this one may leave the archive.
  const parent = wanted === null ? null : index;
  const origin = index === null ? `iteration ${iteration}` : `candidate ${index}`;
  const about = `It begins with the text of ${origin}, and is compared with ${parent === null ? "the best candidate of that moment" : `candidate ${parent}`}.`;
  return form(context, "inject", "Try a text of your own", about, fields, "Try it", () => {
    const changed = areas.filter(([, value, area]) => area.value !== value);
    if (changed.length === 0) return "Change the text first.";
    return { act: "inject", components: Object.fromEntries(areas.map(([name, , area]) => [name, area.value])), gated: gated.checked, ...(parent === null ? {} : { parent }) };
  });
}

function history({ view, run }: Context): HTMLElement {
  if (view.acts.length === 0) return h("p", { class: "dim" }, "No person has acted on this run.");
  const rows = [...view.acts].reverse().map((one) =>
    h("tr", {}, h("td", { class: "figure" }, one.act === "ablation_noted" ? h("a", { href: href(["run", run, "event", one.seq]) }, String(one.seq)) : one.seq), h("td", {}, new Date(one.at / 1000).toISOString().replace("T", " ").slice(0, 19)), h("td", {}, one.who ?? ""), h("td", {}, `${ACTS[one.act] ?? one.act} ${one.what}`), h("td", {}, one.why ?? "")),
  );
  return h("div", { class: "wide" }, h("table", { id: "acts" }, h("thead", {}, h("tr", {}, ["Entry", "When (UTC)", "Who", "What", "Why"].map((name) => h("th", {}, name)))), h("tbody", {}, rows)));
}

/** What is in force because people acted, for the overview. */
export function inForce({ view }: Context): HTMLElement | null {
  const entries: [string, Child][] = [];
  if (view.hint !== "") entries.push(["Hint in force", view.hint]);
  if (view.vetoed.length > 0) entries.push(["Vetoed candidates", view.vetoed.join(", ")]);
  if (view.excluded.length > 0) entries.push(["Excluded examples", view.excluded.join(", ")]);
  return entries.length === 0 ? null : h("section", { class: "card", id: "in-force" }, h("h2", {}, "Set by people"), list(entries));
}
