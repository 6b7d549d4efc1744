// The failures of a run, by cause and by example.

import type { Failures } from "../data";
import { h } from "../dom";
import { count, words } from "../format";
import { href } from "../route";
import type { Context } from "./run";

export async function failuresTab({ source, run }: Context): Promise<HTMLElement> {
  const found = await source.json<Failures>(`runs/${run}/failures`);
  if (found.total === 0) {
    return h("section", { class: "card" }, h("h2", {}, "Failures"), h("p", {}, `None of ${count(found.rollouts)} rollouts failed.`));
  }
  const most = found.examples.slice(0, 3).reduce((sum, [, failed]) => sum + failed, 0);
  const share = Math.round((100 * most) / found.total);
  const groups = found.groups.map((group) =>
    h(
      "tr",
      {},
      h("td", {}, h("span", { class: `kind ${group.kind}` }, group.kind)),
      h("td", { class: "figure" }, count(group.count)),
      h("td", { class: "message" }, group.message),
      h("td", {}, Object.entries(group.stages).map(([stage, failed]) => `${words(stage)} ${failed} `)),
      h("td", { class: "figure" }, count(group.distinct_examples)),
      h("td", {}, group.seqs.slice(0, 5).map((seq) => [h("a", { href: href(["run", run, "event", seq]) }, String(seq)), " "])),
    ),
  );
  const examples = found.examples.map(([example, failed]) => h("tr", {}, h("td", {}, String(example)), h("td", { class: "figure" }, count(failed))));
  return h(
    "div",
    { class: "stack" },
    h(
      "section",
      { class: "card" },
      h("h2", {}, "Failures"),
      h("p", {}, `${count(found.total)} of ${count(found.rollouts)} rollouts failed, on ${count(found.distinct_examples)} examples. The ${Math.min(3, found.examples.length)} examples with the most failures have ${share} % of them.`),
      h("div", { class: "wide" }, h("table", { id: "failures" }, h("thead", {}, h("tr", {}, ["Kind", "Rollouts", "Message", "Stages", "Examples", "Rollouts, by event"].map((name) => h("th", {}, name)))), h("tbody", {}, groups))),
    ),
    h("section", { class: "card" }, h("h2", {}, "By example"), h("div", { class: "wide" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Example"), h("th", { class: "figure" }, "Failures"))), h("tbody", {}, examples)))),
  );
}
