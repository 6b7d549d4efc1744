// A picture of a matrix: only the part in view is drawn, pixel by pixel.

import type { Matrix } from "../data";
import { h } from "../dom";

interface Options {
  label: string;
  tell: (column: number, row: number) => void;
  open: (column: number, row: number) => void;
}

/** From low to high; told apart with any colour vision and in grey (after the map `cividis`). */
const RAMP = [
  [0, 34, 78],
  [53, 69, 108],
  [102, 105, 112],
  [148, 142, 119],
  [200, 184, 102],
  [254, 232, 56],
];
const FAILED: Record<string, [number, number, number]> = {
  transient: [213, 94, 0],
  permanent: [204, 51, 17],
  timeout: [238, 119, 51],
  refused: [170, 68, 153],
  failed: [204, 51, 17],
};
const TALLEST = 560;
/** Pixels of a cell’s side. */
const SMALLEST = 4;
const LARGEST = 24;

export class Grid {
  readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly scroller: HTMLElement;
  private readonly size: HTMLElement;
  private columns: number[] = [];
  private rows: number[] = [];
  private wide = 8;
  private tall = 8;
  private low = 0;
  private high = 1;
  private cursor: [number, number] | null = null;

  constructor(
    private readonly matrix: Matrix,
    private readonly options: Options,
  ) {
    this.canvas = h("canvas", {});
    this.size = h("div", { class: "gridsize" });
    this.scroller = h("div", { class: "grid", tabindex: 0, role: "img", "aria-label": options.label }, this.canvas, this.size);
    this.element = this.scroller;
    this.range();
    this.scroller.addEventListener("scroll", () => this.draw());
    this.scroller.addEventListener("mousemove", (event) => this.point(event));
    this.scroller.addEventListener("click", (event) => {
      this.point(event);
      this.enter();
    });
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fit()).observe(this.scroller);
  }

  show(columns: number[], rows: number[]): void {
    this.columns = columns;
    this.rows = rows;
    this.cursor = null;
    this.fit();
  }

  legend(): [HTMLElement, string][] {
    const swatch = (paint: (pixels: Uint8ClampedArray, at: number, x: number, y: number) => void): HTMLElement => {
      const canvas = h("canvas", { width: 14, height: 14, "aria-hidden": "true" });
      const pen = canvas.getContext("2d");
      if (pen !== null) {
        const image = pen.createImageData(14, 14);
        for (let y = 0; y < 14; y++) for (let x = 0; x < 14; x++) paint(image.data, (y * 14 + x) * 4, x, y);
        pen.putImageData(image, 0, 0);
      }
      return canvas;
    };
    const flat = (rgb: readonly number[]) => swatch((pixels, at) => set(pixels, at, rgb));
    const parts: [HTMLElement, string][] = [
      [flat(RAMP[0] as number[]), this.low.toFixed(2)],
      [flat(ramp(0.5)), ((this.low + this.high) / 2).toFixed(2)],
      [flat(RAMP[RAMP.length - 1] as number[]), this.high.toFixed(2)],
      [swatch((pixels, at, x, y) => set(pixels, at, missing(x, y))), "not scored"],
    ];
    const seen = new Set(this.matrix.state);
    this.matrix.states.forEach((name, state) => {
      const rgb = FAILED[name];
      if (rgb !== undefined && seen.has(state)) parts.push([swatch((pixels, at, x, y) => set(pixels, at, crossed(rgb, x, y, 14))), name]);
    });
    return parts;
  }

  private range(): void {
    let [low, high] = [Infinity, -Infinity];
    const { scores, state } = this.matrix;
    for (let cell = 0; cell < scores.length; cell++) {
      if (state[cell] !== 1) continue;
      const value = scores[cell] as number;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    this.low = low === Infinity ? 0 : Math.min(low, 0);
    this.high = high === -Infinity ? 1 : Math.max(high, 1);
    if (high > 1) this.low = low;
  }

  /** Cells as large as the room allows, within bounds in which they can be seen and pointed at. */
  private fit(): void {
    const width = this.scroller.clientWidth;
    if (width === 0 || this.columns.length === 0) {
      this.draw();
      return;
    }
    const bounded = (size: number): number => Math.max(SMALLEST, Math.min(LARGEST, Math.floor(size)));
    this.wide = bounded(width / this.columns.length);
    this.tall = bounded(TALLEST / Math.max(1, this.rows.length));
    this.size.style.width = `${this.columns.length * this.wide}px`;
    this.size.style.height = `${this.rows.length * this.tall}px`;
    this.scroller.style.height = `${Math.min(TALLEST, this.rows.length * this.tall) + 16}px`;
    this.draw();
  }

  private draw(): void {
    const { scroller, canvas, wide, tall, matrix } = this;
    const width = Math.max(1, Math.min(scroller.clientWidth, this.columns.length * wide));
    const height = Math.max(1, Math.min(scroller.clientHeight, this.rows.length * tall));
    canvas.width = width;
    canvas.height = height;
    const pen = canvas.getContext("2d");
    if (pen === null || this.columns.length === 0) return;
    const image = pen.createImageData(width, height);
    const pixels = image.data;
    const [left, top] = [scroller.scrollLeft, scroller.scrollTop];
    const examples = matrix.examples.length;
    for (let y = 0; y < height; y++) {
      const row = this.rows[Math.floor((y + top) / tall)];
      if (row === undefined) continue;
      const inY = (y + top) % tall;
      for (let x = 0; x < width; x++) {
        const column = this.columns[Math.floor((x + left) / wide)];
        if (column === undefined) continue;
        const inX = (x + left) % wide;
        const at = (y * width + x) * 4;
        const place = column * examples + row;
        const state = matrix.state[place] as number;
        if ((wide > 5 && inX === wide - 1) || (tall > 5 && inY === tall - 1)) continue;
        if (state === 1) {
          const share = ((matrix.scores[place] as number) - this.low) / (this.high - this.low || 1);
          paint(pixels, at, share);
        } else if (state === 0) set(pixels, at, missing(x + Math.round(left), y + Math.round(top)));
        else set(pixels, at, crossed(FAILED[matrix.states[state] ?? "failed"] ?? FAILED["failed"]!, inX, inY, Math.min(wide, tall)));
      }
    }
    pen.putImageData(image, 0, 0);
    if (this.cursor !== null) {
      pen.strokeStyle = "#0af";
      pen.lineWidth = 2;
      pen.strokeRect(this.cursor[0] * wide - left, this.cursor[1] * tall - top, wide, tall);
    }
  }

  private point(event: MouseEvent): void {
    const box = this.scroller.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left + this.scroller.scrollLeft) / this.wide);
    const row = Math.floor((event.clientY - box.top + this.scroller.scrollTop) / this.tall);
    this.move(column, row);
  }

  private move(column: number, row: number): void {
    if (column < 0 || row < 0 || column >= this.columns.length || row >= this.rows.length) return;
    this.cursor = [column, row];
    this.options.tell(this.columns[column] as number, this.rows[row] as number);
    this.draw();
  }

  private enter(): void {
    if (this.cursor === null) return;
    this.options.open(this.columns[this.cursor[0]] as number, this.rows[this.cursor[1]] as number);
  }

  private key(event: KeyboardEvent): void {
    const steps: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (step !== undefined) {
      const [column, row] = this.cursor ?? [-step[0], -step[1]];
      const next: [number, number] = [Math.max(0, column + step[0]), Math.max(0, row + step[1])];
      this.move(Math.min(next[0], this.columns.length - 1), Math.min(next[1], this.rows.length - 1));
      this.reveal();
    } else if (event.key === "Enter") this.enter();
    else return;
    event.preventDefault();
  }

  private reveal(): void {
    if (this.cursor === null) return;
    const [x, y] = [this.cursor[0] * this.wide, this.cursor[1] * this.tall];
    const { scroller } = this;
    scroller.scrollLeft = Math.min(x, Math.max(scroller.scrollLeft, x + this.wide - scroller.clientWidth));
    scroller.scrollTop = Math.min(y, Math.max(scroller.scrollTop, y + this.tall - scroller.clientHeight));
  }
}

function set(pixels: Uint8ClampedArray, at: number, rgb: readonly number[]): void {
  pixels[at] = rgb[0] as number;
  pixels[at + 1] = rgb[1] as number;
  pixels[at + 2] = rgb[2] as number;
  pixels[at + 3] = 255;
}

const SHADES = 64;
const shades = new Uint8Array((SHADES + 1) * 3);
for (let shade = 0; shade <= SHADES; shade++) shades.set(ramp(shade / SHADES), shade * 3);

function paint(pixels: Uint8ClampedArray, at: number, share: number): void {
  const from = Math.round(Math.max(0, Math.min(1, share)) * SHADES) * 3;
  pixels[at] = shades[from] as number;
  pixels[at + 1] = shades[from + 1] as number;
  pixels[at + 2] = shades[from + 2] as number;
  pixels[at + 3] = 255;
}

function ramp(share: number): number[] {
  const at = share * (RAMP.length - 1);
  const left = RAMP[Math.floor(at)] as number[];
  const right = RAMP[Math.min(RAMP.length - 1, Math.floor(at) + 1)] as number[];
  return left.map((value, channel) => Math.round(value + ((right[channel] as number) - value) * (at - Math.floor(at))));
}

/** Hatched, so that it is not taken for any score. */
function missing(x: number, y: number): number[] {
  return (x + y) % 5 === 0 ? [120, 120, 120] : [236, 236, 236];
}

/** A failure has a stroke through its colour. */
function crossed(rgb: readonly number[], x: number, y: number, cell: number): readonly number[] {
  return cell > 5 && Math.abs(x - y) < 1.5 ? [255, 255, 255] : rgb;
}
