/** Scales and colours of the latency picture, and what lies under the pointer. Draws nothing itself. */
import type { Span } from "../explore/address";
import type { Exchange, HeatMap, Measure, Outcome } from "./ask";

export interface Range {
  low: number;
  high: number;
}

export interface Point {
  row: Exchange;
  time: number;
  /** Milliseconds. */
  value: number;
}

export const valueOf = (row: Exchange, measure: Measure): number | null => {
  const value = row[`${measure}_ms`];
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : null;
};

/** The requests that have the measure, within the span. */
export function pointsOf(rows: Exchange[], measure: Measure, { start, end }: Span): Point[] {
  const points: Point[] = [];
  for (const row of rows) {
    const value = valueOf(row, measure);
    if (value !== null && row.time >= start && row.time <= end) points.push({ row, time: row.time, value });
  }
  return points;
}

/** The ends of a logarithmic axis with room around the values, at least a decade. */
export function rangeOf(values: Iterable<number>): Range {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!(low <= high)) return { low: 1, high: 10_000 };
  const room = Math.max(0.06 * Math.log10(high / low), 0.06);
  const middle = (Math.log10(low) + Math.log10(high)) / 2;
  const half = Math.max((Math.log10(high) - Math.log10(low)) / 2 + room, 0.5);
  return { low: 10 ** (middle - half), high: 10 ** (middle + half) };
}

/** Where a value stands on a logarithmic axis: 0 at the low end, 1 at the high. */
export const placeOf = (value: number, { low, high }: Range): number => Math.log(value / low) / Math.log(high / low);

/** Round marks on a logarithmic axis: decades, with 2 and 5 between where there is room. */
export function logMarks({ low, high }: Range, most: number): number[] {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const marks = (factors: number[]) =>
    Array.from({ length: last - first + 1 }, (_, index) => factors.map((factor) => Number((factor * 10 ** (first + index)).toPrecision(1))))
      .flat()
      .filter((mark) => mark >= low && mark <= high);
  return [[1, 2, 5], [1, 3], [1]].map(marks).find((found) => found.length <= most) ?? marks([1]).filter((_, index) => index % 2 === 0);
}

/** How a point looks: shape as well as colour, since not everyone tells colours apart. */
export type Shape = "dot" | "ring" | "cross";
export const SHAPES: Record<Outcome, Shape> = {
  ok: "dot",
  client_abort: "ring",
  upstream_error: "cross",
  truncated: "cross",
  timeout: "cross",
  refused: "cross",
};

/** The nearest point to a place in pixels, if one is near. */
export function nearest(points: Point[], x: number, y: number, placed: (point: Point) => [number, number], most: number): Point | null {
  let best: Point | null = null;
  let distance = most * most;
  for (const point of points) {
    const [left, top] = placed(point);
    const found = (left - x) ** 2 + (top - y) ** 2;
    if (found <= distance) {
      best = point;
      distance = found;
    }
  }
  return best;
}

/** The lowest and highest values of buckets that have any, with the bucket's own lower end. */
export function boundsOf(map: HeatMap, bucket: number): Range {
  const high = map.bounds_ms[bucket] ?? 0;
  const before = map.bounds_ms[bucket - 1];
  const ratio = (map.bounds_ms[1] ?? 2) / (map.bounds_ms[0] ?? 1);
  return { low: before ?? high / (ratio > 1 ? ratio : 2), high };
}

/** The range that a heat map's counts fill. */
export function filledRange(map: HeatMap): Range | null {
  let first = Infinity;
  let last = -Infinity;
  for (const column of map.counts) {
    column.forEach((count, bucket) => {
      if (count <= 0) return;
      first = Math.min(first, bucket);
      last = Math.max(last, bucket);
    });
  }
  if (first > last) return null;
  const { low, high } = rangeOf([boundsOf(map, first).low, boundsOf(map, last).high]);
  return { low, high };
}
