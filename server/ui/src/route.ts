// The state of the page is its address, so that an address shows somebody else the same.

export interface Route {
  /** `run`, `compare` or nothing for the list of runs, then what it names. */
  parts: string[];
  params: URLSearchParams;
}

export function current(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#/, "").split("?", 2);
  const parts = path.split("/").filter((part) => part !== "").map(decodeURIComponent);
  return { parts, params: new URLSearchParams(query) };
}

export function href(parts: (string | number)[], params: Record<string, string | number | null> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  const path = parts.map((part) => encodeURIComponent(String(part))).join("/");
  return `#/${path}${text === "" ? "" : `?${text}`}`;
}

/** Changes parameters of the address without a step in the browser's history. */
export function setParams(changes: Record<string, string | number | null>): void {
  const { parts, params } = current();
  const all: Record<string, string | number | null> = Object.fromEntries(params);
  history.replaceState(null, "", href(parts, { ...all, ...changes }));
}
