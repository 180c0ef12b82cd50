/** Numbers and times as people read them, in the reader's language. `null` is no value: a dash. */
import { locale } from "./prefs.svelte";

export type Unit = "count" | "per_second" | "ratio" | "bytes" | "bytes_per_second" | "milliseconds";

/** Memory is counted in powers of two, what travels over disks and networks in powers of ten. */
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const BYTES_PER_SECOND = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"];
const MILLISECONDS = ["ms", "s"];

export function format(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  switch (unit) {
    case "ratio":
      return `${digits(value * 100)}%`;
    case "bytes":
      return scaled(value, 1024, BYTES);
    case "bytes_per_second":
      return scaled(value, 1000, BYTES_PER_SECOND);
    case "milliseconds":
      return scaled(value, 1000, MILLISECONDS);
    case "per_second":
      return `${digits(value)}/s`;
    case "count":
      return digits(value);
  }
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

/** Three significant digits, whole numbers as they are. */
function digits(value: number): string {
  const size = Math.abs(value);
  const decimals = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  const key = `${locale()} ${decimals}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.NumberFormat(locale(), { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    formats.set(key, found);
  }
  return found.format(value);
}

/** Steps that make round marks on an axis of that unit; `undefined` leaves them to the chart. */
export function marks(unit: Unit): number[] | undefined {
  if (unit === "bytes") return Array.from({ length: 50 }, (_, power) => 2 ** power);
  if (unit === "count" || unit === "bytes_per_second") {
    return Array.from({ length: 45 }, (_, index) => [1, 2, 5][index % 3]! * 10 ** Math.floor(index / 3));
  }
  return undefined;
}

/** A time of day in 24 hours, in the reader's zone. */
export function clock(ms: number, seconds = true): string {
  return new Date(ms).toLocaleTimeString(locale(), {
    hour: "2-digit",
    minute: "2-digit",
    second: seconds ? "2-digit" : undefined,
    hourCycle: "h23",
  });
}

/** The date as well, unless it is today's. */
export function when(ms: number, now = Date.now()): string {
  const day = (at: number) => new Date(at).toDateString();
  if (day(ms) === day(now)) return clock(ms);
  return `${new Date(ms).toLocaleDateString(locale(), { month: "short", day: "numeric" })} ${clock(ms, false)}`;
}
