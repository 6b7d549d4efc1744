// What one rollout or one reflection held.

import type { AblationEvent, ExampleId } from "../data";
import { block, h, type Child } from "../dom";
import { count, dollars, duration, score, words } from "../format";
import { href } from "../route";
import { report } from "./ablation";
import type { Context } from "./run";
import { actButton } from "./steer";

interface Rollout {
  kind: "rollout";
  seq: number;
  trial_id: string;
  candidate_id: string;
  seed: ExampleId;
  stage: string;
  attempts: number;
  score: number | null;
  outcome: string;
  error?: string;
  objectives?: Record<string, number>;
  feedback?: string | null;
  output?: string | null;
  trace?: unknown;
  prompt_tokens: number;
  completion_tokens: number;
  unknown_tokens: number;
  cost_usd: number | null;
  started_at: string;
  seconds: number;
}

interface Reflection {
  kind: "reflection";
  seq: number;
  reflection: {
    iteration: number;
    component: string;
    attempt: number;
    messages?: { role: string; content: string }[];
    reply: string | null;
    text: string | null;
    alternatives?: string[];
    failure: { kind: string; message: string } | null;
  };
}

export async function eventPage(context: Context, seq: number): Promise<HTMLElement> {
  const event = await context.source.json<Rollout | Reflection | AblationEvent>(`runs/${context.run}/events/${seq}`);
  if (event.kind === "ablation") return h("section", { class: "card" }, h("h2", {}, event.ablation.index === undefined ? "Ablation" : `Ablation of candidate ${event.ablation.index}`), report(context, event));
  return event.kind === "rollout" ? rollout(context, event) : reflection(context, event);
}

export function list(entries: [string, Child][]): HTMLElement {
  return h("dl", { class: "figures" }, entries.map(([title, value]) => [h("dt", {}, title), h("dd", {}, value)]));
}

function section(title: string, text: string | null | undefined): HTMLElement | null {
  return text === null || text === undefined ? null : h("section", { class: "card" }, h("h2", {}, title), block(text, title));
}

function rollout(context: Context, found: Rollout): HTMLElement {
  const { run, view, source } = context;
  const isOut = view.excluded.includes(found.seed);
  const short = found.candidate_id.slice(0, 12);
  const place = view.candidates.candidate_id.indexOf(short);
  const index = view.candidates.index[place] ?? null;
  const name = index === null ? short : `candidate ${index}`;
  const link = place < 0 ? name : h("a", { href: href(["run", run, "candidate", view.candidates.iteration[place] ?? 0]) }, name);
  const objectives = Object.entries(found.objectives ?? {});
  return h(
    "div",
    { class: "stack" },
    h(
      "section",
      { class: "card" },
      h("h2", {}, `Example ${found.seed}`),
      list([
        ["Candidate", link],
        ["Stage", words(found.stage)],
        ["Outcome", found.score === null ? h("span", { class: `kind ${found.outcome}` }, found.outcome) : h("strong", {}, score(found.score))],
        ...objectives.map(([title, value]): [string, Child] => [title, score(value)]),
        ["Attempts", count(found.attempts)],
        ["Tokens", `${count(found.prompt_tokens)} in, ${count(found.completion_tokens)} out${found.unknown_tokens > 0 ? `, ${count(found.unknown_tokens)} unknown` : ""}`],
        ["Cost", dollars(found.cost_usd)],
        ["Time", duration(found.seconds)],
        ["Began", found.started_at],
        ["Trial", found.trial_id],
      ]),
      isOut ? h("p", { class: "warn" }, "This example is excluded.") : source.isLive && actButton(context, "Mark as mislabelled", `Exclude example ${found.seed}?`, { act: "exclude", example: found.seed }),
    ),
    section("Failure", found.error),
    inputs(found.trace),
    section("Output", found.output),
    section("Feedback", found.feedback),
    rest(found.trace),
  );
}

/** What the example gave to the prompt, by convention under `Inputs` in the trace. */
function inputs(trace: unknown): HTMLElement | null {
  const given = isObject(trace) ? trace["Inputs"] : undefined;
  if (given === undefined) return null;
  const texts = isObject(given) ? Object.entries(given) : [["", given] as [string, unknown]];
  // A row of a table of figures would fill the screen with boxes of one line.
  const isShort = ([name, value]: [string, unknown]): boolean => name !== "" && written(value).length <= 80 && !written(value).includes("\n");
  if (texts.every(isShort)) return h("section", { class: "card" }, h("h2", {}, "Inputs"), list(texts.map(([name, value]): [string, Child] => [name, written(value)])));
  return h("section", { class: "card" }, h("h2", {}, "Inputs"), texts.map(([name, value]) => [name !== "" && h("h3", {}, name), block(written(value), name || "Inputs")]));
}

function rest(trace: unknown): HTMLElement | null {
  if (!isObject(trace)) return trace === null || trace === undefined ? null : section("Trace", written(trace));
  const others = Object.entries(trace).filter(([name]) => name !== "Inputs");
  if (others.length === 0) return null;
  return h("section", { class: "card" }, h("h2", {}, "Trace"), others.map(([name, value]) => [h("h3", {}, name), block(written(value), name)]));
}

function written(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function reflection({ run, view }: Context, { seq, reflection: found }: Reflection): HTMLElement {
  const call = view.reflections.find((row) => row.seq === seq);
  const place = view.candidates.iteration.indexOf(found.iteration);
  const parent = place < 0 ? null : (view.candidates.parents[place]?.[0] ?? null);
  const parentPlace = parent === null ? -1 : view.candidates.index.indexOf(parent);
  const child = place < 0 ? "none" : h("a", { href: href(["run", run, "candidate", found.iteration]) }, `${view.candidates.status[place]}${view.candidates.close_reason[place] ? ` (${words(view.candidates.close_reason[place] ?? "")})` : ""}`);
  return h(
    "div",
    { class: "stack" },
    h(
      "section",
      { class: "card" },
      h("h2", {}, `Reflection of iteration ${found.iteration}, ${found.component}`),
      list([
        ["Attempt", count(found.attempt)],
        ["Parent", parentPlace < 0 ? "\u2013" : h("a", { href: href(["run", run, "candidate", view.candidates.iteration[parentPlace] ?? 0]) }, `candidate ${parent}`)],
        ["Its candidate", child],
        ["Tokens", call ? `${count(call.prompt_tokens)} in, ${count(call.completion_tokens)} out` : "\u2013"],
        ["Cost", dollars(call?.cost_usd)],
        ["Time", duration(call?.seconds)],
        ["Refused because", found.failure === null ? "\u2013" : h("span", { class: "warn" }, `${words(found.failure.kind)}: ${found.failure.message}`)],
      ]),
    ),
    (found.messages ?? []).map((message) => section(`Sent as ${message.role}`, message.content)),
    section("Reply", found.reply),
    section("New text", found.text),
    (found.alternatives ?? []).map((text, number) => section(`Further text ${number + 2}`, text)),
  );
}
