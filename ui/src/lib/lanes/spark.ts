/** The drawing of one sparklane. */
import type { Unit } from "../format";
import { csv } from "../picture";
import { prefs, t } from "../prefs.svelte";

interface Points {
  times: number[];
  values: (number | null)[];
}

export interface SparkLine extends Points {
  /** What tells it from the others of its lane; empty for the only one. */
  name: string;
  /** Which colour it has; its place when absent. */
  hue?: number;
  /** Of the period before. */
  isPast?: boolean;
}

export interface Spark {
  key: string;
  name: string;
  unit: Unit;
  lines: SparkLine[];
  /** The top of the axis, where the quantity has one. */
  max?: number;
  /** A line that should not be crossed. */
  limit?: { name: string; value: number } | null;
  /** Why there is nothing. */
  missing?: string;
  /** Spans of time of which the lines say little: percentiles of few requests. */
  few?: [number, number][];
}

/** Lines and those of the period before, which have the same names and colours; `name` is that of the only one. */
export function compared(name: string, lines: SparkLine[], before: SparkLine[]): SparkLine[] {
  if (before.length === 0) return lines;
  const named = lines.map((line, hue) => ({ ...line, name: line.name || name, hue }));
  const past = before.map((line) => ({
    ...line, name: t("before", { name: line.name || name }), hue: Math.max(0, lines.findIndex((now) => now.name === line.name)), isPast: true,
  }));
  return [...named, ...past];
}

/** The top of a lane's axis. */
export function topOf({ max, lines, limit, unit }: Spark): number {
  if (max !== undefined) return max;
  const known = lines.flatMap(({ values }) => values.filter((value) => value !== null));
  return roundTop(known.reduce((most, value) => Math.max(most, value), limit?.value ?? 0), unit);
}

/** Points further apart than so many steps are not joined. */
const GAP_STEPS = 2.5;

/** An SVG path. Where nothing is known it is interrupted, and a single point is a short stroke. */
export function pathOf({ times, values }: Points, span: { start: number; end: number }, top: number, { width, height, room = 0 }: { width: number; height: number; room?: number }, step: number): string {
  const x = (time: number) => (((time - span.start) / (span.end - span.start)) * width).toFixed(1);
  const y = (value: number) => (room + (height - room) * (1 - Math.max(0, Math.min(1, value / top)))).toFixed(1);
  let path = "";
  let before: number | null = null;
  times.forEach((time, at) => {
    const value = values[at];
    if (value === null || value === undefined || time < span.start || time > span.end) {
      before = null;
      return;
    }
    const isJoined = before !== null && time - before <= GAP_STEPS * step;
    path += isJoined ? `L${x(time)} ${y(value)}` : `M${x(time)} ${y(value)}h0.5`;
    before = time;
  });
  return path;
}

/** The value at a time: the last one before it that is not older than `age` milliseconds. */
export function at({ times, values }: Points, time: number, age: number): number | null {
  for (let index = times.length - 1; index >= 0; index -= 1) {
    if (times[index]! > time) continue;
    if (time - times[index]! > age) return null;
    return values[index] ?? null;
  }
  return null;
}

const ROUND = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** The next round number, as it is shown in its unit: the top of an axis. */
export function roundTop(value: number, unit: Unit): number {
  if (!(value > 0)) return 1;
  let scale = unit === "ratio" ? 0.01 : 1;
  if (unit === "bytes" && prefs.units === "iec") while (value / scale >= 1_024) scale *= 1_024;
  const size = value / scale;
  const power = 10 ** Math.floor(Math.log10(size));
  const step = ROUND.find((candidate) => candidate * power >= size * (1 - 1e-9)) ?? 10;
  const round = step * power * scale;
  return unit === "count" ? Math.ceil(round) : round;
}

/** A line of a table: its heading, and its points. */
export interface Column extends Points {
  name: string;
}

/** Every time at which any column has a point, at most `rows` of them evenly chosen, and what each column is then. */
export function tableOf(columns: Column[], rows: number, age: number): { time: number; values: (number | null)[] }[] {
  const times = [...new Set(columns.flatMap((column) => column.times))].sort((a, b) => a - b);
  const every = Math.max(1, Math.ceil(times.length / rows));
  const chosen = times.filter((_, index) => (times.length - 1 - index) % every === 0);
  // Both are in order, so that one walk over the points of each column does.
  const places = columns.map(() => -1);
  return chosen.map((time) => ({
    time,
    values: columns.map((column, index) => {
      let place = places[index] ?? -1;
      while (place + 1 < column.times.length && column.times[place + 1]! <= time) place += 1;
      places[index] = place;
      return place >= 0 && time - column.times[place]! <= age ? (column.values[place] ?? null) : null;
    }),
  }));
}

/** The table as a file. */
export function csvOf(columns: Column[], age: number): string {
  const rows = tableOf(columns, Infinity, age);
  return csv(columns.map(({ name }) => name), rows.map(({ time }) => time), columns.map((_, at) => rows.map(({ values }) => values[at])));
}
