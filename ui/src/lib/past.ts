/** What happened before: history as a chart draws it. The only place that knows `/api/mw/v1/range`. */
import { reach, refusal } from "./failure";
import { say, type Message } from "./prefs.svelte";

export type Labels = Record<string, string>;

export interface PastSeries {
  labels: Labels;
  /** Unix milliseconds. */
  times: number[];
  /** `null`: nothing is known from here on. */
  values: (number | null)[];
}

export interface PastResult {
  series: PastSeries[];
  /** Series that were left out because there are too many. */
  omitted: number;
  warnings: Message[];
  /** Why there is no answer, as a sentence. */
  error: string | null;
}

export interface Past {
  start: number;
  end: number;
  /** The server's clock. */
  now: number;
  stepMs: number;
  results: PastResult[];
}

/** As the server says it. */
interface Answered {
  series?: PastSeries[];
  omitted?: number;
  warnings?: Message[];
  error?: Message & { text?: string };
}

/** The server takes so many queries at once, and draws so many pixels. */
export const QUERIES_MAX = 16;
const PX_MAX = 4_000;
/** More lines than these nobody can tell apart. */
export const SERIES_MAX = 64;

/** Fails with a `Failure`, or as aborted. */
export async function past(
  queries: string[], start: number, end: number, px: number, signal?: AbortSignal, seriesMax = SERIES_MAX,
): Promise<Past> {
  const form = new URLSearchParams({
    start: String(Math.floor(start)), end: String(Math.ceil(end)),
    px: String(Math.min(PX_MAX, Math.max(1, Math.round(px)))), series_max: String(seriesMax),
  });
  for (const query of queries.slice(0, QUERIES_MAX)) form.append("query", query);
  const answer = await reach("/api/mw/v1/range", { method: "POST", body: form, signal });
  if (!answer.ok) throw refusal(answer, ((await answer.json().catch(() => ({}))) as { error?: string }).error);
  const body = await answer.json();
  signal?.throwIfAborted();
  return {
    start: body.start, end: body.end, now: body.now, stepMs: body.step_ms,
    results: (body.results as Answered[]).map((result) => ({
      series: result.series ?? [],
      omitted: result.omitted ?? 0,
      warnings: result.warnings ?? [],
      error: result.error ? say(result.error) : null,
    })),
  };
}
