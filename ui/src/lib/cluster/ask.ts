/**
 * What the pages of a cluster ask the store for. The lists of engines, accelerators and hosts come from series, so that
 * they are the same for one machine and for many, now and in the past.
 */
import { askInstant } from "../explore/ask";
import { past, type Labels, type PastSeries } from "../past";

/** One value: which column it belongs to, and whose it is. */
export interface Sample {
  column: string;
  labels: Labels;
  value: number;
}

/** The label in which a column's name travels with its series; no exporter has it. */
const COLUMN = "modelwatch_column";

/** One query for all columns: one evaluation, so that a row never shows values of two moments. */
export function union(columns: Record<string, string>): string {
  const parts = Object.entries(columns).map(([name, query]) => `label_replace(${query}, "${COLUMN}", "${name}", "", "")`);
  return joined(parts);
}

/** In pairs of pairs: a chain would copy the first column once for each of the others. */
function joined(parts: string[]): string {
  if (parts.length <= 2) return parts.join(" or ");
  const half = Math.ceil(parts.length / 2);
  return `(${joined(parts.slice(0, half))}) or (${joined(parts.slice(half))})`;
}

/** Reads the answer to a `union`. What is no finite number says nothing and is left out: it shows as n/a. */
export function samplesOf(series: { labels: Labels; values: [number, string][] }[]): Sample[] {
  return series.flatMap(({ labels: { [COLUMN]: column = "", ...labels }, values }) => {
    const value = Number(values.at(-1)?.[1] ?? NaN);
    return Number.isFinite(value) ? [{ column, labels, value }] : [];
  });
}

/** All columns at one time; without one, now. */
export async function askColumns(columns: Record<string, string>, time: number | null, signal: AbortSignal): Promise<Sample[]> {
  return samplesOf((await askInstant(union(columns), time, signal)).series);
}

/** A series over a range. */
export type Track = PastSeries;

export interface Ranged {
  /** Milliseconds that one pixel stands for: what lies further apart is not joined. */
  step: number;
  /** By query; `null` where it could not be answered. */
  results: (Track[] | null)[];
  /** By query, why not. */
  errors: (string | null)[];
  /** By query, the period before, moved into this one; none where it was not asked for. */
  before: Track[][];
}

/** Series that one query may bring; the server's own limit. */
const SERIES_MAX = 500;

/** Queries over a range, reduced by the server to what `px` pixels can show. */
export async function askRanges(queries: string[], { start, end }: { start: number; end: number }, px: number, signal: AbortSignal, hasPrevious = false): Promise<Ranged> {
  const length = end - start;
  const [{ stepMs, results }, before] = await Promise.all([
    past(queries, start, end, px, signal, SERIES_MAX),
    hasPrevious ? past(queries, start - length, start, px, signal, SERIES_MAX) : null,
  ]);
  return {
    step: stepMs,
    results: results.map(({ series, error }) => (error === null ? series : null)),
    errors: results.map(({ error }) => error),
    before: (before?.results ?? []).map(({ series }) => series.map((track) => ({ ...track, times: track.times.map((time) => time + length) }))),
  };
}

/** Seconds as a window of PromQL, within what is read without effort. */
export function windowOf(seconds: number): string {
  return `${Math.round(Math.min(3_600, Math.max(60, seconds)))}s`;
}

/** A label's value as PromQL writes it. */
export const quote = (text: string): string => JSON.stringify(text);

/** The text as a regular expression that matches nothing else. */
export const literal = (text: string): string => text.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
