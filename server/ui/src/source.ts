// Where resources come from: a server, or the data inside a report.

import type { Matrix, ReflectionRow, View } from "./data";

export interface Source {
  /** Whether runs can change while they are shown. */
  readonly isLive: boolean;
  json<T>(path: string): Promise<T>;
  bytes(path: string): Promise<ArrayBuffer>;
  /** Whether the server runs jobs, so that a new run can begin from another one. */
  canBranch: boolean;
  post(path: string): Promise<void>;
  send<T>(path: string, body: unknown): Promise<T>;
  remove<T>(path: string): Promise<T>;
  /** The run of a report. */
  readonly only: string | null;
  /** The runs of a report on several. */
  readonly several: string[];
}

/** The server asks for a key, or refused the one it was given. */
export class KeyNeeded extends Error {
  constructor() {
    super("The server needs a key. Load this page again to type it.");
  }
}

/** The resource is not there. */
export class Missing extends Error {}

const KEY = "gepa-key";

export function setKey(key: string): void {
  sessionStorage.setItem(KEY, key);
}

class Server implements Source {
  readonly isLive = true;
  readonly only = null;
  readonly several = [];
  canBranch = false;

  async json<T>(path: string): Promise<T> {
    return (await this.request(path)).json() as Promise<T>;
  }

  async bytes(path: string): Promise<ArrayBuffer> {
    return (await this.request(path)).arrayBuffer();
  }

  async post(path: string): Promise<void> {
    await this.request(path, "POST");
  }

  async send<T>(path: string, body: unknown): Promise<T> {
    return (await this.request(path, "POST", JSON.stringify(body))).json() as Promise<T>;
  }

  async remove<T>(path: string): Promise<T> {
    return (await this.request(path, "DELETE")).json() as Promise<T>;
  }

  private async request(path: string, method = "GET", body?: string): Promise<Response> {
    const key = sessionStorage.getItem(KEY);
    const headers: Record<string, string> = key === null ? {} : { Authorization: `Bearer ${key}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(`api/${path}`, { method, headers, cache: "no-store", ...(body === undefined ? {} : { body }) });
    if (answer.status === 401) throw new KeyNeeded();
    if (answer.ok) return answer;
    const told = (await answer.json().catch(() => null)) as { error?: string } | null;
    const message = told?.error ?? `the server answered ${answer.status}`;
    throw answer.status === 404 ? new Missing(message) : new Error(message);
  }
}

class Report implements Source {
  readonly isLive = false;
  readonly canBranch = false;

  constructor(
    private readonly bodies: Map<string, ArrayBuffer>,
    readonly only: string | null,
    readonly several: string[],
  ) {}

  async json<T>(path: string): Promise<T> {
    return JSON.parse(new TextDecoder().decode(await this.bytes(path))) as T;
  }

  async bytes(path: string): Promise<ArrayBuffer> {
    const body = this.bodies.get(path);
    if (body === undefined) throw new Missing("This report does not hold this page. `gepa open` shows it.");
    return body;
  }

  async post(): Promise<void> {
    throw new Error("a report cannot steer a run");
  }

  async send<T>(): Promise<T> {
    throw new Error("a report cannot steer a run");
  }

  async remove<T>(): Promise<T> {
    throw new Error("a report cannot delete a run");
  }
}

/** The data of the report, if this page is one; otherwise the server it came from. */
export async function findSource(): Promise<Source> {
  const element = document.getElementById("data");
  if (element === null) return new Server();
  const packed = Uint8Array.from(atob(element.textContent ?? ""), (c) => c.charCodeAt(0));
  element.remove();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(stream).arrayBuffer();
  const length = new DataView(data).getUint32(0, true);
  const text = new TextDecoder().decode(new Uint8Array(data, 4, length));
  const bodies = new Map<string, ArrayBuffer>();
  let at = 4 + length;
  const runs: string[] = [];
  for (const [path, , size] of JSON.parse(text) as [string, string, number][]) {
    bodies.set(path, data.slice(at, at + size));
    at += size;
    if (path.endsWith("/view")) runs.push(path.split("/")[1] ?? "");
  }
  return runs.length === 1 ? new Report(bodies, runs[0] ?? null, []) : new Report(bodies, null, runs);
}

/** A run's view. Its reflections come by column, since ten thousand objects would repeat every name. */
export async function readView(source: Source, run: string): Promise<View> {
  type Columns = { [K in keyof ReflectionRow]: ReflectionRow[K][] };
  const { reflections, ...rest } = await source.json<Omit<View, "reflections"> & { reflections: Columns }>(`runs/${run}/view`);
  const names = Object.keys(reflections) as (keyof ReflectionRow)[];
  const rows = reflections.seq.map((_, row) => Object.fromEntries(names.map((name) => [name, reflections[name][row]])) as unknown as ReflectionRow);
  return { ...rest, reflections: rows };
}

export async function readMatrix(source: Source, run: string, set: string): Promise<Matrix> {
  const data = await source.bytes(`runs/${run}/matrix/${set}`);
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length))) as Pick<
    Matrix,
    "examples" | "iterations" | "states"
  >;
  const cells = header.examples.length * header.iterations.length;
  const first = 4 + length;
  return {
    ...header,
    scores: new Float32Array(data, first, cells),
    seqs: new Uint32Array(data, first + 4 * cells, cells),
    state: new Uint8Array(data, first + 8 * cells, cells),
  };
}
