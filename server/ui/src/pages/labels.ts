// What people wrote beside a run: name, tags, note, archive. And its end: deletion.

import { h } from "../dom";
import type { Source } from "../source";
import type { Context } from "./run";

export interface Labels {
  tags: string[];
  note: string;
  archived_at: number | null;
}

export interface LabelChange {
  name?: string;
  add_tags?: string[];
  remove_tags?: string[];
  note?: string;
  archived?: boolean;
}

export const setLabels = (source: Source, run: string, change: LabelChange): Promise<Labels> => source.send<Labels>(`runs/${run}/labels`, change);

export const tagList = (tags: string[]): HTMLElement[] => tags.map((tag) => h("span", { class: "tag" }, `#${tag}`));

const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== "");

const bytes = (count: number): string => (count < 1024 ? `${count} bytes` : count < 1 << 20 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / (1 << 20)).toFixed(1)} MiB`);

/** A form with what people wrote; `update` shows the run again. */
export function labelsForm({ source, run: id, view: { run } }: Context): HTMLElement {
  const told = h("p", { role: "status", class: "dim" });
  const name = h("input", { id: "label-name", autocomplete: "off", maxlength: 200, value: run.name });
  const tags = h("input", { id: "label-tags", autocomplete: "off", value: run.tags.join(" ") });
  const note = h("textarea", { id: "label-note", rows: 3, maxlength: 10_000 }, run.note);
  const archived = h("input", { id: "label-archived", type: "checkbox", checked: run.archived_at !== null });
  const line = (title: string, input: HTMLElement): HTMLElement => h("div", { class: "tools" }, h("label", { for: input.id }, title), input);
  const remove = h("button", { type: "button", id: "delete-run" }, "Delete the run");
  const made = h(
    "form",
    { class: "card", id: "labels-form" },
    h("h2", {}, "Name, tags, note"),
    h("p", { class: "dim" }, "They stand beside the journal. Nothing that the run does depends on them."),
    line("Name", name),
    line("Tags", tags),
    line("Note", note),
    line("Archived: lists leave it out", archived),
    h("div", { class: "tools" }, h("button", { type: "submit" }, "Save"), remove),
    told,
  );
  const failed = (error: Error): string => (told.textContent = error.message);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = words(tags.value);
    const change: LabelChange = {
      add_tags: wanted.filter((tag) => !run.tags.includes(tag)),
      remove_tags: run.tags.filter((tag) => !wanted.includes(tag)),
      note: note.value,
      archived: archived.checked,
      ...(name.value === run.name ? {} : { name: name.value }),
    };
    setLabels(source, id, change).then((labels) => {
      run.name = name.value;
      run.tags = labels.tags;
      run.note = labels.note;
      run.archived_at = labels.archived_at === null ? null : new Date(labels.archived_at / 1000).toISOString();
      tags.value = labels.tags.join(" ");
      told.textContent = "Saved.";
      made.dispatchEvent(new CustomEvent("labelled", { bubbles: true }));
    }, failed);
  });
  remove.addEventListener("click", () => {
    if (!confirm(`Delete ${run.name} (${id}) with its journal for good?`)) return;
    source.remove<{ freed_bytes: number }>(`runs/${id}`).then(({ freed_bytes }) => {
      told.textContent = `Deleted. ${bytes(freed_bytes)} are free in the store.`;
      for (const control of made.querySelectorAll("button, input, textarea")) control.setAttribute("disabled", "");
    }, failed);
  });
  return made;
}
