/** Where the rows of a long list are, one of which is open and therefore higher than the others. */
import type { Slice } from "../requests/rows";

/** Rows above and below what is seen, so that scrolling shows no blanks. */
const SPARE = 12;

export interface Layout {
  count: number;
  /** Pixels of a row. */
  row: number;
  /** The open one, or -1. */
  open: number;
  /** Pixels that it has more. */
  extra: number;
}

export const topOf = ({ row, open, extra }: Layout, index: number): number => index * row + (open >= 0 && index > open ? extra : 0);

export const heightOf = (layout: Layout): number => topOf(layout, layout.count - 1) + layout.row + (layout.open === layout.count - 1 ? layout.extra : 0);

/** The row at a height. */
export function indexAt({ row, open, extra }: Layout, y: number): number {
  if (open < 0 || y < (open + 1) * row) return Math.floor(y / row);
  return Math.max(open, Math.floor((y - extra) / row));
}

/** Which rows are drawn. */
export function seen(layout: Layout, scrolled: number, height: number): Slice {
  const first = Math.max(0, Math.min(indexAt(layout, scrolled) - SPARE, layout.count));
  const end = Math.min(layout.count, indexAt(layout, scrolled + height) + 1 + SPARE);
  return { first, end: Math.max(first, end) };
}
