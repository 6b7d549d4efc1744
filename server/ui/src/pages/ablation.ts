// What ablations of a prompt found: which of its lines earn their tokens, and the shorter prompt.

import type { Ablation, AblationEvent, Interval } from "../data";
import { block, h } from "../dom";
import { count, signed } from "../format";
import { diffWords } from "../diff";
import { Missing } from "../source";
import type { Context } from "./run";
import { actButton } from "./steer";

const interval = (found: Interval): string => `${signed(found.mean)} [${signed(found.low)}, ${signed(found.high)}]`;

/** The ablations of one candidate, the newest first; how to make one where there is none. */
export async function ablationCard(context: Context, id: string, name: string): Promise<HTMLElement | null> {
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
  if (found.length === 0) {
    if (!source.isLive) return null;
    return h("section", { class: "card", id: "ablation" }, title, h("p", { class: "dim" }, "This prompt has not been ablated. This command removes its lines one at a time, and what it finds is shown here; give it a budget:"), block(`gepa ablate ${run} ${name} --max-rollouts 1000`, "Command"));
  }
  return h("section", { class: "card", id: "ablation" }, title, found.map((event, place) => (place === 0 ? report(context, event) : h("details", {}, h("summary", {}, `An earlier one, of ${event.at.slice(0, 10)}`), report(context, event)))));
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
