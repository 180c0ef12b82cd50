/** The rows of an answer at one time. */
import type { Labels } from "../past";
import type { Answer, Bucket, Histogram, Series } from "./ask";
import { parsed, sharedLabels } from "./draw";

/** More labels than these do not fit beside each other; the rest goes into one column. */
export const LABELS_MAX = 8;

/** One value with its time in Unix seconds: a number as the server wrote it, or a histogram. */
export interface Cell {
  time: number;
  value: string | Histogram;
}

export interface Listed {
  /** Labels that all rows have with the same value. */
  shared: Labels;
  /** Names of the others, the metric's first. */
  names: string[];
  rows: { labels: Labels; cells: Cell[] }[];
}

function cellsOf({ values, histograms }: Series): Cell[] {
  const numbers = values.map(([time, value]) => ({ time, value }));
  const others = histograms.map(([time, value]) => ({ time, value }));
  return [...numbers, ...others].sort((a, b) => a.time - b.time);
}

export function listed({ series }: Answer): Listed {
  const shared = sharedLabels(series.map(({ labels }) => labels));
  const counts = new Map<string, number>();
  for (const { labels } of series) {
    for (const name of Object.keys(labels)) if (!(name in shared)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const rank = (name: string) => (name === "__name__" ? Infinity : (counts.get(name) ?? 0));
  const names = [...counts.keys()].sort((a, b) => rank(b) - rank(a) || a.localeCompare(b));
  return { shared, names, rows: series.map((one) => ({ labels: one.labels, cells: cellsOf(one) })) };
}

/** The bounds of a bucket as mathematics writes them: `(1, 2]`. */
export function interval([bounds, low, high]: Bucket): string {
  const [hasLow, hasHigh] = [bounds === 1 || bounds === 3, bounds === 0 || bounds === 3];
  return `${hasLow ? "[" : "("}${low}, ${high}${hasHigh ? "]" : ")"}`;
}

/** What rows are sorted by: a number for values, which histograms give by their count. */
function weight(cell: Cell | undefined): number {
  const text = typeof cell?.value === "object" ? cell.value.count : (cell?.value ?? "NaN");
  const value = parsed(text);
  return Number.isNaN(value) ? -Infinity : value;
}

export interface Order {
  /** A label, or `null` for the value. */
  by: string | null;
  isDescending: boolean;
}

/** The rows in an order; without one, as the server sent them. */
export function sorted(rows: Listed["rows"], order: Order | null): Listed["rows"] {
  if (!order) return rows;
  const sign = order.isDescending ? -1 : 1;
  const { by } = order;
  return [...rows].sort((a, b) => {
    if (by === null) {
      const [left, right] = [weight(a.cells.at(-1)), weight(b.cells.at(-1))];
      return left === right ? 0 : sign * (left < right ? -1 : 1);
    }
    return sign * (a.labels[by] ?? "").localeCompare(b.labels[by] ?? "", undefined, { numeric: true });
  });
}
