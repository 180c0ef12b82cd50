/** The objects of the gateway's part of `docs/api.md`, and how they are asked for. */
import { Failure, reach, refusal } from "../failure";
import type { Span } from "../explore/address";

export const OUTCOMES = ["ok", "client_abort", "upstream_error", "truncated", "timeout", "refused"] as const;
export type Outcome = (typeof OUTCOMES)[number];
export const MEASURES = ["ttft", "tpot", "e2e", "total"] as const;
export type Measure = (typeof MEASURES)[number];
export const GROUPS = ["model", "key", "outcome", "upstream"] as const;
export type Group = (typeof GROUPS)[number];

/** Absent, from servers in either way of saying it. */
export type Maybe<T> = T | null | undefined;

export interface Gaps {
  count: number;
  p50_ms: Maybe<number>;
  p99_ms: Maybe<number>;
  longest_ms: Maybe<number>;
  /** The upper end of each and how many it has; those without any are left out. */
  buckets: [number, number][];
}

/** One request and its answer. Durations count from the last byte of the request. */
export interface Exchange {
  id: string;
  /** Unix milliseconds. */
  time: number;
  request_id?: Maybe<string>;
  trace_id?: Maybe<string>;
  method?: Maybe<string>;
  path?: Maybe<string>;
  api?: Maybe<string>;
  operation?: Maybe<string>;
  client?: Maybe<string>;
  user_agent?: Maybe<string>;
  key_id?: Maybe<string>;
  key_name?: Maybe<string>;
  model_asked?: Maybe<string>;
  model?: Maybe<string>;
  upstream?: Maybe<string>;
  is_stream?: Maybe<boolean>;
  status?: Maybe<number>;
  outcome: Outcome;
  refusal?: Maybe<string>;
  error?: Maybe<string>;
  finish_reason?: Maybe<string>;
  queued_ms?: Maybe<number>;
  connect_ms?: Maybe<number>;
  headers_ms?: Maybe<number>;
  first_chunk_ms?: Maybe<number>;
  ttft_ms?: Maybe<number>;
  ttfa_ms?: Maybe<number>;
  tpot_ms?: Maybe<number>;
  e2e_ms?: Maybe<number>;
  total_ms?: Maybe<number>;
  request_read_ms?: Maybe<number>;
  client_blocked_ms?: Maybe<number>;
  engine_load_ms?: Maybe<number>;
  engine_prefill_ms?: Maybe<number>;
  engine_tpot_ms?: Maybe<number>;
  tokens_input?: Maybe<number>;
  tokens_output?: Maybe<number>;
  tokens_cached?: Maybe<number>;
  tokens_reasoning?: Maybe<number>;
  is_exact?: Maybe<boolean>;
  request_bytes?: Maybe<number>;
  response_bytes?: Maybe<number>;
  parameters?: Maybe<Record<string, string | number | boolean>>;
  gaps?: Maybe<Gaps>;
  is_partially_observed?: Maybe<boolean>;
  is_retried?: Maybe<boolean>;
  is_cold?: Maybe<boolean>;
  problems?: Maybe<number>;
  has_bodies?: Maybe<boolean>;
}

export interface Page {
  requests: Exchange[];
  next: string | null;
  total: number;
}

export interface Gateway {
  enabled: boolean;
  addresses: string[];
  upstreams: { name: string; is_up: boolean; in_flight: number; models: string[] }[];
  counters: Record<string, number>;
  keeps_bodies: boolean;
}

export interface Percentiles {
  p50?: Maybe<number>;
  p95?: Maybe<number>;
  p99?: Maybe<number>;
}

export interface SummaryRow {
  /** Absent for those that have no such value, such as no key. */
  group: Maybe<string>;
  count: number;
  errors: number;
  tokens_input: Maybe<number>;
  tokens_output: Maybe<number>;
  ttft_ms?: Maybe<Percentiles>;
  tpot_ms?: Maybe<Percentiles>;
  e2e_ms?: Maybe<Percentiles>;
}

export interface HeatMap {
  measure: Measure;
  start: number;
  step_ms: number;
  /** The upper end of each bucket, ascending. */
  bounds_ms: number[];
  /** Of each column the count of each bucket. */
  counts: number[][];
}

export interface Body {
  text: string;
  is_cut: boolean;
}

const ROOT = "/api/mw/v1/";

/** Asks for JSON. Throws a `Failure`, or what an abort throws. Parameters that are empty are left out. */
export async function ask<T>(path: string, parameters: Record<string, Maybe<string | number>>, signal?: AbortSignal): Promise<T> {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  const answer = await reach(`${ROOT}${path}${query === "" ? "" : `?${query}`}`, { signal });
  const body = (await answer.json().catch(() => null)) as (T & { error?: string; code?: string; params?: Record<string, string> }) | null;
  signal?.throwIfAborted();
  if (answer.ok && body !== null) return body;
  if (answer.ok) throw new Failure("unreadable", `${path}: ${answer.status}`);
  const told = body?.code === undefined ? null : { code: body.code, params: body.params ?? {} };
  throw refusal(answer, body?.error, told);
}

/** What is asked for in a time. */
export interface Wanted extends Span {
  filter: string;
}

/** One that is off has nothing else to tell. */
export async function askGateway(signal?: AbortSignal): Promise<Gateway> {
  const off = { enabled: false, addresses: [], upstreams: [], counters: {}, keeps_bodies: false };
  return { ...off, ...(await ask<Partial<Gateway>>("gateway", {}, signal)) };
}
export const askRequest = (id: string, signal?: AbortSignal) => ask<Exchange>(`requests/${encodeURIComponent(id)}`, {}, signal);
/** Each call is a reading that the server writes into its audit log. */
export const askBodies = (id: string) => ask<{ request?: Maybe<Body>; response?: Maybe<Body> }>(`requests/${encodeURIComponent(id)}/bodies`, {});
/** `sort` is a column of the list, with a minus the largest first; the server knows the fields behind them. */
export const askPage = (wanted: Wanted, sort: string, limit: number, cursor: string | null, signal?: AbortSignal) =>
  ask<Page>("requests", { ...wanted, sort: sort.replace(/[a-z0-9]+$/, fieldOf), limit, cursor }, signal);
const fieldOf = (column: string): string => (column === "time" ? column : column === "output" ? "tokens_output" : `${column}_ms`);
export const askSummary = (wanted: Wanted, by: Group, signal?: AbortSignal) =>
  ask<{ rows: SummaryRow[] }>("requests/summary", { ...wanted, by }, signal);
export const askHeatMap = (wanted: Wanted, measure: Measure, columns: number, signal?: AbortSignal) =>
  ask<HeatMap>("requests/heatmap", { ...wanted, measure, columns }, signal);
