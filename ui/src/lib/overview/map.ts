/** Latencies over time as a map: of each time and each bucket, how many requests per second were in it. */
import type { Points, Track } from "../series";

export interface LatencyMap {
  /** Unix milliseconds, the beginning of each column. */
  times: number[];
  step: number;
  /** The bounds of each row in seconds, ascending. */
  rows: { low: number; high: number }[];
  /** By column, then by row: requests per second; `null` where nothing is known. */
  cells: (number | null)[][];
  most: number;
}

/** Below the first bound and above the last there is no end; these stand in for it. */
const FIRST_SHARE = 0.5;
const LAST_SHARE = 2;
/** A rate below this is the rounding of a difference. */
const RATE_MIN = 1e-9;

interface Bucket {
  bound: number;
  track: Track;
}

function bucketsOf(tracks: Track[]): Bucket[] {
  return tracks
    .map((track) => ({ track, bound: track.labels.le === "+Inf" ? Infinity : Number(track.labels.le) }))
    .filter(({ bound }) => bound > 0)
    .sort((a, b) => a.bound - b.bound);
}

/** Buckets are cumulative: a row is the difference of two. Empty rows at either end are left out. */
export function latencyMap(points: Points, [start, end]: [number, number], columns: number): LatencyMap | null {
  const buckets = bucketsOf(points.tracks);
  if (buckets.length < 2 || points.times.length === 0) return null;
  const step = (end - start) / columns;
  const all: (number | null)[][] = [];
  let from = 0;
  for (let column = 0; column < columns; column += 1) {
    const till = start + (column + 1) * step;
    const before = from;
    while (from < points.times.length && points.times[from]! <= till) from += 1;
    // Nothing new in this column: what was known before still is, unless it is long ago.
    const at = from - 1;
    const isKnown = at >= 0 && (from > before || till - points.times[at]! < 2.5 * step);
    let below = 0;
    all.push(
      buckets.map(({ track }) => {
        const value = isKnown ? points.at(track, at) : null;
        if (value === null) return null;
        const own = Math.max(0, value - below);
        below = Math.max(below, value);
        return own < RATE_MIN ? 0 : own;
      }),
    );
  }
  const isUsed = buckets.map((_, row) => all.some((cells) => (cells[row] ?? 0) > 0));
  const [first, last] = [isUsed.indexOf(true), isUsed.lastIndexOf(true)];
  if (first < 0) return null;
  const bound = (row: number) => buckets[row]!.bound;
  const rows = buckets.slice(first, last + 1).map((_, index) => {
    const row = first + index;
    const low = row === 0 ? bound(0) * FIRST_SHARE : bound(row - 1);
    return { low, high: Number.isFinite(bound(row)) ? bound(row) : low * LAST_SHARE };
  });
  const cells = all.map((column) => column.slice(first, last + 1));
  const most = cells.flat().reduce<number>((max, value) => Math.max(max, value ?? 0), 0);
  return { times: cells.map((_, column) => start + column * step), step, rows, cells, most };
}

/** The row of a column in which most requests are; none where there is no request. */
export const fullest = (column: (number | null)[]): number =>
  column.reduce<number>((best, value, row) => ((value ?? 0) > (column[best] ?? 0) ? row : best), -1);

/** Between which latencies most requests lie: the rows that hold four fifths of them. */
export function bulk({ rows, cells }: LatencyMap): { low: number; high: number } {
  const sums = rows.map((_, row) => cells.reduce((sum, column) => sum + (column[row] ?? 0), 0));
  const total = sums.reduce((a, b) => a + b, 0);
  let [seen, low, high] = [0, rows[0]?.low ?? 0, rows.at(-1)?.high ?? 0];
  for (const [row, sum] of sums.entries()) {
    if (seen < total * 0.1 && seen + sum >= total * 0.1) low = rows[row]!.low;
    if (seen < total * 0.9 && seen + sum >= total * 0.9) high = rows[row]!.high;
    seen += sum;
  }
  return { low, high };
}
