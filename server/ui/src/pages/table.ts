// A table that draws only the rows in view, so that ten thousand rows cost as much as fifty.

import { h, type Child } from "../dom";

export interface Column {
  name: string;
  title: string;
  /** Whether the values are figures. */
  isFigure: boolean;
  /** What rows are sorted by; `undefined` comes last in either direction. */
  key: (row: number) => number | string | null | undefined;
  cell: (row: number) => Child;
}

export interface TableOptions {
  label: string;
  columns: Column[];
  rows: number[];
  sort: string;
  isDescending: boolean;
  onSort: (name: string, isDescending: boolean) => void;
  onOpen?: (row: number) => void;
  rowClass?: (row: number) => string;
}

const ROW = 30;
const BEYOND = 8;

export interface Table {
  element: HTMLElement;
  show: (rows: number[]) => void;
}

export function table(options: TableOptions): Table {
  let { sort, isDescending } = options;
  let rows: number[] = [];
  let given: number[] = [];
  let cursor = -1;
  const body = h("div", { class: "vbody", role: "rowgroup" });
  const head = h("div", { class: "vhead", role: "rowgroup" });
  const grid = h("div", { class: "vtable", role: "table", "aria-label": options.label }, head, body);
  const scroller = h("div", { class: "vscroll", tabindex: 0, role: "group", "aria-label": `${options.label}; j and k move, Enter opens` }, grid);
  const template = options.columns.map((column) => (column.isFigure ? "minmax(4.6rem,1fr)" : "minmax(7rem,1.6fr)")).join(" ");
  grid.style.setProperty("--columns", template);

  function drawHead(): void {
    const cells = options.columns.map((column) => {
      const isSorted = column.name === sort;
      const button = h("button", { type: "button", class: "sort" }, column.title, isSorted ? (isDescending ? " \u25be" : " \u25b4") : "");
      button.addEventListener("click", () => {
        isDescending = isSorted ? !isDescending : column.isFigure;
        sort = column.name;
        options.onSort(sort, isDescending);
        drawHead();
        show(given);
      });
      const order = isSorted ? (isDescending ? "descending" : "ascending") : "none";
      return h("div", { role: "columnheader", "aria-sort": order, class: column.isFigure ? "figure" : "" }, button);
    });
    head.replaceChildren(h("div", { role: "row", class: "vrow" }, cells));
  }

  function show(next: number[]): void {
    given = next;
    rows = sorted(next, options.columns.find((column) => column.name === sort), isDescending);
    grid.setAttribute("aria-rowcount", String(rows.length + 1));
    body.style.height = `${rows.length * ROW}px`;
    cursor = Math.min(cursor, rows.length - 1);
    draw();
  }

  function draw(): void {
    const top = Math.max(0, Math.floor(scroller.scrollTop / ROW) - BEYOND);
    const fits = Math.ceil((scroller.clientHeight || 600) / ROW) + 2 * BEYOND;
    const shown = rows.slice(top, top + fits);
    const drawn = shown.map((row, offset) => {
      const place = top + offset;
      const cells = options.columns.map((column) => h("div", { role: "cell", class: column.isFigure ? "figure" : "text" }, column.cell(row)));
      const extra = options.rowClass?.(row) ?? "";
      const element = h("div", { role: "row", "aria-rowindex": place + 2, class: `vrow ${place === cursor ? "cursor" : ""} ${extra}` }, cells);
      element.style.top = `${place * ROW}px`;
      if (options.onOpen) {
        element.addEventListener("click", (event) => {
          if (!(event.target instanceof HTMLAnchorElement || event.target instanceof HTMLInputElement)) options.onOpen?.(row);
        });
      }
      return element;
    });
    body.replaceChildren(...drawn);
  }

  function move(by: number): void {
    cursor = Math.max(0, Math.min(rows.length - 1, cursor + by));
    const top = cursor * ROW;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    const room = scroller.clientHeight - 2 * ROW;
    if (top > scroller.scrollTop + room) scroller.scrollTop = top - room;
    draw();
  }

  let isDrawing = false;
  scroller.addEventListener("scroll", () => {
    if (isDrawing) return;
    isDrawing = true;
    requestAnimationFrame(() => {
      isDrawing = false;
      draw();
    });
  });
  scroller.addEventListener("keydown", (event) => {
    if (event.target !== scroller) return;
    if (event.key === "j" || event.key === "ArrowDown") move(1);
    else if (event.key === "k" || event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter") {
      const row = rows[cursor];
      if (row !== undefined) options.onOpen?.(row);
    } else return;
    event.preventDefault();
  });
  drawHead();
  show(options.rows);
  new ResizeObserver(() => draw()).observe(scroller);
  return { element: scroller, show };
}

function sorted(rows: number[], column: Column | undefined, isDescending: boolean): number[] {
  if (column === undefined) return rows;
  const keyed = rows.map((row) => ({ row, key: column.key(row) }));
  keyed.sort((left, right) => {
    const isLeftMissing = left.key === null || left.key === undefined;
    const isRightMissing = right.key === null || right.key === undefined;
    if (isLeftMissing || isRightMissing) return Number(isLeftMissing) - Number(isRightMissing) || left.row - right.row;
    const order = left.key! < right.key! ? -1 : left.key! > right.key! ? 1 : 0;
    return (isDescending ? -order : order) || left.row - right.row;
  });
  return keyed.map(({ row }) => row);
}
