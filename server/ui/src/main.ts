// Starts the page: finds its data, follows its address, asks for a key where one is needed.

import { clear, h } from "./dom";
import { comparePage } from "./pages/compare";
import { runPage } from "./pages/run";
import { runsPage } from "./pages/runs";
import { current, href } from "./route";
import { KeyNeeded, Missing, findSource, setKey, type Source } from "./source";

/** What a page returns: its elements, and what to end when it is left. */
export interface Page {
  /** Promised where the page is shown before its name is known. */
  title: string | Promise<string>;
  body: HTMLElement;
  leave?: () => void;
}

let leave: (() => void) | undefined;
let turn = 0;

async function show(app: HTMLElement, source: Source): Promise<void> {
  const mine = ++turn;
  takeToken();
  let page: Page;
  try {
    page = await find(source);
  } catch (error) {
    page = error instanceof KeyNeeded ? keyPage(() => void show(app, source)) : failurePage(error);
  }
  if (mine !== turn) {
    page.leave?.();
    return;
  }
  leave?.();
  leave = page.leave;
  clear(app);
  const crumb = h("span", { class: "crumb" });
  name(page.title, (title) => {
    if (mine !== turn) return;
    crumb.textContent = title;
    document.title = `${title} \u00b7 gepa`;
  });
  app.append(
    h("a", { class: "skip", href: "#main", onclick: toMain }, "Skip to the content"),
    h("header", { class: "top" }, h("a", { class: "brand", href: source.only === null ? "#/" : href(["run", source.only]) }, "gepa"), crumb),
    h("main", { id: "main", tabindex: -1 }, page.body),
  );
}

/** Tells the name of a page when it is known. A page that could not be read says so itself. */
function name(title: string | Promise<string>, tell: (title: string) => void): void {
  if (typeof title === "string") tell(title);
  else title.then(tell, () => tell("Not shown"));
}

function toMain(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function find(source: Source): Promise<Page> {
  const { parts, params } = current();
  const [kind, run, ...rest] = parts;
  if (source.only !== null) return runPage(source, source.only, rest, params);
  if (kind === "run" && run !== undefined) return runPage(source, run, rest, params);
  if (kind === "compare" || source.several.length > 0) return comparePage(source, params);
  return runsPage(source, params);
}

/** The token is kept for this tab and leaves the address. */
function takeToken(): void {
  const { parts, params } = current();
  const token = params.get("token");
  if (token === null) return;
  setKey(token);
  params.delete("token");
  history.replaceState(null, "", href(parts, Object.fromEntries(params)));
}

function keyPage(again: () => void): Page {
  const field = h("input", { type: "password", id: "key", autocomplete: "off", required: true });
  const form = h(
    "form",
    { class: "card narrow" },
    h("h1", {}, "This server needs a key"),
    h("p", {}, "Type the server\u2019s GEPA_API_KEY. It is kept until this tab is closed."),
    h("label", { for: "key" }, "Key"),
    field,
    h("button", { type: "submit" }, "Show the runs"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setKey(field.value);
    again();
  });
  return { title: "Key", body: form };
}

function failurePage(error: unknown): Page {
  const message = error instanceof Error ? error.message : String(error);
  const title = error instanceof Missing ? "Not here" : "Not shown";
  return {
    title,
    body: h("div", { class: "card narrow", role: "alert" }, h("h1", {}, title), h("p", {}, message), h("p", {}, h("a", { href: "#/" }, "Back to the first page"))),
  };
}

async function begin(): Promise<void> {
  const app = document.getElementById("app");
  if (app === null) return;
  const source = await findSource();
  addEventListener("hashchange", () => void show(app, source));
  await show(app, source);
}

void begin();
