// One candidate: its texts against another's, the origin of its lines, examples won and lost.

import type { Blame, Candidate, Comparison, RolloutRow } from "../data";
import { diffWords } from "../diff";
import { block, h, type Child } from "../dom";
import { count, score, words } from "../format";
import { href, setParams } from "../route";
import { Missing } from "../source";
import { ablationCard } from "./ablation";
import { trimmed } from "./candidates";
import { list } from "./event";
import type { Context } from "./run";
import { actButton } from "./steer";
import { pairs, sentence, summary } from "./verdict";

export async function candidatePage(context: Context, iteration: number): Promise<HTMLElement> {
  const { source, run, view, params } = context;
  const found = await source.json<Candidate>(`runs/${run}/candidates/${iteration}`);
  const { candidate } = found;
  const rowOf = (index: number): number => view.candidates.iteration[view.candidates.index.indexOf(index)] ?? 0;
  const parent = candidate.parents[0];
  const wanted = params.get("against");
  let against = wanted !== null ? Number(wanted) : parent === undefined ? null : rowOf(parent);
  if (against === iteration) against = null;
  const compared = h("div", { class: "stack" });

  async function compare(): Promise<void> {
    try {
      const other = against === null ? null : await source.json<Candidate>(`runs/${run}/candidates/${against}`);
      const shown = against === null ? null : await comparison(context, against, iteration);
      compared.replaceChildren(texts(candidate.components, other?.candidate.components ?? null), ...(other === null ? [] : sets(context, other, found, shown)));
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      compared.replaceChildren(texts(candidate.components, null), h("p", { class: "warn" }, error.message));
    }
  }
  await compare();
  return h(
    "div",
    { class: "stack" },
    head(context, found, rowOf),
    buttons(context, found),
    h("div", { class: "tools" }, h("label", { for: "against" }, "Compare with"), choice(context, iteration, against, (next) => {
      against = next;
      setParams({ against: next });
      void compare();
    })),
    compared,
    await blameCard(context, iteration),
    await ablationCard(context, iteration, candidate.candidate_id, candidate.index === null ? candidate.candidate_id.slice(0, 12) : candidate.index === 0 ? "baseline" : String(candidate.index)),
    rollouts(context, found.rollouts),
  );
}

/** On how many examples a mean rests that is not over all of them. */
function overFew(scores: (number | null)[] | null): string {
  const known = (scores ?? []).filter((one) => one !== null).length;
  return scores === null || known === scores.length ? "" : ` over ${count(known)} of ${count(scores.length)} examples`;
}

function head(context: Context, { candidate, children, minibatch }: Candidate, rowOf: (index: number) => number): HTMLElement {
  const { run, view } = context;
  const title = candidate.index === null ? `Candidate of iteration ${candidate.iteration}` : `Candidate ${candidate.index}`;
  const links = (iterations: number[]): Child => iterations.slice(0, 30).map((one) => [h("a", { href: href(["run", run, "candidate", one]) }, `iteration ${one}`), " "]);
  const marks = [candidate.index !== null && candidate.index === view.best ? "\u2605 best" : null, candidate.index !== null && view.front.includes(candidate.index) ? "\u25c6 on the front" : null].filter((mark) => mark !== null);
  const call = view.reflections.find((row) => row.iteration === candidate.iteration && row.failure === null);
  return h(
    "section",
    { class: "card" },
    h("h2", {}, title, " ", h("span", { class: "dim" }, marks.join("  "))),
    list([
      ["Status", `${words(candidate.status)}${candidate.close_reason ? ` (${words(candidate.close_reason)})` : ""}`],
      ["Origin", [candidate.origin, candidate.parents.length > 0 ? " of " : "", links(candidate.parents.map(rowOf))]],
      ["Iteration", count(candidate.iteration)],
      ["Gate", candidate.gate === null ? "\u2013" : `parent ${trimmed(candidate.gate.parent_sum)}, child ${trimmed(candidate.gate.child_sum)} on ${candidate.gate.compared} examples`],
      ["Pareto mean", [h("span", { "data-figure": "mean_score" }, score(candidate.mean_score)), overFew(candidate.scores)]],
      ["Held-out mean", h("span", { "data-figure": "validation_score" }, score(candidate.validation_score))],
      ...Object.entries(candidate.objectives).map(([name, value]): [string, Child] => [name, score(value)]),
      ...(minibatch === null ? [] : [["Minibatch", minibatch.join(", ")] as [string, Child]]),
      ...(call === undefined ? [] : [["Reflection", h("a", { href: href(["run", run, "event", call.seq]) }, "prompt and reply")] as [string, Child]]),
      ["Children", children.length === 0 ? "none" : links(children)],
      ["Id", h("code", {}, candidate.candidate_id)],
    ]),
  );
}

/** What a person can do to a member of the archive. */
function buttons(context: Context, { candidate }: Candidate): HTMLElement | null {
  const { source, run, view } = context;
  const isOver = ["succeeded", "failed", "cancelled"].includes(view.run.status);
  if (!source.isLive || isOver || candidate.index === null) return null;
  return h("div", { class: "tools" }, candidate.index > 0 && candidate.status === "accepted" && actButton(context, "Veto", `Veto candidate ${candidate.index}?`, { act: "veto", candidate: candidate.index }), h("a", { class: "button", href: href(["run", run, "steer"], { from: String(candidate.iteration) }) }, "Edit and try"));
}

function choice(context: Context, iteration: number, against: number | null, choose: (next: number | null) => void): HTMLElement {
  const all = context.view.candidates;
  const near = all.iteration.length > 500 ? all.iteration.map((_, row) => row).filter((row) => all.index[row] !== null).slice(0, 500) : all.iteration.map((_, row) => row);
  const options = near
    .filter((row) => all.iteration[row] !== iteration)
    .map((row) => {
      const index = all.index[row];
      const name = index === null ? `iteration ${all.iteration[row]}, ${all.status[row]}` : index === 0 ? "the baseline" : `candidate ${index}`;
      return h("option", { value: String(all.iteration[row]), selected: all.iteration[row] === against }, `${name}, ${score(all.score[row])}`);
    });
  const select = h("select", { id: "against" }, h("option", { value: "" }, "nothing"), options);
  select.addEventListener("change", () => choose(select.value === "" ? null : Number(select.value)));
  return select;
}

/** The texts; where there is another candidate, with removed and added words marked. */
function texts(components: Record<string, string>, other: Record<string, string> | null): HTMLElement {
  const shown = Object.entries(components).map(([name, text]) => {
    const before = other?.[name];
    if (before === undefined) return [h("h3", {}, name), block(text, name)];
    if (before === text) return [h("h3", {}, name, h("span", { class: "dim" }, " unchanged")), block(text, name)];
    const pieces = diffWords(before, text).map((piece) => {
      if (piece.kind === "same") return piece.text;
      return piece.kind === "added" ? h("ins", {}, piece.text) : h("del", {}, piece.text);
    });
    return [h("h3", {}, name), h("pre", { tabindex: 0, role: "region", "aria-label": `${name}, changes` }, pieces)];
  });
  return h("section", { class: "card", id: "texts" }, h("h2", {}, "Texts"), shown);
}

interface Shown {
  pareto: Comparison | null;
  validation: Comparison | null;
}

/** What the two show against each other; a report may not hold it. */
async function comparison({ source, run }: Context, before: number, after: number): Promise<Shown | null> {
  return source.json<Shown>(`runs/${run}/comparisons/${before}/${after}`).catch((error: Error) => {
    if (error instanceof Missing) return null;
    throw error;
  });
}

/** Examples won and lost on both sets. */
function sets(context: Context, other: Candidate, found: Candidate, shown: Shown | null): HTMLElement[] {
  const { view } = context;
  const both: ["validation" | "pareto", string, (string | number)[], (number | null)[] | null, (number | null)[] | null][] = [
    ["validation", "Held-out examples", view.sets.validation, other.candidate.validation_scores, found.candidate.validation_scores],
    ["pareto", "Pareto examples", view.sets.pareto, other.candidate.scores, found.candidate.scores],
  ];
  return both.flatMap(([set, title, examples, before, after]) => {
    const sum = summary(pairs(before, after));
    return sum === null ? [] : [wonAndLost(context, title, examples, before ?? [], after ?? [], shown?.[set] ?? null, [other.rollouts, found.rollouts])];
  });
}

function wonAndLost(
  { run }: Context,
  title: string,
  examples: (string | number)[],
  before: (number | null)[],
  after: (number | null)[],
  found: Comparison | null,
  rollouts: [RolloutRow[], RolloutRow[]],
): HTMLElement {
  const [left, right] = rollouts.map((rows) => new Map(rows.map((row) => [String(row.seed), row]))) as [Map<string, RolloutRow>, Map<string, RolloutRow>];
  const link = (rows: Map<string, RolloutRow>, example: string | number, value: number | null | undefined): Child => {
    const row = rows.get(String(example));
    const text = value === null || value === undefined ? "no score" : score(value);
    return row === undefined ? text : h("a", { href: href(["run", run, "event", row.seq]) }, text);
  };
  const changed = examples
    .map((example, place) => ({ example, before: before[place], after: after[place] }))
    .filter((one) => one.before !== one.after)
    .sort((one, two) => gain(one) - gain(two));
  const lines = changed.slice(0, 400).map((one) => {
    const step = gain(one);
    const word = Number.isNaN(step) ? "no score on one side" : step > 0 ? "won" : "lost";
    return h("tr", { class: word }, h("td", {}, word), h("td", {}, String(one.example)), h("td", { class: "figure" }, link(left, one.example, one.before)), h("td", { class: "figure" }, link(right, one.example, one.after)));
  });
  const answer = (rows: Map<string, RolloutRow>): string => {
    const known = examples.map((example) => rows.get(String(example))).filter((row) => row !== undefined && row.completion_tokens > 0);
    return known.length === 0 ? "not known" : (known.reduce((all, row) => all + (row?.completion_tokens ?? 0), 0) / known.length).toFixed(1);
  };
  return h(
    "section",
    { class: "card" },
    h("h2", {}, title),
    h("p", {}, `${found === null ? "" : sentence(found)} Tokens per answer: ${answer(left)} before, ${answer(right)} after.`),
    h("div", { class: "wide tall", tabindex: 0, role: "group", "aria-label": `${title}, changed` }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Change"), h("th", {}, "Example"), h("th", { class: "figure" }, "Before"), h("th", { class: "figure" }, "After"))), h("tbody", {}, lines))),
  );
}

function gain(one: { before: number | null | undefined; after: number | null | undefined }): number {
  return (one.after ?? NaN) - (one.before ?? NaN);
}

async function blameCard({ source, run }: Context, iteration: number): Promise<HTMLElement | null> {
  const blame = await source.json<Blame>(`runs/${run}/blame/${iteration}`).catch((error: Error) => {
    if (error instanceof Missing) return null;
    throw error;
  });
  if (blame === null) return null;
  const lines = blame.lines.map((line) => {
    const birth = blame.births[String(line.birth)];
    const causes = (birth?.examples ?? []).filter((cause) => line.examples.includes(cause.seed));
    return h(
      "details",
      { class: `blame ${line.birth === 0 ? "seed" : ""}` },
      h("summary", {}, h("span", { class: "birth" }, line.birth === 0 ? "seed" : `it. ${line.birth}`), h("span", { class: "line" }, line.text)),
      h(
        "div",
        { class: "birthbox" },
        birth !== undefined && line.birth > 0 && h("p", {}, `Came in with `, h("a", { href: href(["run", run, "candidate", line.birth]) }, `iteration ${line.birth}`), `, ${birth.origin}.`, birth.gate !== null && ` Gate: parent ${trimmed(birth.gate.parent_sum)}, child ${trimmed(birth.gate.child_sum)} on ${birth.gate.compared} examples.`, birth.mean_score !== null && ` Pareto mean ${score(birth.parent_score)} \u2192 ${score(birth.mean_score)}.`),
        line.replaced !== null && h("p", {}, "Rewrote: ", h("del", {}, line.replaced)),
        h("p", {}, `Kept by ${line.kept} of ${line.kept + line.lost} accepted descendants.`),
        causes.map((cause) => h("div", { class: "cause" }, h("p", {}, cause.seq === null ? `Example ${cause.seed}` : h("a", { href: href(["run", run, "event", cause.seq]) }, `Example ${cause.seed}`), `: parent ${score(cause.score)}, child ${score(cause.child_score)}`), cause.feedback !== null && h("blockquote", {}, cause.feedback))),
      ),
    );
  });
  return h("section", { class: "card", id: "blame" }, h("h2", {}, "Where each line comes from"), lines);
}

function rollouts({ run }: Context, all: RolloutRow[]): HTMLElement {
  const rows = all.slice(0, 500).map((row) =>
    h("tr", {}, h("td", {}, h("a", { href: href(["run", run, "event", row.seq]) }, String(row.seed))), h("td", {}, words(row.stage)), h("td", { class: "figure" }, row.score === null ? row.outcome : score(row.score)), h("td", { class: "figure" }, count(row.tokens)), h("td", { class: "figure" }, count(row.attempts))),
  );
  return h(
    "details",
    { class: "card" },
    h("summary", {}, `Its rollouts (${count(all.length)}${all.length > 500 ? ", the first 500 are listed" : ""})`),
    h("div", { class: "wide" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Example"), h("th", {}, "Stage"), h("th", { class: "figure" }, "Score"), h("th", { class: "figure" }, "Tokens"), h("th", { class: "figure" }, "Attempts"))), h("tbody", {}, rows))),
  );
}
