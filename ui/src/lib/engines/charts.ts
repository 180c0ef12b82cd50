/** What the details of an engine show over time: queries, and the lanes that their answers make. */
import { literal, quote, type Track } from "../cluster/ask";
import { SOURCES } from "../cluster/best";

const BY = "engine, model, instance, source";

/** The series of one replica, and of what its server does for all its models. */
export interface Replica {
  instance: string;
  model: string;
}

/** Where rates and percentiles over time are taken; the server widens it to a pixel where that is longer. */
const WINDOW = "1m";
const QUANTILE_WINDOW = "2m";
export const QUANTILE_WINDOW_MS = 120_000;

export const CHARTS = ["running", "waiting", "generated", "prompt", "kv", "context", "ttft", "tpot", "itl", "preemptions", "cpu", "memory", "ttft_rate", "tpot_rate", "itl_rate"] as const;
export type ChartName = (typeof CHARTS)[number];

export function chartQueries({ instance, model }: Replica): Record<ChartName, string> {
  // Series without a model are of the whole server.
  const only = `{instance=${quote(instance)}${model ? `,model=~${quote(`${literal(model)}|`)}` : ""}}`;
  const quantile = (name: string) => `histogram_quantile(0.95, sum by (le, ${BY}) (rate(${name}_bucket${only}[${QUANTILE_WINDOW}])))`;
  const count = (name: string) => `sum by (${BY}) (rate(${name}_count${only}[${QUANTILE_WINDOW}]))`;
  const rate = (name: string) => `sum by (${BY}) (rate(${name}${only}[${WINDOW}]))`;
  return {
    running: `llm_requests_running${only}`,
    waiting: `llm_requests_waiting${only}`,
    generated: rate("llm_generation_tokens_total"),
    prompt: rate("llm_prompt_tokens_total"),
    kv: `llm_kv_cache_usage_ratio${only}`,
    context: `llm_context_usage_ratio${only}`,
    ttft: quantile("llm_time_to_first_token_seconds"),
    tpot: quantile("llm_request_time_per_output_token_seconds"),
    itl: quantile("llm_inter_token_latency_seconds"),
    preemptions: rate("llm_preemptions_total"),
    cpu: `sum by (${BY}) (rate(llm_engine_process_cpu_seconds_total{instance=${quote(instance)}}[${WINDOW}]))`,
    memory: `llm_engine_process_resident_bytes{instance=${quote(instance)}}`,
    ttft_rate: count("llm_time_to_first_token_seconds"),
    tpot_rate: count("llm_request_time_per_output_token_seconds"),
    itl_rate: count("llm_inter_token_latency_seconds"),
  };
}

/** Of the series of one query the one from the best source; they are never mixed. */
export function bestTrack(tracks: Track[]): Track | null {
  const rank = ({ labels }: Track) => {
    const at = (SOURCES as readonly string[]).indexOf(labels.source ?? "");
    return at < 0 ? SOURCES.length : at;
  };
  return [...tracks].filter(({ values }) => values.some((value) => value !== null)).sort((a, b) => rank(a) - rank(b))[0] ?? null;
}

export const FLEET = ["ttft", "itl", "generated", "waiting", "kv"] as const;
export type FleetName = (typeof FLEET)[number];

const quantileOfAll = (name: string) => `histogram_quantile(0.95, sum by (le, ${BY}) (rate(${name}_bucket[${QUANTILE_WINDOW}])))`;

/** The same of all replicas at once, in the order of `FLEET`. */
export const FLEET_QUERIES: Record<FleetName, string> = {
  ttft: quantileOfAll("llm_time_to_first_token_seconds"),
  itl: quantileOfAll("llm_inter_token_latency_seconds"),
  generated: `sum by (${BY}) (rate(llm_generation_tokens_total[${WINDOW}]))`,
  waiting: "llm_requests_waiting",
  kv: "llm_kv_cache_usage_ratio",
};
