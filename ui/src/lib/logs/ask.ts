/** The objects of `/api/mw/v1/logs` (`docs/api.md`), and how they are asked for. */
import { reach, refusal } from "../failure";
import type { Span } from "../explore/address";
import { ask } from "../requests/ask";

/** From the gravest to the least. */
export const SEVERITIES = ["fatal", "error", "warn", "info", "debug", "trace"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** A text in both languages, from the table of known lines. */
export interface Both {
  en: string;
  zh: string;
}

/** What is known of a line that engines, drivers or the kernel write. */
export interface Known {
  code: string;
  severity: Severity;
  cause: Both;
  remedy: Both;
  link?: string | null;
}

/** One line, or several that belong together. What is not known is absent. */
export interface Line {
  /** Absent from lines that have only just come. */
  id?: string | null;
  /** Unix milliseconds. */
  time: number;
  severity?: Severity | null;
  body: string;
  source?: string;
  origin?: string;
  host?: string;
  service?: string;
  engine?: string;
  instance?: string;
  model?: string;
  attributes?: Record<string, string>;
  known?: Known[];
}

export interface Page {
  lines: Line[];
  next: string | null;
  total: number;
  /** Records that the store could not read. */
  damaged?: number;
}

export interface Histogram {
  step_ms: number;
  start: number;
  series: { key: string | null; counts: number[] }[];
}

export interface Facet {
  field: string;
  /** `null` counts the lines without such a value. */
  values: { value: string | null; count: number }[];
  /** Lines of further values. */
  others: number;
}

export interface Pattern {
  pattern: string;
  count: number;
  first: number;
  last: number;
  severity?: Severity | null;
  example: Line;
  trend: number[];
}

export interface Patterns {
  patterns: Pattern[];
  /** How many patterns there are. */
  total: number;
  /** Lines of those that are not told. */
  others: number;
}

export interface Finding {
  code: string;
  severity: Severity;
  count: number;
  first: number;
  last: number;
  cause: Both;
  remedy: Both;
  link?: string | null;
  instances: string[];
  evidence: Line[];
}

export interface Context {
  lines: Line[];
  /** Which of them was asked about. */
  at: number;
}

export interface SavedSearch {
  name: string;
  filter: string;
}

/** Which lines of which time. */
export interface Wanted extends Span {
  filter: string;
}

const whole = ({ filter, start, end }: Wanted) => ({ filter, start: Math.floor(start), end: Math.ceil(end) });

/** The newest first. */
export const askPage = (wanted: Wanted, limit: number, cursor: string | null, signal?: AbortSignal) =>
  ask<Page>("logs", { ...whole(wanted), limit, cursor }, signal);
export const askHistogram = (wanted: Wanted, columns: number, signal?: AbortSignal) =>
  ask<Histogram>("logs/histogram", { ...whole(wanted), columns, by: "severity" }, signal);
/** Without `field` the usual ones. */
export const askFacets = (wanted: Wanted, limit: number, field: string | null, signal?: AbortSignal) =>
  ask<{ facets: Facet[] }>("logs/facets", { ...whole(wanted), limit, field }, signal);
export const askPatterns = (wanted: Wanted, limit: number, signal?: AbortSignal) =>
  ask<Patterns>("logs/patterns", { ...whole(wanted), limit }, signal);
export const askContext = (id: string, time: number, before: number, after: number, signal?: AbortSignal) =>
  ask<Context>("logs/context", { id, time, before, after }, signal);
/** Of one engine, or of all. */
export const askFindings = ({ start, end }: Span, instance: string | null, signal?: AbortSignal) =>
  ask<{ findings: Finding[] }>("logs/findings", { start: Math.floor(start), end: Math.ceil(end), instance }, signal);
export const askSaved = (signal?: AbortSignal) => ask<{ searches: SavedSearch[] }>("logs/saved", {}, signal);

const SAVED = "/api/mw/v1/logs/saved";

async function change(path: string, init: RequestInit): Promise<void> {
  const answer = await reach(path, init);
  if (answer.ok) return;
  const body = (await answer.json().catch(() => null)) as { error?: string; code?: string; params?: Record<string, string> } | null;
  throw refusal(answer, body?.error, body?.code === undefined ? null : { code: body.code, params: body.params ?? {} });
}
export const save = (search: SavedSearch) =>
  change(SAVED, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(search) });
export const forget = (name: string) => change(`${SAVED}?${new URLSearchParams({ name })}`, { method: "DELETE" });

/** Where a file of these lines comes from. */
export function exportPath(wanted: Wanted, format: "ndjson" | "csv"): string {
  const { filter, start, end } = whole(wanted);
  return `/api/mw/v1/logs/export?${new URLSearchParams({ filter, start: String(start), end: String(end), format })}`;
}
