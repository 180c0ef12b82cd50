/**
 * What the overview asks for. Several sources may have measured the same: of each engine the nearest to the truth
 * counts, they are never added. Sums and worst-of are named on what shows them; percentiles come from buckets.
 */
import { askColumns, quote } from "../cluster/ask";
import { SOURCES } from "../cluster/best";
import type { Unit } from "../format";
import { o, type OverviewText } from "../i18n/overview";
import type { Line, Panel } from "../panels";

/** Engines are read every 5 s, targets of others every 15 s: shorter windows have too few samples. */
const WINDOW = "1m";
const WINDOW_MS = 60_000;
const TTFT = "llm_time_to_first_token_seconds";
const TPOT = "llm_request_time_per_output_token_seconds";
const MEASURED = SOURCES.slice(0, 2);

/** One value per engine, from its best source. */
const perEngine = (of: (source: string) => string): string =>
  MEASURED.map((source) => `sum by (instance) (${of(`source="${source}"`)})`).join(" or ");
const rate = (metric: string) => `sum(${perEngine((source) => `rate(${metric}{${source}}[${WINDOW}])`)})`;
const sum = (metric: string) => `sum(${perEngine((source) => `${metric}{${source}}`)})`;

/** The percentile of each model, of which the worst counts. */
function worstQuantile(metric: string, quantile: number): string {
  const of = (source: string) =>
    `histogram_quantile(${quantile}, sum by (le, engine, model) (rate(${metric}_bucket{source="${source}"}[${WINDOW}])))`;
  // A percentile of nothing is no number, and no number is not the worst.
  return `max((${MEASURED.map(of).join(" or ")}) >= 0)`;
}

const FAILED = 'outcome!~"ok|client_abort"';
const ERRORS =
  `(sum(rate(llm_requests_total{${FAILED}}[5m])) or 0 * sum(rate(llm_requests_total[5m]))) / (sum(rate(llm_requests_total[5m])) > 0)` +
  ` or (sum(rate(llm_requests_finished_total{reason="error"}[5m])) or 0 * sum(rate(llm_requests_finished_total[5m]))) / (sum(rate(llm_requests_finished_total[5m])) > 0)`;

export interface Tile {
  id: "requests" | "tokens" | "ttft" | "tpot" | "kv" | "errors";
  query: string;
  unit: Unit;
  note: OverviewText;
  /** Where more of it is. */
  page: string;
  max?: number;
}

export const TILES: Tile[] = [
  {
    id: "requests", unit: "count", note: "note_sum", page: "requests",
    query: `sum(${MEASURED.map((source) => `sum by (instance) (rate(${source === "engine" ? "llm_requests_finished_total" : "llm_requests_total"}{source="${source}"}[${WINDOW}]))`).join(" or ")})`,
  },
  { id: "tokens", unit: "count", note: "note_sum", page: "engines", query: rate("llm_generation_tokens_total") },
  { id: "ttft", unit: "seconds", note: "note_worst_model", page: "requests", query: worstQuantile(TTFT, 0.95) },
  { id: "tpot", unit: "seconds", note: "note_worst_model", page: "engines", query: worstQuantile(TPOT, 0.95) },
  { id: "kv", unit: "ratio", note: "note_fullest_of_all", page: "engines", max: 1, query: "max(llm_kv_cache_usage_ratio)" },
  { id: "errors", unit: "ratio", note: "note_errors", page: "requests", query: ERRORS },
];

/** Requests whose latencies are in the same buckets, so that they can be put together. */
export interface Group {
  engine: string;
  model: string;
  source: string;
}

/** The model; its engine as well where others serve a model of that name. */
export function groupName({ engine, model }: Group, all: Group[]): string {
  const isShared = all.filter((other) => other.model === model).length > 1;
  return model && isShared ? `${model} · ${engine}` : model || engine;
}
const selector = ({ engine, model, source }: Group): string =>
  `engine=${quote(engine)},model=${quote(model)},source=${quote(source)}`;
export const bucketsOf = (group: Group): string => `sum by (le) (rate(${TTFT}_bucket{${selector(group)}}[${WINDOW}]))`;

/** The groups that have a TTFT; the worst first. Of several sources of one model the best. */
export async function askGroups(time: number | null, signal: AbortSignal): Promise<Group[]> {
  const by = "engine, model, source";
  const samples = await askColumns(
    { there: `sum by (${by}) (${TTFT}_count)`, p95: `histogram_quantile(0.95, sum by (le, ${by}) (rate(${TTFT}_bucket[15m])))` },
    time,
    signal,
  );
  const p95 = new Map(samples.filter(({ column }) => column === "p95").map(({ labels, value }) => [JSON.stringify([labels.engine, labels.model, labels.source]), value]));
  const groups = samples
    .filter(({ column }) => column === "there")
    .map(({ labels: { engine = "", model = "", source = "" } }) => ({ engine, model, source, p95: p95.get(JSON.stringify([engine, model, source])) ?? -1 }))
    .filter((group, _, all) => !all.some((other) => other.model === group.model && other.source !== group.source && rank(other.source) < rank(group.source)));
  return groups.sort((a, b) => b.p95 - a.p95 || a.model.localeCompare(b.model)).map(({ engine, model, source }) => ({ engine, model, source }));
}
const rank = (source: string): number => (SOURCES as readonly string[]).indexOf(source) >>> 0;

/** `name` is the group's among all. */
export function percentiles(group: Group, name: string, objective: number | null): Panel {
  const line = (quantile: number, text: OverviewText, hue: number): Line => ({
    query: `histogram_quantile(${quantile}, ${bucketsOf(group)})`, name: () => o(text), hue,
  });
  return {
    id: "ttft",
    title: () => o("ttft_percentiles"),
    note: () => o("note_group", { name, source: o(group.source === "gateway" ? "by_gateway" : "by_engine") }),
    unit: "seconds",
    needs: "engine_histograms",
    lines: [line(0.95, "p95", 0), line(0.5, "p50", 0), line(0.99, "p99", 1)],
    band: [0, 1],
    few: { query: `sum(rate(${TTFT}_count{${selector(group)}}[${WINDOW}]))`, windowMs: WINDOW_MS },
    objective,
  };
}

export const QUEUE: Panel = {
  id: "queue",
  title: () => o("queue"),
  note: () => o("note_sum"),
  unit: "count",
  needs: "engine",
  lines: [
    { query: sum("llm_requests_running"), name: "running", hasFill: true, hue: 2 },
    { query: sum("llm_requests_waiting"), name: "waiting", hasFill: true, hue: 1 },
    { query: sum("llm_slots"), name: () => o("slots"), isLimit: true },
  ],
};

export const KV: Panel = {
  id: "kv",
  title: () => o("kv_title"),
  note: () => o("note_fullest"),
  unit: "ratio",
  max: 1,
  needs: "engine",
  lines: [
    { query: "max by (model) (llm_kv_cache_usage_ratio)", name: "kv_cache", by: "model", hasFill: true, hue: 3 },
    { query: "max by (model) (llm_context_usage_ratio)", name: "context", by: "model", hue: 4 },
  ],
  rug: { query: `sum(increase(llm_preemptions_total[${WINDOW}]))`, name: () => o("preemptions") },
};

export interface StackRow {
  name: OverviewText;
  /** What its lines are of all instances, said on hover. */
  note: OverviewText;
  unit: Unit;
  max?: number;
  lines: Line[];
}

export const TOKENS: StackRow[] = [
  { name: "prefill", note: "note_sum", unit: "per_second", lines: [{ query: rate("llm_prompt_tokens_total"), name: () => o("prefill"), hasFill: true, hue: 0 }] },
  { name: "decode", note: "note_sum", unit: "per_second", lines: [{ query: rate("llm_generation_tokens_total"), name: () => o("decode"), hasFill: true, hue: 2 }] },
];

const CORE = 'accelerator_temperature_celsius{sensor="core"}';
export const GPU: StackRow[] = [
  {
    name: "gpu_utilization", note: "note_extremes", unit: "ratio", max: 1,
    lines: [
      { query: "max(accelerator_utilization_ratio)", name: () => o("highest"), hue: 2 },
      { query: "min(accelerator_utilization_ratio)", name: () => o("lowest"), hue: 2 },
    ],
  },
  {
    name: "gpu_memory", note: "note_highest", unit: "ratio", max: 1,
    lines: [{ query: "max(accelerator_memory_used_bytes / accelerator_memory_total_bytes)", name: () => o("highest"), hue: 3 }],
  },
  { name: "gpu_power", note: "note_sum_devices", unit: "watts", lines: [{ query: "sum(accelerator_power_watts)", name: () => o("sum"), hue: 1 }] },
  { name: "gpu_temperature", note: "note_highest", unit: "celsius", lines: [{ query: `max(${CORE}) or max(accelerator_temperature_celsius)`, name: () => o("highest"), hue: 0 }] },
];

