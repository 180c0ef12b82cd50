/**
 * The one time range of all pages, as the address says it: `range=15m` ends now and moves on, `from=MS&to=MS`
 * stands still, `at=MS` is the selected moment. Whoever has the link sees the same; back and forward are the
 * browser's. What makes no sense is replaced by what is usual, and said.
 */

export interface Range {
  /** Unix milliseconds; both are `null` while the range ends now. */
  start: number | null;
  end: number | null;
  seconds: number;
}

export const PRESETS = [
  { id: "5m", seconds: 300 },
  { id: "15m", seconds: 900 },
  { id: "1h", seconds: 3_600 },
  { id: "6h", seconds: 21_600 },
  { id: "24h", seconds: 86_400 },
  { id: "7d", seconds: 604_800 },
  { id: "30d", seconds: 2_592_000 },
] as const;
export const RANGE_DEFAULT = PRESETS[1];

/** Shorter ranges have no points, longer ones the server refuses. */
export const SECONDS_MIN = 10;
export const SECONDS_MAX = 3_660 * 86_400;
/** The latest time that an address may name: the year 2100. A later one is a slip of the keyboard. */
const TIME_MS_MAX = 4_102_444_800_000;
/** Clocks that differ by more than this are told of: times that the reader compares by hand would be wrong. */
const SKEW_MS_TOLD = 5_000;
const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };
/** What goes along to the other pages. */
const KEPT = ["range", "from", "to", "compare"];

export interface Asked {
  range: Range;
  at: number | null;
  /** `compare=previous`: the period before is drawn as well. */
  isCompared: boolean;
  /** What the address asked for in vain, as it stood there. */
  refused: string | null;
}

const liveFor = (seconds: number): Range => ({ start: null, end: null, seconds });

export function parameters(hash: string): URLSearchParams {
  const at = hash.indexOf("?");
  return new URLSearchParams(at < 0 ? "" : hash.slice(at + 1));
}

export const routeOf = (hash: string): string => hash.replace(/^#\/?/, "").split("?")[0] ?? "";

/** Seconds of `90s`, `15m`, `24h` or `7d`. */
export function secondsOf(text: string): number | null {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (UNITS[unit ?? ""] ?? NaN);
  return seconds >= SECONDS_MIN && seconds <= SECONDS_MAX ? seconds : null;
}

/** The shortest way to write it: `15m`, `24h`, `7d`, `90s`. */
export function rangeId(seconds: number): string {
  const preset = PRESETS.find((candidate) => candidate.seconds === seconds);
  if (preset) return preset.id;
  for (const [unit, size] of [["d", 86_400], ["h", 3_600], ["m", 60]] as const) {
    if (seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
}

/** The ends of a range, as of `now` where it ends now; Unix milliseconds. */
export function endsAt({ start, end, seconds }: Range, now: number): { start: number; end: number } {
  return start !== null && end !== null ? { start, end } : { start: now - seconds * 1_000, end: now };
}

function time(text: string | null): number | null {
  if (text === null || !/^\d{1,13}$/.test(text)) return null;
  return Number(text) <= TIME_MS_MAX ? Number(text) : null;
}

/** A span that can be shown: rounded to milliseconds, not absurdly short or long. */
export function isSpan(start: number, end: number): boolean {
  const seconds = (end - start) / 1_000;
  return start >= 0 && end <= TIME_MS_MAX && seconds >= SECONDS_MIN && seconds <= SECONDS_MAX;
}

export function readRange(hash: string): Asked {
  const asked = parameters(hash);
  const [from, to] = [time(asked.get("from")), time(asked.get("to"))];
  const at = time(asked.get("at"));
  const isCompared = asked.get("compare") === "previous";
  const unread = asked.has("at") && at === null ? `at=${asked.get("at")}` : null;
  if (from !== null && to !== null && isSpan(from, to)) {
    return { range: { start: from, end: to, seconds: (to - from) / 1_000 }, at, isCompared, refused: unread };
  }
  const text = asked.get("range");
  const seconds = text === null ? RANGE_DEFAULT.seconds : secondsOf(text);
  const isFixed = asked.has("from") || asked.has("to");
  const refused = isFixed ? `from=${asked.get("from") ?? ""}&to=${asked.get("to") ?? ""}` : seconds === null ? `range=${text}` : unread;
  return { range: liveFor(seconds ?? RANGE_DEFAULT.seconds), at, isCompared, refused: refused?.slice(0, 80) ?? null };
}

/** The address with another range or moment, everything else as it was. `undefined` keeps, `null` removes. */
export function withRange(hash: string, range?: Range, at?: number | null): string {
  const asked = parameters(hash);
  if (range) {
    for (const name of ["range", "from", "to"]) asked.delete(name);
    if (range.start !== null && range.end !== null) {
      asked.set("from", String(range.start));
      asked.set("to", String(range.end));
    } else if (range.seconds !== RANGE_DEFAULT.seconds) {
      asked.set("range", rangeId(range.seconds));
    }
  }
  if (at !== undefined) asked.delete("at");
  if (at) asked.set("at", String(at));
  return hashOf(routeOf(hash), asked);
}

export function hashOf(route: string, asked: URLSearchParams): string {
  const text = asked.toString();
  return `#/${route}${text === "" ? "" : `?${text}`}`;
}

/** The address of another page with the same range, and what is chosen there; filters and the moment are the former page's. */
export function linkTo(route: string, hash: string, chosen: Record<string, string> = {}): string {
  const kept = new URLSearchParams();
  for (const [name, value] of parameters(hash)) {
    if (KEPT.includes(name)) kept.set(name, value);
  }
  for (const [name, value] of Object.entries(chosen)) kept.set(name, value);
  return hashOf(route, kept);
}

/** What follows the address. There is one, `range`. */
export class TimeRange {
  hash = $state(location.hash);
  private brushes = 0;
  private asked = $derived(readRange(this.hash));
  /** What moved the server's clock away from the browser's, in milliseconds. */
  skew = $state(0);

  get current(): Range {
    return this.asked.range;
  }
  get at(): number | null {
    return this.asked.at;
  }
  get isCompared(): boolean {
    return this.asked.isCompared;
  }
  get refused(): string | null {
    return this.asked.refused;
  }
  get isLive(): boolean {
    return this.asked.range.end === null;
  }
  /** By how many seconds the browser's clock is ahead of the server's, where that is much. */
  get aheadSeconds(): number | null {
    return Math.abs(this.skew) > SKEW_MS_TOLD ? -this.skew / 1_000 : null;
  }
  /** The server's time, by which everything is stored. */
  now(): number {
    return Date.now() + this.skew;
  }
  /** The ends as of now, in Unix milliseconds. */
  span(): { start: number; end: number } {
    return endsAt(this.current, this.now());
  }

  follow(): () => void {
    const changed = () => (this.hash = location.hash);
    changed();
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }

  /** A range that ends now. */
  last(seconds: number): void {
    this.go(liveFor(seconds));
  }
  /** A span that was drawn over with the pointer. Escape takes it back. */
  brush(from: number, to: number): void {
    if (this.fix(from, to)) this.brushes += 1;
  }
  undoBrush(): boolean {
    if (this.brushes === 0) return false;
    this.brushes -= 1;
    history.back();
    return true;
  }
  /** A range that stands still; one that makes no sense changes nothing. */
  fix(from: number, to: number): boolean {
    const [start, end] = [Math.round(Math.min(from, to)), Math.round(Math.max(from, to))];
    if (!isSpan(start, end)) return false;
    this.go({ start, end, seconds: (end - start) / 1_000 });
    return true;
  }
  /** Half a range back (-1) or forward (1). Reaching now makes it live again. */
  shift(direction: -1 | 1): void {
    if (this.isLive && direction > 0) return;
    const { start, end } = this.span();
    const by = (direction * (end - start)) / 2;
    if (direction > 0 && end + by >= this.now()) this.last(Math.round((end - start) / 1_000));
    else this.fix(start + by, end + by);
  }
  /** The same length, twice as wide. */
  widen(): void {
    const { start, end } = this.span();
    const by = (end - start) / 2;
    if (this.isLive) this.last(Math.min(2 * this.current.seconds, SECONDS_MAX));
    else this.fix(Math.max(0, start - by), Math.min(end + by, this.now()));
  }
  toggleLive(): void {
    const { start, end } = this.span();
    if (this.isLive) this.fix(start, end);
    else this.last(Math.max(SECONDS_MIN, Math.round((end - start) / 1_000)));
  }
  select(at: number | null): void {
    this.open(withRange(this.hash, undefined, at === null ? null : Math.round(at)));
  }
  toggleCompare(): void {
    const asked = parameters(this.hash);
    if (this.isCompared) asked.delete("compare");
    else asked.set("compare", "previous");
    this.open(hashOf(routeOf(this.hash), asked));
  }
  link(route: string, chosen: Record<string, string> = {}): string {
    return linkTo(route, this.hash, chosen);
  }

  private go(range: Range): void {
    this.open(withRange(this.hash, range));
  }
  /** At once: the browser tells of a new address only later, and a key pressed before that would go by the old one. */
  private open(hash: string): void {
    location.hash = hash;
    this.hash = location.hash;
  }
}

export const range = new TimeRange();
