/** Asks the Prometheus API, and reads its answers. */
import { Failure, reach, refusal } from "../failure";
import type { Labels } from "../past";
import type { Span } from "./address";

/** One bucket: which of its bounds belong to it (0 the upper, 1 the lower, 2 neither, 3 both), the bounds, the count. */
export type Bucket = [number, string, string, string];

export interface Histogram {
  count: string;
  sum: string;
  /** Those that are not empty. */
  buckets?: Bucket[];
}

/** One result: its points, or at one time its value. Times are Unix seconds, numbers as the server wrote them. */
export interface Series {
  labels: Labels;
  values: [number, string][];
  histograms: [number, Histogram][];
}

export interface Cost {
  series: number;
  /** Samples that were read; not every server says so. */
  samples: number | null;
  milliseconds: number;
}

export type Kind = "vector" | "matrix" | "scalar" | "string";

export interface Answer {
  kind: Kind;
  series: Series[];
  warnings: string[];
  infos: string[];
  cost: Cost;
}

/** Takes the place out of an error text such as `invalid parameter "query": 1:5: parse error: ...`. */
export function failureOf(text: string): Failure {
  const found = /^(?:invalid parameter "query": )?(\d{1,9}):(\d{1,9}): (.*)$/s.exec(text);
  if (!found) return new Failure("server", text);
  return new Failure("server", found[3] ?? "", { line: Number(found[1]), column: Number(found[2]) });
}

interface Body {
  status?: string;
  error?: string;
  data?: unknown;
  warnings?: string[];
  infos?: string[];
}

/** The whole answer of an endpoint. Throws a `Failure`, or what an abort throws. */
export async function fetchBody(path: string, signal: AbortSignal, form?: URLSearchParams): Promise<Body> {
  const answer = await reach(path, form ? { method: "POST", body: form, signal } : { signal });
  const body = await answer.json().then(
    (body) => body as Body,
    () => null,
  );
  signal.throwIfAborted();
  if (answer.ok && body?.status === "success") return body;
  if (answer.status === 404) throw new Failure("missing", body?.error ?? path);
  throw body?.error ? failureOf(body.error) : refusal(answer, undefined);
}

interface RawSeries {
  metric?: Labels;
  value?: [number, string];
  values?: [number, string][];
  histogram?: [number, Histogram];
  histograms?: [number, Histogram][];
}

function seriesOf(kind: Kind, result: unknown): Series[] {
  if (kind === "scalar" || kind === "string") {
    return [{ labels: {}, values: [result as [number, string]], histograms: [] }];
  }
  return (result as RawSeries[]).map((raw) => ({
    labels: raw.metric ?? {},
    values: raw.values ?? (raw.value ? [raw.value] : []),
    histograms: raw.histograms ?? (raw.histogram ? [raw.histogram] : []),
  }));
}

interface Stats {
  timings?: { execTotalTime?: number };
  samples?: { totalQueryableSamples?: number; series?: number };
}

/** Reads the answer of `query` or `query_range`. `milliseconds` counts when the server does not say its own. */
export function answerOf(body: Body, milliseconds: number): Answer {
  const data = body.data as { resultType: Kind; result: unknown; stats?: Stats };
  const series = seriesOf(data.resultType, data.result);
  const { timings, samples } = data.stats ?? {};
  return {
    kind: data.resultType,
    series,
    warnings: body.warnings ?? [],
    infos: body.infos ?? [],
    cost: {
      series: samples?.series ?? series.length,
      samples: samples?.totalQueryableSamples ?? null,
      milliseconds: timings?.execTotalTime === undefined ? milliseconds : timings.execTotalTime * 1_000,
    },
  };
}

async function ask(path: string, form: Record<string, string>, signal: AbortSignal): Promise<Answer> {
  const started = performance.now();
  const body = await fetchBody(path, signal, new URLSearchParams({ ...form, stats: "all" }));
  return answerOf(body, performance.now() - started);
}

/** A query at one time; without one, now. */
export function askInstant(query: string, time: number | null, signal: AbortSignal): Promise<Answer> {
  const at: Record<string, string> = time === null ? {} : { time: String(time / 1_000) };
  return ask("/api/v1/query", { query, ...at }, signal);
}

/** A query over a span, every `step` seconds. */
export function askRange(query: string, { start, end }: Span, step: number, signal: AbortSignal): Promise<Answer> {
  const form = { query, start: String(start / 1_000), end: String(end / 1_000), step: String(step) };
  return ask("/api/v1/query_range", form, signal);
}
