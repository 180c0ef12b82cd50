/** What Explore shows, as its address says it: whoever has the link sees the same. */
import { hashOf, parameters, rangeId, readRange, secondsOf, type Range } from "../range.svelte";

/** Steps to choose from, in seconds. */
export const STEPS = [1, 5, 15, 60, 300, 900, 3_600];
export const VIEWS = ["graph", "table", "cardinality"] as const;
export type View = (typeof VIEWS)[number];

export const QUERIES_MAX = 6;
export const QUERY_LENGTH_MAX = 16_384;
/** The server refuses more points of a series. */
const POINTS_MAX = 11_000;
const POINTS_WANTED = 500;
const ROUND_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];

export interface Span {
  /** Unix milliseconds. */
  start: number;
  end: number;
}

export interface Explored {
  /** At least one, which may be empty. */
  queries: string[];
  range: string;
  /** Fixed times in place of a range that ends now. */
  span: Span | null;
  /** Seconds; `null` lets the page choose. */
  step: number | null;
  view: View;
}

const DEFAULT_RANGE = "15m";

/** `from` and `to`, where both make sense. */
export function spanOf(given: URLSearchParams): Span | null {
  const { start, end } = readRange(`?${given}`).range;
  return start !== null && end !== null ? { start, end } : null;
}

/** Reads `#/explore?...`. What makes no sense is replaced by what is usual. */
export function read(hash: string): Explored {
  const given = parameters(hash);
  const queries = given.getAll("q").slice(0, QUERIES_MAX).map((query) => query.slice(0, QUERY_LENGTH_MAX));
  const { range: asked } = readRange(hash);
  const range = asked.end === null ? rangeId(asked.seconds) : DEFAULT_RANGE;
  const step = STEPS.find((step) => String(step) === given.get("step")) ?? null;
  const view = VIEWS.find((view) => view === given.get("view")) ?? "graph";
  return { queries: queries.length > 0 ? queries : [""], range, span: spanOf(given), step, view };
}

/** The address of a state; what is usual is left out. */
export function address(state: Partial<Explored>): string {
  const given = new URLSearchParams();
  for (const query of state.queries ?? []) given.append("q", query);
  if (state.span) {
    given.set("from", String(state.span.start));
    given.set("to", String(state.span.end));
  }
  if (state.range && state.range !== DEFAULT_RANGE) given.set("range", state.range);
  if (state.step) given.set("step", String(state.step));
  if (state.view && state.view !== "graph") given.set("view", state.view);
  return hashOf("explore", given);
}

/** Explore with these queries, as many as it takes, over the same range. */
export function exploreLink(queries: string[], { start, end, seconds }: Range): string {
  const shown = queries.slice(0, QUERIES_MAX);
  return address(start !== null && end !== null ? { queries: shown, span: { start, end } } : { queries: shown, range: rangeId(seconds) });
}

/** The span that is asked for, in milliseconds. */
export function spanAt(state: Explored, now: number): Span {
  if (state.span) return state.span;
  const seconds = secondsOf(state.range) ?? 900;
  return { start: now - seconds * 1_000, end: now };
}

/** Seconds between two points: what was asked for, unless that were too many; else some hundred points. */
export function stepOf(state: Explored): number {
  const { start, end } = spanAt(state, 1e15);
  const seconds = (end - start) / 1_000;
  const wanted = state.step ?? seconds / POINTS_WANTED;
  const least = Math.max(wanted, seconds / (POINTS_MAX - 1));
  if (state.step && least === state.step) return state.step;
  return ROUND_STEPS.find((step) => step >= least) ?? Math.ceil(least);
}

/** The whole steps within a span: the same at every run, so that a reload draws the same points. */
export function aligned({ start, end }: Span, step: number): Span {
  const size = step * 1_000;
  return { start: Math.ceil(start / size) * size, end: Math.floor(end / size) * size };
}

/** Seconds as PromQL writes them: `90s`, `5m`, `2h`. */
export function duration(seconds: number): string {
  for (const [unit, size] of [["d", 86_400], ["h", 3_600], ["m", 60]] as const) {
    if (seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
}

/** The name of a query beside others. */
export const letter = (index: number): string => String.fromCharCode(65 + index);
