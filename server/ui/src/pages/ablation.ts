// What ablations of a prompt found: which of its lines earn their tokens, and the shorter prompt.

import type { Ablation, AblationEvent, AblationState, Interval } from "../data";
import { block, h, type Child } from "../dom";
import { count, signed } from "../format";
import { href } from "../route";
import { diffWords } from "../diff";
import { Missing } from "../source";
import type { Context } from "./run";
import { actButton } from "./steer";

const interval = (found: Interval): string => `${signed(found.mean)} [${signed(found.low)}, ${signed(found.high)}]`;

/** The ablations of one candidate, the newest first; how to make one where there is none. */
export async function ablationCard(context: Context, iteration: number, id: string, name: string): Promise<HTMLElement | null> {
  const { source, run, view } = context;
  const found: AblationEvent[] = [];
  for (const act of view.acts.filter((one) => one.act === "ablation_noted")) {
    const event = await source.json<AblationEvent>(`runs/${run}/events/${act.seq}`).catch((error: Error) => {
      if (error instanceof Missing) return null;
      throw error;
    });
    if (event?.ablation.candidate === id) found.unshift(event);
  }
  const title = h("h2", {}, "Which lines earn their tokens");
  const shown = found.map((event, place) => (place === 0 ? report(context, event) : h("details", {}, h("summary", {}, `An earlier one, of ${event.at.slice(0, 10)}`), report(context, event))));
  if (!source.isLive) return found.length === 0 ? null : h("section", { class: "card", id: "ablation" }, title, shown);
  return h("section", { class: "card", id: "ablation" }, title, found.length === 0 && h("p", { class: "dim" }, "This prompt has not been ablated. An ablation removes its lines one at a time, runs what is left on the same examples, and looks for a shorter prompt."), await begin(context, iteration, name, found.length > 0), shown);
}

/** Least time between two looks at an ablation that goes on. */
const REST = 1_000;

const OPEN = ["running", "waiting", "elsewhere"];

/** How an ablation stands, and what begins and ends one. */
async function begin(context: Context, iteration: number, name: string, isFolded: boolean): Promise<HTMLElement> {
  const { source, run } = context;
  const path = `runs/${run}/ablation`;
  const stand = h("div", { id: "ablating", role: "status" });
  const told = h("div");
  const budget = h("input", { id: "ablation_rollouts", type: "number", min: 1, step: 1, value: 1000, required: true });
  const margin = h("input", { id: "ablation_margin", type: "number", min: 0.001, step: "any", value: 0.05, required: true });
  const start = h("button", { type: "submit" }, "Begin the ablation");
  const form = h("form", { class: "tools" }, h("label", { for: "ablation_rollouts" }, "Most rollouts"), budget, h("label", { for: "ablation_margin" }, "Loss that counts as none"), margin, start);
  let isWatching = false;

  function show(state: AblationState): void {
    const isOpen = OPEN.includes(state.state);
    start.disabled = isOpen;
    stand.replaceChildren(...standing(context, state, iteration, () => void end()));
    if (isOpen && !isWatching) void watch();
  }
  async function watch(): Promise<void> {
    isWatching = true;
    for (;;) {
      await new Promise((done) => setTimeout(done, REST));
      if (!stand.isConnected) break;
      try {
        const state = await source.json<AblationState>(path);
        show(state);
        if (!OPEN.includes(state.state)) break;
      } catch {
        // The server may be gone for a moment; what is shown stays.
      }
    }
    isWatching = false;
  }
  async function end(): Promise<void> {
    await said(async () => show(await source.remove<AblationState>(path)));
  }
  async function said(does: () => Promise<void>): Promise<void> {
    told.replaceChildren();
    try {
      await does();
    } catch (error) {
      told.replaceChildren(h("p", { class: "warn", role: "alert" }, error instanceof Error ? error.message : String(error)));
      start.disabled = false;
    }
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start.disabled = true;
    const who = localStorage.getItem("gepa-name") ?? "";
    void said(async () => show(await source.send<AblationState>(path, { iteration, max_rollouts: Number(budget.value), margin: Number(margin.value), who })));
  });
  await said(async () => show(await source.json<AblationState>(path)));
  const inner = [form, h("p", { class: "dim" }, "The process of this server executes the rollouts. The same from the command line:"), block(`gepa ablate ${run} ${name} --max-rollouts 1000`, "Command")];
  return h("div", {}, stand, told, isFolded ? h("details", {}, h("summary", {}, "Ablate it again"), inner) : inner);
}

/** What is known about the ablation of the run that goes on, or ended last. */
function standing({ run }: Context, state: AblationState, iteration: number, cancel: () => void): HTMLElement[] {
  const parts: HTMLElement[] = [];
  const say = (...what: Child[]): void => void parts.push(h("p", {}, ...what));
  const other = state.iteration !== undefined && state.iteration !== iteration ? [h("a", { href: href(["run", run, "candidate", state.iteration]) }, `of the candidate of iteration ${state.iteration}`), " "] : [];
  const spent = `${count(state.executed ?? 0)}${state.max_rollouts === undefined ? "" : ` of at most ${count(state.max_rollouts)}`} rollouts executed`;
  if (state.state === "running") {
    say("An ablation ", ...other, `goes on: ${spent}.`, state.now ? ` Now ${state.now.label}, on ${count(state.now.examples)} examples.` : "");
    parts.push(h("progress", { max: state.max_rollouts ?? 1, value: state.executed ?? 0, "aria-label": "Rollouts executed" }));
  } else if (state.state === "waiting") say("An ablation ", ...other, `is over: ${spent}. Its findings are written into the journal when no process works on the run.`);
  else if (state.state === "elsewhere") say(`Another process is at an ablation of this run: ${spent}.`);
  else if (state.state === "unfinished") say(`An ablation that began on ${(state.began_at ?? "").slice(0, 16).replace("T", " ")} was not finished: it was cancelled, or its process ended. ${spent}; they are stored, and another ablation does not pay for them again.`);
  else if (state.state === "done") say("The ablation ", ...other, `is done: ${spent}. `, h("a", { href: href(["run", run, "event", state.seq ?? 0]) }, "What it found"), ".");
  else if (state.state === "cancelled") say("The ablation ", ...other, `was cancelled: ${spent}; they are stored, and another ablation does not pay for them again.`);
  else if (state.state === "failed") parts.push(h("p", { class: "warn" }, `The ablation failed: ${state.error ?? ""}`));
  if (state.note && state.state !== "done") parts.push(h("p", { class: "dim" }, `Note: ${state.note}.`));
  if (["running", "waiting"].includes(state.state)) parts.push(h("button", { type: "button", onclick: cancel }, "Cancel the ablation"));
  if ((state.decided ?? []).length > 0 && state.state !== "done") parts.push(h("ul", { class: "decided" }, (state.decided ?? []).map((one) => h("li", {}, `${one.label}: ${one.finding.replace("_", " ")} after ${count(one.examples)} examples`))));
  return parts;
}

/** One ablation. */
export function report(context: Context, { at, ablation: { report: found, index, by } }: AblationEvent): HTMLElement {
  const rows = found.parts.map((part, place) =>
    h(
      "tr",
      {},
      h("td", { class: "figure" }, place + 1),
      h("td", {}, h("span", { class: `finding ${part.finding}` }, part.finding.replace("_", " "))),
      h("td", { class: "figure" }, part.difference === null ? "\u2013" : interval(part.difference)),
      h("td", { class: "figure" }, count(part.examples)),
      h("td", { class: "figure" }, count(part.tokens)),
      h("td", { class: "message" }, part.text),
    ),
  );
  return h(
    "div",
    {},
    h("p", { class: "dim" }, `${by?.who ? `${by.who}, ` : ""}${at.slice(0, 10)}: ${count(found.executed)} rollouts executed, margin ${found.margin}, confidence ${found.confidence}, ${count(found.race_examples)} examples in the race. A difference is the mean score without the line minus the one with it.`),
    h("div", { class: "wide" }, h("table", { class: "ablation" }, h("thead", {}, h("tr", {}, ["Part", "Finding", "Without it", "Examples", "Tokens", "Text"].map((name, place) => h("th", { class: place === 1 || place === 5 ? "" : "figure" }, name)))), h("tbody", {}, rows))),
    shorter(context, found, index ?? null),
  );
}

function shorter(context: Context, found: Ablation, index: number | null): HTMLElement {
  const short = found.shorter;
  if (short === null) return h("p", {}, found.tried_together === null ? "No shorter prompt: every part earns its tokens or is undecided." : "No shorter prompt: what each part does, others do as well, and the budget or the examples did not suffice to find out which.");
  const set = found.check_is_held_out ? "held-out" : "pareto";
  const check = short.difference === null ? "It was not checked as a whole: the budget was used up." : `On ${count(short.examples)} ${set} examples: ${interval(short.difference)}.`;
  const verdict = !short.is_proposed ? "It is not proposed." : short.is_within_margin ? "Proposed: it loses less than the margin." : "Proposed: it is not shown to be worse, but these examples cannot show that it loses less than the margin.";
  const isOver = ["succeeded", "failed", "cancelled"].includes(context.view.run.status);
  return h(
    "div",
    {},
    h("h3", {}, `Shorter prompt: ${short.removed.length} of ${found.parts.length} parts go, ${count(short.tokens)} of ${count(found.tokens)} tokens stay`),
    h("p", {}, `${check} ${verdict}`),
    Object.entries(short.components).map(([name, text]) => {
      const full = found.parts.filter((part) => part.component === name).map((part) => part.text).join("\n");
      return h("pre", { tabindex: 0, role: "region", "aria-label": `Shorter text of ${name}` }, diffWords(full, text).map(({ kind, text }) => (kind === "same" ? text : kind === "removed" ? h("del", {}, text) : h("ins", {}, text))));
    }),
    context.source.isLive && short.is_proposed && !isOver && actButton(context, "Try the shorter prompt", "Try the shorter prompt in this run?", { act: "inject", components: short.components, gated: true, ...(index === null ? {} : { parent: index }) }),
  );
}
