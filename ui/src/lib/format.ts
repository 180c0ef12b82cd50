/** Numbers and times as people read them, in the reader's language. `null` is no value: a dash. */
import { locale, prefs, timeZone } from "./prefs.svelte";

/** `number` is a value whose quantity is not known. */
export type Unit =
  | "number" | "count" | "per_second" | "ratio" | "bytes" | "bytes_per_second" | "milliseconds" | "seconds" | "watts" | "celsius" | "hertz";

/** Memory is counted in powers of two, what travels over disks and networks in powers of ten. */
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const BYTES_SI = ["B", "kB", "MB", "GB", "TB", "PB"];
const BYTES_PER_SECOND = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"];
const MILLISECONDS = ["ms", "s"];
const WATTS = ["W", "kW", "MW"];
const HERTZ = ["Hz", "kHz", "MHz", "GHz"];
const THOUSANDS = ["", "k", "M", "G", "T", "P"];

export function format(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  switch (unit) {
    case "ratio":
      return `${digits(value * 100)}%`;
    case "bytes":
      return prefs.units === "si" ? scaled(value, 1000, BYTES_SI) : scaled(value, 1024, BYTES);
    case "bytes_per_second":
      return scaled(value, 1000, BYTES_PER_SECOND);
    case "milliseconds":
      return scaled(value, 1000, MILLISECONDS);
    case "seconds":
      return value >= 120 ? `${digits(value / 60)} min` : scaled(value * 1000, 1000, MILLISECONDS);
    case "watts":
      return scaled(value, 1000, WATTS);
    case "celsius":
      return `${digits(Math.round(value * 10) / 10)} °C`;
    case "hertz":
      return scaled(value, 1000, HERTZ);
    case "per_second":
      return `${digits(value)}/s`;
    case "count":
      return digits(value);
    case "number":
      return plain(value);
  }
}

/** A length of time in words: `5 min`, `7 days`. */
export function lengthOf(seconds: number): string {
  const [unit, size] = LENGTHS.find(([, size]) => seconds % size === 0) ?? (["second", 1] as const);
  return unitFormat(unit).format(seconds / size);
}

const unitFormat = (unit: string) => numberFormat(unit, { style: "unit", unit, unitDisplay: "short" });
const LENGTHS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]] as const;

/** How long something lasts, in the two largest units: `3 h 20 min`. */
export function lasting(ms: number): string {
  if (ms > 0 && ms < 1_000) return format(ms, "milliseconds");
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const first = Math.max(0, LENGTHS.findIndex(([, size]) => seconds >= size));
  const at = seconds === 0 ? LENGTHS.length - 1 : first;
  let rest = seconds;
  // Of many of the first unit the second says nothing.
  const isLong = seconds >= 10 * LENGTHS[at]![1];
  return LENGTHS.slice(at, at + (isLong ? 1 : 2))
    .map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest -= count * size;
      return { unit, count };
    })
    .filter(({ count }, place) => count > 0 || place === 0)
    .map(({ unit, count }) => unitFormat(unit).format(count))
    .join(" ");
}

/** Also what is very small or very large keeps three digits that say something. */
function plain(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e18 || (size > 0 && size < 1e-4)) return value.toExponential(2);
  if (size > 0 && size < 0.1) return String(Number(value.toPrecision(3)));
  return size < 10_000 ? digits(value) : scaled(value, 1000, THOUSANDS).trim();
}

function scaled(value: number, base: number, units: string[]): string {
  let power = 0;
  while (Math.abs(value) >= base && power < units.length - 1) {
    value /= base;
    power += 1;
  }
  return `${digits(value)} ${units[power]}`;
}

const formats = new Map<string, Intl.NumberFormat>();

/** In the reader's language. Made once each, as those of times are. */
function numberFormat(name: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `${locale()} ${name}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.NumberFormat(locale(), options);
    formats.set(key, found);
  }
  return found;
}

/** Three significant digits, whole numbers as they are. */
function digits(value: number): string {
  const size = Math.abs(value);
  const decimals = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return numberFormat(String(decimals), { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(value);
}

/** Steps that make round marks on an axis of that unit; `undefined` leaves them to the chart. */
export function marks(unit: Unit): number[] | undefined {
  if (unit === "bytes" && prefs.units === "iec") return Array.from({ length: 50 }, (_, power) => 2 ** power);
  if (unit === "count" || unit === "bytes" || unit === "bytes_per_second") {
    return Array.from({ length: 45 }, (_, index) => [1, 2, 5][index % 3]! * 10 ** Math.floor(index / 3));
  }
  return undefined;
}

/** A mark of a value axis: short, because space is dear. On a logarithmic one only those whose first digit is one of `first`. */
export function axisLabel(value: number | null, unit: Unit, first: number[] | null = null): string {
  if (value === null) return "";
  if (first && !first.includes(Number((value / 10 ** Math.floor(Math.log10(value) + 1e-9)).toPrecision(6)))) return "";
  if (unit === "per_second" || unit === "count") {
    const power = Math.max(0, Math.min(THOUSANDS.length - 1, Math.floor(Math.log10(Math.abs(value) || 1) / 3)));
    return `${trimmed(value / 1_000 ** power)}${THOUSANDS[power]}`;
  }
  if (unit === "ratio") return `${trimmed(value * 100)}%`;
  if (value === 0 && unit !== "bytes") return "0";
  if (unit === "seconds" && value >= 1 && value < 120) return `${trimmed(value)} s`;
  return format(value, unit);
}

/** Marks are round: no zeros behind the point. */
const trimmed = (value: number): string => String(Number(value.toPrecision(6)));

const CLOCK_MINUTES = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
const CLOCK = { ...CLOCK_MINUTES, second: "2-digit" } as const;
const WALL = { ...CLOCK, year: "numeric", month: "2-digit", day: "2-digit" } as const;
const DAY = { month: "short", day: "numeric" } as const;

const timeFormats = new Map<string, Intl.DateTimeFormat>();

/** In the reader's zone. Made once each: to make one costs as much as a hundred uses, and every axis has ten times. */
function timeFormat(language: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = JSON.stringify([language, options, timeZone()]);
  let found = timeFormats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat(language, { ...options, timeZone: timeZone() });
    timeFormats.set(key, found);
  }
  return found;
}

/** A time of day in 24 hours, in the reader's zone. */
export function clock(ms: number, seconds = true): string {
  return timeFormat(locale(), seconds ? CLOCK : CLOCK_MINUTES).format(ms);
}

/** The day of a time, in the reader's zone: equal for times of the same day. */
const dayOf = (ms: number): string => timeFormat("en-CA", {}).format(ms);

/** How far the reader's zone is ahead of UTC at a time, in milliseconds. */
export function zoneShift(ms: number): number {
  if (!prefs.zone) return -new Date(ms).getTimezoneOffset() * 60_000;
  const parts = timeFormat("en-GB", WALL).formatToParts(ms);
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value ?? 0);
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second")) - Math.floor(ms / 1_000) * 1_000;
}

const DAY_SECONDS = 86_400;

/** A time as the browser's fields for local times have it, in the reader's zone. */
export const fieldOf = (ms: number): string => new Date(ms + zoneShift(ms)).toISOString().slice(0, 19);
/** The same to the minute, for fields that have no seconds. */
export const minuteOf = (ms: number): string => fieldOf(ms).slice(0, 16);

/**
 * The time that such a field says. Where the clock is put forward there is no such time: it is so much later. Where it
 * is put back there are two: it is the first.
 */
export function timeOf(field: string): number {
  const wall = Date.parse(`${field}Z`);
  if (Number.isNaN(wall)) return NaN;
  const [before, after] = [-1, 1].map((side) => wall - zoneShift(wall + side * DAY_SECONDS * 1_000)) as [number, number];
  const real = [before, after].filter((ms) => ms + zoneShift(ms) === wall);
  return real.length > 0 ? Math.min(...real) : before;
}

/** A mark of a time axis: a time of day, and at midnight the date. `every` is the marks' distance in seconds. */
export function timeMark(ms: number, every: number): string {
  const isMidnight = clock(ms) === "00:00:00";
  if (every < DAY_SECONDS && !isMidnight) return clock(ms, every < 60);
  return timeFormat(locale(), DAY).format(ms);
}

/** The date as well, unless it is today's. */
export function when(ms: number, now = Date.now()): string {
  if (dayOf(ms) === dayOf(now)) return clock(ms);
  return `${timeFormat(locale(), DAY).format(ms)} ${clock(ms, false)}`;
}
