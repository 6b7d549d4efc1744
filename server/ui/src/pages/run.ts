// One run: its head, its tabs, and what follows it while it goes on.

import type { View } from "../data";
import { h } from "../dom";
import { duration } from "../format";
import type { Page } from "../main";
import { href } from "../route";
import { readView, type Source } from "../source";
import { candidatePage } from "./candidate";
import { candidatesTab } from "./candidates";
import { configTab } from "./config";
import { eventPage } from "./event";
import { examplesTab } from "./examples";
import { failuresTab } from "./failures";
import { tagList } from "./labels";
import { lineageTab } from "./lineage";
import { overviewTab } from "./overview";
import { reflectionsTab } from "./reflections";
import { slotsTab } from "./slots";
import { act, steerTab } from "./steer";

/** What every part of a run's page can use. */
export interface Context {
  source: Source;
  run: string;
  view: View;
  params: URLSearchParams;
}

type Tab = (context: Context) => Promise<HTMLElement> | HTMLElement;

const TABS: [name: string, title: string, tab: Tab][] = [
  ["", "Overview", overviewTab],
  ["candidates", "Candidates", candidatesTab],
  ["lineage", "Lineage", lineageTab],
  ["examples", "Examples", examplesTab],
  ["reflections", "Reflections", reflectionsTab],
  ["failures", "Failures", failuresTab],
  ["slots", "Slots", slotsTab],
  ["steer", "Steer", steerTab],
  ["config", "Configuration", configTab],
];

/** Least time between two readings of a run that goes on. */
const REST = 1_500;

/** Milliseconds that a page waits for what it reads before it is shown without it. */
const PATIENCE = 200;

let about: { runs_jobs: boolean } | undefined;

export async function runPage(source: Source, run: string, rest: string[], params: URLSearchParams): Promise<Page> {
  const [name = "", argument] = rest;
  const headed = h("div", {}, h("div", { class: "runhead" }, h("h1", {}, run)));
  const content = h("div", { class: "content" });
  const tabs = TABS.map(([tab, title]) => {
    const isHere = tab === name || (tab === "candidates" && name === "candidate");
    return h("a", { href: href(["run", run, ...(tab === "" ? [] : [tab])]), "aria-current": isHere ? "page" : null }, title);
  });
  const body = h("div", {}, headed, h("nav", { class: "tabs", "aria-label": "Views of the run" }, tabs), content);
  let isLeft = false;
  let unfollow: (() => void) | undefined;
  const opened = open(source, run, params).then((context) => {
    headed.replaceChildren(head(context));
    content.addEventListener("labelled", () => headed.replaceChildren(head(context)));
    if (isLeft) return context;
    unfollow = follow(context, async () => {
      headed.replaceChildren(head(context));
      // A page with a detail or with forms stays as it is; lists and charts show what is new.
      if (argument === undefined && name !== "steer") content.replaceChildren(await inside(context, name, argument));
    });
    return context;
  });
  await fill(content, opened.then((context) => inside(context, name, argument)));
  const leave = (): void => {
    isLeft = true;
    unfollow?.();
  };
  return { title: opened.then(({ view }) => view.run.name), body, leave };
}

async function open(source: Source, run: string, params: URLSearchParams): Promise<Context> {
  const [view, found] = await Promise.all([readView(source, run), about ?? whatServerDoes(source)]);
  about = found;
  source.canBranch = source.isLive && found.runs_jobs;
  return { source, run, view, params };
}

async function whatServerDoes(source: Source): Promise<{ runs_jobs: boolean }> {
  return source.isLive ? source.json("dashboard") : { runs_jobs: false };
}

/** Shows what takes longer to read as soon as it is there; the tabs do not wait for it. */
async function fill(content: HTMLElement, reading: Promise<HTMLElement>): Promise<void> {
  const isThere = await Promise.race([reading.then(() => true), new Promise((done) => setTimeout(done, PATIENCE))]);
  if (isThere === true) {
    content.append(await reading);
    return;
  }
  const place = h("p", { class: "card dim", role: "status", "data-reading": true }, "Reading.");
  content.append(place);
  reading.then(
    (element) => place.replaceWith(element),
    (error: Error) => place.replaceWith(h("div", { class: "card narrow", role: "alert" }, h("h2", {}, "Not shown"), h("p", {}, error.message))),
  );
}

async function inside(context: Context, name: string, argument: string | undefined): Promise<HTMLElement> {
  if (name === "candidate" && argument !== undefined) return candidatePage(context, Number(argument));
  if (name === "event" && argument !== undefined) return eventPage(context, Number(argument));
  const tab = TABS.find(([tab]) => tab === name) ?? TABS[0];
  return (tab as [string, string, Tab])[2](context);
}

function head(context: Context): HTMLElement {
  const { run, origin } = context.view;
  const ended = run.interruption ?? run.stop_detail;
  return h(
    "div",
    { class: "runhead" },
    h("h1", {}, run.name),
    h("span", { class: `status ${run.status}` }, run.status),
    h("code", {}, run.run_id),
    h("span", { class: "dim" }, run.policy, " \u00b7 ", duration(run.total_time_seconds)),
    tagList(run.tags),
    run.archived_at !== null && h("span", { class: "dim" }, "archived"),
    ended !== null && h("span", { class: "dim" }, ended),
    run.state === "killed" && h("span", { class: "warn" }, `No process works on it: ${run.way_on}`),
    origin !== null && h("span", { class: "dim" }, `branch of ${origin.run} after iteration ${origin.iteration}`),
    steering(context),
    run.note !== "" && h("p", { class: "note" }, run.note),
  );
}

/** Buttons for what is needed at once; the tab has the rest. */
function steering({ source, run: id, view: { run } }: Context): HTMLElement | null {
  if (!source.isLive || ["succeeded", "failed", "cancelled"].includes(run.status)) return null;
  const told = h("span", { role: "status", class: "warn" });
  const button = (title: string, question: string | null, does: () => Promise<void>): HTMLElement =>
    h("button", {
      type: "button",
      onclick: () => {
        if (question === null || confirm(question)) does().catch((error: Error) => (told.textContent = error.message));
      },
    }, title);
  const cancel = (): Promise<void> => source.post(`prompt-learning/online/jobs/${id}/cancel`);
  return h(
    "span",
    { class: "steer" },
    run.status === "paused" ? button("Resume", null, () => act(source, id, told, { act: "resume" })) : button("Pause", null, () => act(source, id, told, { act: "pause" })),
    about?.runs_jobs === true && button("Stop", "Stop this run for good? It cannot be resumed.", cancel),
    told,
  );
}

/** Reads the run again when it has new events, until the page is left. */
function follow(context: Context, update: () => Promise<void>): () => void {
  const { source, run } = context;
  let isLeft = false;
  const rest = (time: number): Promise<void> => new Promise((done) => setTimeout(done, time));
  async function watch(): Promise<void> {
    while (!isLeft && source.isLive && !["succeeded", "failed", "cancelled"].includes(context.view.run.status)) {
      try {
        const { seq } = await source.json<{ seq: number }>(`runs/${run}/changes?after=${context.view.run.seq}`);
        if (isLeft) return;
        if (seq > context.view.run.seq) {
          context.view = await readView(source, run);
          if (!isLeft) await update();
        }
        await rest(REST);
      } catch {
        // The server may be gone for a moment; what is shown stays.
        await rest(4 * REST);
      }
    }
  }
  void watch();
  return () => (isLeft = true);
}
