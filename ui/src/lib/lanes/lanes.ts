/** States over time, from series of numbers: what a lane shows. */
import type { Track } from "../cluster/ask";
import { zoneShift } from "../format";

export interface Segment {
  /** Unix milliseconds. */
  start: number;
  end: number;
  state: string;
}

export interface Lane {
  key: string;
  name: string;
  segments: Segment[];
}

/** Further apart than so many pixels, two points are not of one state: nothing is known between them. */
const GAP_STEPS = 2.5;

/**
 * The states of one series. Each point holds until the next; a gap, a `null` and what `stateOf` does not name are no
 * segment: absent is not a state.
 */
export function segmentsOf({ times, values }: Pick<Track, "times" | "values">, step: number, stateOf: (value: number) => string | null): Segment[] {
  const segments: Segment[] = [];
  times.forEach((time, at) => {
    const value = values[at];
    const state = value === null || value === undefined ? null : stateOf(value);
    if (state === null) return;
    const next = times[at + 1];
    const end = next !== undefined && next - time <= GAP_STEPS * step ? next : time + step;
    const last = segments.at(-1);
    if (last && last.state === state && last.end >= time) last.end = Math.max(last.end, end);
    else segments.push({ start: time, end, state });
  });
  return segments;
}

/** Several series as one lane, where at most one state holds: of those that hold at a time, the worst is shown. */
export function worst(lanes: Segment[][], severity: (state: string) => number): Segment[] {
  const all = lanes.flat();
  const edges = [...new Set(all.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const sorted = [...all].sort((a, b) => a.start - b.start);
  const merged: Segment[] = [];
  let open: Segment[] = [];
  let next = 0;
  edges.slice(0, -1).forEach((start, at) => {
    const end = edges[at + 1] ?? start;
    open = open.filter((segment) => segment.end > start);
    while (next < sorted.length && sorted[next]!.start <= start) open.push(sorted[next++]!);
    const top = open.reduce<Segment | null>((best, segment) => (!best || severity(segment.state) > severity(best.state) ? segment : best), null);
    if (!top) return;
    const last = merged.at(-1);
    if (last && last.state === top.state && last.end === start) last.end = end;
    else merged.push({ start, end, state: top.state });
  });
  return merged;
}

/** How long each state lasted within a span, in milliseconds; the longest first. */
export function durations(segments: Segment[], span: { start: number; end: number }): { state: string; ms: number }[] {
  const sums = new Map<string, number>();
  for (const { start, end, state } of segments) {
    const ms = Math.min(end, span.end) - Math.max(start, span.start);
    if (ms > 0) sums.set(state, (sums.get(state) ?? 0) + ms);
  }
  return [...sums].map(([state, ms]) => ({ state, ms })).sort((a, b) => b.ms - a.ms);
}

/** By so much clocks are put forward or back, at most. */
const HOUR_MS = 3_600_000;
const MARKS_MAX = 200;

/** Times for the marks of an axis: round, and at least `space` pixels apart. */
export function timeMarks({ start, end }: { start: number; end: number }, width: number, space: number): { times: number[]; every: number } {
  const ROUND = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000];
  const least = ((end - start) / 1_000) * (space / Math.max(space, width));
  const every = ROUND.find((seconds) => seconds >= least) ?? Math.ceil(least);
  // Marks stand on round times of the reader's day, not of UTC, also after the clock was put forward or back.
  const [shift, size] = [zoneShift(start), every * 1_000];
  const times: number[] = [];
  for (let wall = Math.ceil((start + shift) / size) * size; wall - shift <= end + HOUR_MS && times.length < MARKS_MAX; wall += size) {
    const time = wall - zoneShift(wall - shift);
    if (time <= end && time > (times.at(-1) ?? start - 1)) times.push(time);
  }
  return { times, every };
}

/** The share of time in a state, per part of the span, for a bar of heartbeats; `null` where nothing is known. */
export function beats({ times, values }: Pick<Track, "times" | "values">, { start, end }: { start: number; end: number }, count: number): ({ low: number; high: number } | null)[] {
  const parts: ({ low: number; high: number } | null)[] = Array.from({ length: count }, () => null);
  const size = (end - start) / count;
  times.forEach((time, at) => {
    const value = values[at];
    if (value === null || value === undefined || time < start || time > end) return;
    const index = Math.min(count - 1, Math.floor((time - start) / size));
    const part = parts[index];
    parts[index] = part ? { low: Math.min(part.low, value), high: Math.max(part.high, value) } : { low: value, high: value };
  });
  return parts;
}

/** As many parts as can be seen, each with its worst state: a short one stays visible, a flickering one is not thousands. */
export function thinned(segments: Segment[], span: { start: number; end: number }, parts: number, severity: (state: string) => number): Segment[] {
  if (segments.length <= parts / 4) return segments;
  const size = (span.end - span.start) / parts;
  const drawn: Segment[] = [];
  let from = 0;
  for (let part = 0; part < parts; part += 1) {
    const [start, end] = [span.start + part * size, span.start + (part + 1) * size];
    while (from < segments.length && segments[from]!.end <= start) from += 1;
    let top: Segment | null = null;
    for (let at = from; at < segments.length && segments[at]!.start < end; at += 1) {
      const segment = segments[at]!;
      if (segment.end > start && (!top || severity(segment.state) > severity(top.state))) top = segment;
    }
    if (!top) continue;
    const last = drawn.at(-1);
    if (last && last.state === top.state && last.end >= start - size / 2) last.end = end;
    else drawn.push({ start, end, state: top.state });
  }
  return drawn;
}
