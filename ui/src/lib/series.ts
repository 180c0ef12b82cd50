/** The points of one chart: a shared time axis and values per series. History comes at once, live ticks one by one. */
import type { Labels, PastSeries } from "./past";

/** `null`: nothing is known from here on, the line ends. `undefined`: this series has no point at that time; the line goes on. */
export type Value = number | null | undefined;

export interface Track {
  key: string;
  line: number;
  labels: Labels;
  values: Value[];
}

export const keyOf = (line: number, labels: Labels): string => `${line} ${JSON.stringify(Object.entries(labels).sort())}`;

/** What a series is at a point: its value there, or the last before it, unless the line has ended. */
export function valueAt(values: Value[], index: number): number | null {
  for (let at = index; at >= 0; at -= 1) {
    const value = values[at];
    if (value !== undefined) return value;
  }
  return null;
}

const isKnown = (value: Value): value is number => value !== null && value !== undefined;
const byLine = (a: Track, b: Track): number => a.line - b.line || a.key.localeCompare(b.key);

export class Points {
  times: number[] = [];
  tracks: Track[] = [];
  private byKey = new Map<string, Track>();

  /** Takes the history of all lines. Ticks that came since it was made stay; with an `end` of `Infinity` none do. */
  load(lines: PastSeries[][], end: number, step: number): void {
    const since = this.times.findIndex((time) => time > end);
    const later = since < 0 ? [] : this.times.slice(since);
    const ticks = this.tracks.map((track) => ({ ...track, values: since < 0 ? [] : track.values.slice(since) }));
    const all = new Set<number>();
    for (const { times } of lines.flat()) for (const time of times) all.add(time);
    const sorted = [...all].filter((time) => later.length === 0 || time < later[0]!).sort((a, b) => a - b);
    const place = new Map(sorted.map((time, at) => [time, at]));
    this.times = sorted;
    this.byKey = new Map();
    lines.forEach((series, line) => {
      for (const { labels, times, values } of series) {
        const track = this.track(line, labels);
        times.forEach((time, at) => {
          const there = place.get(time);
          if (there !== undefined) track.values[there] = values[at];
        });
      }
    });
    this.tracks = [...this.byKey.values()].sort(byLine);
    if (later.length === 0) return;
    if (sorted.length > 0 && later[0]! - sorted.at(-1)! > 2 * step) this.gap(sorted.at(-1)! + step);
    const from = this.times.length;
    this.times.push(...later);
    for (const track of this.tracks) track.values.length = this.times.length;
    for (const { line, labels, values } of ticks) {
      if (!values.some(isKnown)) continue;
      const track = this.track(line, labels);
      values.forEach((value, at) => (track.values[from + at] = value));
    }
    this.tracks = [...this.byKey.values()].sort(byLine);
  }

  /** A tick of one line: all its series at one time. A pause before it is a gap, not a line. */
  tick(line: number, time: number, series: { labels: Labels; value: number | null }[], step: number): void {
    const last = this.times.at(-1);
    if (last === undefined || time > last) {
      if (last !== undefined && time - last > 2 * step) this.gap(last + step);
      this.push(time);
    } else if (time < last) {
      return; // The history of that time is there, or comes.
    }
    const at = this.times.length - 1;
    for (const { labels, value } of series) {
      if (value === null && !this.byKey.has(keyOf(line, labels))) continue;
      this.track(line, labels).values[at] = value;
    }
  }

  /** Drops what is before the axis, and series of which nothing is left. */
  trim(start: number): void {
    // One point before the axis stays, so that lines reach its edge.
    const count = this.times.findIndex((time) => time >= start) - 1;
    if (count <= 0) return;
    this.times.splice(0, count);
    for (const track of this.tracks) track.values.splice(0, count);
    if (this.tracks.every((track) => track.values.some(isKnown))) return;
    this.tracks = this.tracks.filter((track) => track.values.some(isKnown));
    this.byKey = new Map(this.tracks.map((track) => [track.key, track]));
  }

  at(track: Track, index: number): number | null {
    return valueAt(track.values, index);
  }

  /** What a series is at the end of the axis: its newest value, unless it ended longer ago than `lag`. */
  now(track: Track, lag: number): number | null {
    const at = track.values.findLastIndex((value) => value !== undefined);
    const isRecent = (this.times[at] ?? 0) >= (this.times.at(-1) ?? 0) - lag;
    return isRecent ? (track.values[at] ?? null) : null;
  }

  private track(line: number, labels: Labels): Track {
    const key = keyOf(line, labels);
    let track = this.byKey.get(key);
    if (!track) {
      track = { key, line, labels, values: new Array<Value>(this.times.length).fill(undefined) };
      this.byKey.set(key, track);
      this.tracks.push(track);
      this.tracks.sort(byLine);
    }
    return track;
  }

  private push(time: number): void {
    this.times.push(time);
    for (const track of this.tracks) track.values.push(undefined);
  }

  private gap(time: number): void {
    this.times.push(time);
    for (const track of this.tracks) track.values.push(null);
  }
}
