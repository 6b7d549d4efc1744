// Elements are made here and nowhere else. Texts enter as text nodes only, so nothing that a model,
// a user or an evaluator wrote is read as markup.

export type Child = Node | string | number | null | undefined | false | Child[];
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

const SVG = "http://www.w3.org/2000/svg";
/** Characters that are shown before a text is cut; the rest follows on request. */
const LONGEST = 20_000;

function fill(element: Element, attributes: Attributes, children: Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
}

function append(element: Element, children: Child[]): void {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child instanceof Node) element.appendChild(child);
    else if (child !== null && child !== undefined && child !== false) {
      element.appendChild(document.createTextNode(visible(String(child))));
    }
  }
}

/** An HTML element. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

/** An SVG element. */
export function s(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS(SVG, tag) as SVGElement;
  fill(element, attributes, children);
  return element;
}

/**
 * A text in which nothing is invisible: control characters become their pictures, and characters
 * that reorder or hide text become their code points.
 */
export function visible(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => (c === "\r" ? "" : String.fromCharCode(0x2400 + c.charCodeAt(0))))
    .replace(/[\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff]/g, (c) => {
      return `\u27e8U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
    });
}

/** A long text as it was written, cut until the user asks for the rest. */
export function block(text: string, label: string): HTMLElement {
  const shown = text.length > LONGEST ? text.slice(0, LONGEST) : text;
  const pre = h("pre", { tabindex: 0, role: "region", "aria-label": label }, shown);
  if (shown.length === text.length) return pre;
  const more = h("button", { type: "button" }, `Show the further ${text.length - shown.length} characters`);
  more.addEventListener("click", () => {
    pre.textContent = visible(text);
    more.remove();
  });
  return h("div", {}, pre, more);
}

export function clear(element: Element): void {
  element.replaceChildren();
}
