/** The charts of the overview: one entry each. A line is one query; its colour is its place. */
import type { Unit } from "./format";
import type { TextKey } from "./i18n/texts";

export interface Line {
  query: string;
  name: TextKey;
  /** A label whose value tells the series of one query apart. */
  by?: string;
}

export interface Panel {
  id: string;
  title: TextKey;
  note: TextKey;
  unit: Unit;
  /** The top of the axis where the quantity has one. */
  max?: number;
  lines: Line[];
}

const NETWORK = 'device!~"lo|veth.*|docker.*|br-.*"';
const DISK = 'device!~"loop.*|dm-.*|ram.*"';

export const PANELS: Panel[] = [
  {
    id: "tokens",
    title: "panel_tokens",
    note: "panel_tokens_note",
    unit: "per_second",
    lines: [
      { query: "sum(rate(llm_generation_tokens_total[20s]))", name: "generated" },
      { query: "sum(rate(llm_prompt_tokens_total[20s]))", name: "prompt" },
    ],
  },
  {
    id: "requests",
    title: "panel_requests",
    note: "panel_requests_note",
    unit: "count",
    lines: [
      { query: "sum(llm_requests_running)", name: "running" },
      { query: "sum(llm_requests_waiting)", name: "waiting" },
    ],
  },
  {
    id: "context",
    title: "panel_context",
    note: "panel_context_note",
    unit: "ratio",
    max: 1,
    lines: [
      { query: "max by (model) (llm_kv_cache_usage_ratio)", name: "kv_cache", by: "model" },
      { query: "max by (model) (llm_context_usage_ratio)", name: "context", by: "model" },
    ],
  },
  {
    id: "cpu",
    title: "panel_cpu",
    note: "panel_cpu_note",
    unit: "ratio",
    max: 1,
    lines: [{ query: '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[5s]))', name: "used" }],
  },
  {
    id: "memory",
    title: "panel_memory",
    note: "panel_memory_note",
    unit: "bytes",
    lines: [
      { query: "sum(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)", name: "used" },
      { query: "sum(llm_engine_process_resident_bytes)", name: "by_engines" },
    ],
  },
  {
    id: "network",
    title: "panel_network",
    note: "panel_network_note",
    unit: "bytes_per_second",
    lines: [
      { query: `sum(rate(node_network_receive_bytes_total{${NETWORK}}[5s]))`, name: "received" },
      { query: `sum(rate(node_network_transmit_bytes_total{${NETWORK}}[5s]))`, name: "sent" },
    ],
  },
  {
    id: "disk",
    title: "panel_disk",
    note: "panel_disk_note",
    unit: "bytes_per_second",
    lines: [
      { query: `sum(rate(node_disk_read_bytes_total{${DISK}}[5s]))`, name: "read" },
      { query: `sum(rate(node_disk_written_bytes_total{${DISK}}[5s]))`, name: "written" },
    ],
  },
  {
    id: "pressure",
    title: "panel_pressure",
    note: "panel_pressure_note",
    unit: "ratio",
    lines: [
      { query: "sum(rate(node_pressure_cpu_waiting_seconds_total[5s]))", name: "cpu" },
      { query: "sum(rate(node_pressure_memory_waiting_seconds_total[5s]))", name: "memory" },
      { query: "sum(rate(node_pressure_io_waiting_seconds_total[5s]))", name: "io" },
    ],
  },
];

/** Tiles show the newest value of a chart's lines, the largest of several, so that both say the same. */
export const TILES: { panel: string; lines: number[]; name: TextKey }[] = [
  { panel: "tokens", lines: [0], name: "tile_tokens" },
  { panel: "requests", lines: [0], name: "tile_running" },
  { panel: "requests", lines: [1], name: "tile_waiting" },
  { panel: "context", lines: [0, 1], name: "panel_context" },
  { panel: "cpu", lines: [0], name: "panel_cpu" },
  { panel: "memory", lines: [0], name: "panel_memory" },
];

/** Time ranges with the step that gives each some hundred points. */
export const RANGES = [
  { id: "5m", seconds: 300, step: 1 },
  { id: "15m", seconds: 900, step: 2 },
  { id: "1h", seconds: 3_600, step: 5 },
  { id: "6h", seconds: 21_600, step: 30 },
] as const;
export type RangeId = (typeof RANGES)[number]["id"];

/** What Explore proposes to those who begin. */
export const EXAMPLES = [
  "sum by (model) (rate(llm_generation_tokens_total[1m]))",
  'sum by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[1m]))',
  "llm_kv_cache_usage_ratio",
];

/** What an engine did while it worked on a request. */
export const AROUND = ["llm_requests_running", "llm_requests_waiting", "llm_kv_cache_usage_ratio"];
