/** Which rows of a long list are drawn, and where. */

/** Rows above and below what is seen, so that scrolling shows no blanks. */
const SPARE = 12;

export interface Slice {
  first: number;
  /** The one behind the last. */
  end: number;
}

export function visible(count: number, scrolled: number, height: number, row: number): Slice {
  const first = Math.max(0, Math.min(Math.floor(scrolled / row) - SPARE, count));
  const end = Math.min(count, Math.ceil((scrolled + height) / row) + SPARE);
  return { first, end: Math.max(first, end) };
}

/** How far to scroll so that a row is seen whole; where it is seen already, not at all. */
export function scrolledTo(index: number, scrolled: number, height: number, row: number): number {
  const top = index * row;
  if (top < scrolled) return top;
  return top + row > scrolled + height ? top + row - height : scrolled;
}
