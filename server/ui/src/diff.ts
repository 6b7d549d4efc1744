// The difference between two texts, word by word.

export interface Piece {
  kind: "same" | "removed" | "added";
  text: string;
}

/** Steps after which two texts count as different altogether, which bounds the work. */
const MOST_EDITS = 2_000;

export function diffWords(before: string, after: string): Piece[] {
  const left = split(before);
  const right = split(after);
  let first = 0;
  while (first < left.length && first < right.length && left[first] === right[first]) first++;
  let last = 0;
  while (
    last < left.length - first &&
    last < right.length - first &&
    left[left.length - 1 - last] === right[right.length - 1 - last]
  ) {
    last++;
  }
  const pieces: Piece[] = [];
  push(pieces, "same", left.slice(0, first).join(""));
  const middle = myers(left.slice(first, left.length - last), right.slice(first, right.length - last));
  for (const piece of middle) push(pieces, piece.kind, piece.text);
  push(pieces, "same", left.slice(left.length - last).join(""));
  return pieces;
}

function split(text: string): string[] {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
}

function push(pieces: Piece[], kind: Piece["kind"], text: string): void {
  if (text === "") return;
  const last = pieces[pieces.length - 1];
  if (last?.kind === kind) last.text += text;
  else pieces.push({ kind, text });
}

/** The shortest edit script (Myers 1986). */
function myers(left: string[], right: string[]): Piece[] {
  const most = Math.min(left.length + right.length, MOST_EDITS);
  const width = 2 * most + 1;
  let ends = new Int32Array(width + 2);
  const trace: Int32Array[] = [];
  for (let edits = 0; edits <= most; edits++) {
    trace.push(ends.slice());
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && at(ends, k - 1, most) < at(ends, k + 1, most));
      let x = down ? at(ends, k + 1, most) : at(ends, k - 1, most) + 1;
      let y = x - k;
      while (x < left.length && y < right.length && left[x] === right[y]) {
        x++;
        y++;
      }
      ends[k + most + 1] = x;
      if (x >= left.length && y >= right.length) return walk(trace, left, right, edits, most);
    }
  }
  return [
    { kind: "removed", text: left.join("") },
    { kind: "added", text: right.join("") },
  ];
}

function at(ends: Int32Array, k: number, most: number): number {
  return ends[k + most + 1] ?? 0;
}

function walk(trace: Int32Array[], left: string[], right: string[], edits: number, most: number): Piece[] {
  const reversed: Piece[] = [];
  let x = left.length;
  let y = right.length;
  for (let d = edits; d >= 0; d--) {
    const ends = trace[d] as Int32Array;
    const k = x - y;
    const down = k === -d || (k !== d && at(ends, k - 1, most) < at(ends, k + 1, most));
    const previous = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : at(ends, previous, most);
    const fromY = fromX - previous;
    while (x > (d === 0 ? 0 : down ? fromX : fromX + 1) && y > 0 && left[x - 1] === right[y - 1]) {
      reversed.push({ kind: "same", text: left[--x] as string });
      y--;
    }
    if (d === 0) break;
    if (down) reversed.push({ kind: "added", text: right[--y] as string });
    else reversed.push({ kind: "removed", text: left[--x] as string });
    x = fromX;
    y = fromY;
  }
  const pieces: Piece[] = [];
  for (const piece of reversed.reverse()) push(pieces, piece.kind, piece.text);
  return pieces;
}
