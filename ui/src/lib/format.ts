/** Numbers and times as people read them. `null` means: no value, shown as a dash. */
export type Unit = "count" | "per_second" | "ratio" | "bytes" | "bytes_per_second";

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function format(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  switch (unit) {
    case "ratio":
      return `${digits(value * 100)} %`;
    case "bytes":
      return bytes(value);
    case "bytes_per_second":
      return `${bytes(value)}/s`;
    case "per_second":
      return `${digits(value)}/s`;
    case "count":
      return digits(value);
  }
}

function bytes(value: number): string {
  let scaled = Math.abs(value);
  let unit = 0;
  while (scaled >= 1024 && unit < BYTE_UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${value < 0 ? "-" : ""}${digits(scaled)} ${BYTE_UNITS[unit]}`;
}

/** Three significant digits, whole numbers as they are. */
function digits(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 100) return Math.round(value).toString();
  return value.toFixed(size >= 10 ? 1 : 2);
}

/** Steps that make round marks on an axis of that unit; `undefined` leaves them to the chart. */
export function marks(unit: Unit): number[] | undefined {
  if (unit === "bytes" || unit === "bytes_per_second") return Array.from({ length: 50 }, (_, power) => 2 ** power);
  if (unit === "count") return Array.from({ length: 27 }, (_, index) => [1, 2, 5][index % 3]! * 10 ** Math.floor(index / 3));
  return undefined;
}

/** A time of day in 24 hours, in the reader's zone. */
export function clock(ms: number, locale: string, seconds = true): string {
  return new Date(ms).toLocaleTimeString(locale, {
    hour: "2-digit",
    minute: "2-digit",
    second: seconds ? "2-digit" : undefined,
    hourCycle: "h23",
  });
}

/** The date as well, unless it is today's. */
export function when(ms: number, locale: string, now: number): string {
  const day = (at: number) => new Date(at).toDateString();
  if (day(ms) === day(now)) return clock(ms, locale);
  return `${new Date(ms).toLocaleDateString(locale, { month: "short", day: "numeric" })} ${clock(ms, locale, false)}`;
}
