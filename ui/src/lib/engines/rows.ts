/** Engines as the store knows them: a row for each model of each server, from the series that name both. */
import { quote, windowOf, type Sample } from "../cluster/ask";
import { best, byName, grouped, type Figure } from "../cluster/best";
import type { Labels } from "../past";

const BY = "engine, model, instance, source";

export const FIGURES = [
  "running", "waiting", "kv", "context", "tokens", "prompt", "prefix", "ttft", "tpot", "itl", "ttft_count", "preemptions", "spec", "requests",
] as const;
export type FigureName = (typeof FIGURES)[number];

function quantile(name: string, window: string, selector: string): string {
  return `histogram_quantile(0.95, sum by (le, ${BY}) (increase(${name}_bucket${selector}[${window}])))`;
}

/** One query for each column. `seconds` is the range that percentiles and counts speak of; an hour at most, restarts excepted. */
export function columns(seconds: number, instance: string | null = null): Record<string, string> {
  const window = windowOf(seconds);
  const only = instance === null ? "" : `{instance=${quote(instance)}}`;
  const sum = (name: string) => `sum by (${BY}) (${name}${only})`;
  const rate = (name: string) => `sum by (${BY}) (rate(${name}${only}[1m]))`;
  const grown = (name: string) => `sum by (${BY}) (increase(${name}${only}[${window}]))`;
  const lookedUp = `(${grown("llm_prompt_tokens_looked_up_total")} or ${grown("llm_prompt_tokens_total")})`;
  return {
    info: `llm_engine_info${only}`,
    up: `llm_engine_up${only}`,
    loaded: `llm_model_loaded${only}`,
    stalled: `llm_engine_stalled_seconds${only} > 0`,
    restarts: `sum by (${BY}) (increase(llm_engine_restarts_total${only}[${Math.max(60, Math.round(seconds))}s]))`,
    started: `llm_engine_process_start_time_seconds${only}`,
    running: sum("llm_requests_running"),
    waiting: sum("llm_requests_waiting"),
    kv: `max by (${BY}) (llm_kv_cache_usage_ratio${only})`,
    context: `max by (${BY}) (llm_context_usage_ratio${only})`,
    tokens: rate("llm_generation_tokens_total"),
    prompt: rate("llm_prompt_tokens_total"),
    prefix: `${grown("llm_prompt_tokens_cached_total")} / (${lookedUp} > 0)`,
    ttft: quantile("llm_time_to_first_token_seconds", window, only),
    ttft_count: grown("llm_time_to_first_token_seconds_count"),
    tpot: quantile("llm_request_time_per_output_token_seconds", window, only),
    itl: quantile("llm_inter_token_latency_seconds", window, only),
    preemptions: grown("llm_preemptions_total"),
    spec: `${grown("llm_spec_decode_accepted_tokens_total")} / (${grown("llm_spec_decode_draft_tokens_total")} > 0)`,
    requests: grown("llm_requests_finished_total"),
  };
}

export interface EngineRow {
  key: string;
  instance: string;
  engine: string;
  model: string;
  version: string;
  url: string;
  pid: string;
  /** What the last reading found; `null` where nothing was read of it lately. */
  state: "up" | "down" | "unloaded" | null;
  stalled: number | null;
  restarts: number | null;
  started: number | null;
  figures: Record<FigureName, Figure | null>;
}

const replica = ({ instance, model }: Labels): string => `${instance ?? ""} ${model ?? ""}`;

/** Whether a series tells of work, and not only that something exists. */
const OF_WORK = new Set<string>(["running", "waiting", "kv", "context", "tokens", "ttft", "loaded"]);

function rowOf(instance: string, model: string, all: Sample[], mine: Sample[]): EngineRow {
  const ofEngine = (column: string) => all.find((sample) => sample.column === column);
  const info = ofEngine("info")?.labels ?? {};
  const up = ofEngine("up");
  const loaded = mine.find(({ column }) => column === "loaded");
  const state = !up ? null : up.value <= 0 ? "down" : loaded && loaded.value <= 0 ? "unloaded" : "up";
  const engine = info.engine || up?.labels.engine || mine.find(({ labels }) => labels.engine)?.labels.engine || "";
  return {
    key: `${instance} ${model}`,
    instance,
    engine,
    model,
    version: info.version ?? "",
    url: info.url ?? "",
    pid: info.pid ?? "",
    state,
    stalled: ofEngine("stalled")?.value ?? null,
    restarts: best(all.filter(({ column }) => column === "restarts"))?.value ?? null,
    started: ofEngine("started")?.value ?? null,
    figures: Object.fromEntries(FIGURES.map((name) => [name, best(mine.filter(({ column }) => column === name))])) as EngineRow["figures"],
  };
}

/** The rows in the answer to `columns`. A server without a model of its own is a row as well. */
export function rowsOf(samples: Sample[]): EngineRow[] {
  const named = samples.filter(({ labels }) => labels.instance);
  const rows: EngineRow[] = [];
  for (const [instance, all] of grouped(named, ({ labels }) => labels.instance ?? "")) {
    const main = all.find(({ column }) => column === "info" || column === "up")?.labels.model ?? "";
    const working = grouped(all, ({ labels }) => replica(labels));
    const models = [...working].filter(([, group]) => group.some(({ column }) => OF_WORK.has(column))).map(([, group]) => group[0]?.labels.model ?? "");
    // What has no model is said of the server; it is a row of its own only where there is no other.
    const shown = new Set(models.filter((model) => model !== ""));
    if (main !== "" || shown.size === 0) shown.add(main);
    for (const model of shown) {
      const mine = all.filter(({ labels }) => (labels.model ?? "") === model || (shown.size === 1 && !labels.model));
      rows.push(rowOf(instance, model, all, mine));
    }
  }
  return rows.sort((a, b) => byName(a.model, b.model) || byName(a.instance, b.instance));
}

/** TPOT where somebody measures it, else the time between tokens, which says nearly the same. */
export function perToken(row: EngineRow): { figure: Figure; name: "tpot" | "itl" } | null {
  if (row.figures.tpot) return { figure: row.figures.tpot, name: "tpot" };
  return row.figures.itl ? { figure: row.figures.itl, name: "itl" } : null;
}
