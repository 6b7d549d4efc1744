// The configuration that a run was started with.

import { block, h } from "../dom";
import type { Context } from "./run";

export function configTab({ view }: Context): HTMLElement {
  return h(
    "div",
    { class: "stack" },
    h("section", { class: "card" }, h("h2", {}, "Configuration"), block(JSON.stringify(view.config, null, 2), "Configuration")),
    h("section", { class: "card" }, h("h2", {}, "All figures"), h("dl", { class: "figures" }, Object.entries(view.stats).filter(([, value]) => typeof value !== "object" || value === null).map(([name, value]) => [h("dt", {}, name), h("dd", { "data-stat": name }, JSON.stringify(value))]))),
  );
}
