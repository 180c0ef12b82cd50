/** Percentiles of few requests: where a chart draws them, it says so. */
import type { Value } from "./series";

/** Of fewer requests than these a percentile says little. */
export const FEW = 20;

/** What lies further apart than so many steps does not go on between. */
const GAP_STEPS = 2.5;

/**
 * The spans in which there were some requests, but few in the window that each percentile is taken over. `rates` are
 * requests per second in windows of `windowMs`, which the server widens to the distance of two points. All times in
 * milliseconds.
 */
export function fewSpans(times: number[], rates: Value[], windowMs: number, step: number): [number, number][] {
  const seconds = Math.max(windowMs, step) / 1_000;
  const spans: [number, number][] = [];
  // Not every series has a point at every time of an axis that many share.
  const known = times.flatMap((time, at) => (rates[at] === undefined ? [] : [{ time, rate: rates[at] as number | null }]));
  known.forEach(({ time, rate }, at) => {
    if (rate === null || rate <= 0 || rate * seconds >= FEW) return;
    const next = known[at + 1]?.time ?? time + step;
    const end = next - time <= GAP_STEPS * step ? next : time + step;
    const last = spans.at(-1);
    if (last && last[1] >= time) last[1] = end;
    else spans.push([time, end]);
  });
  return spans;
}

/** A smaller share of the axis is not seen, and needs no line of the legend. */
const SHARE_MIN = 0.01;

export const isSeen = (spans: [number, number][], [start, end]: [number, number]): boolean =>
  spans.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(end, to) - Math.max(start, from)), 0) > SHARE_MIN * (end - start);
