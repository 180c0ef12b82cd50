/** Charts as data: a panel has lines, a line is one query. What draws them is `Chart.svelte`. */
import type { Unit } from "./format";
import type { TextKey } from "./i18n/texts";
import { t } from "./prefs.svelte";

/** A text of the first page, or what says one of a catalogue that is loaded late. */
export type Text = TextKey | (() => string);
export const textOf = (text: Text): string => (typeof text === "function" ? text() : t(text));

/** What must exist for a panel to have data; `lib/Empty.svelte` says how to get it. */
export type Need = "engine" | "engine_histograms" | "accelerator" | "gateway" | "host" | "probe";

export interface Line {
  query: string;
  name: Text;
  /** Labels whose values tell the series of one query apart. */
  by?: string | string[];
  hasFill?: boolean;
  /** A limit that the others run against: dashed and quiet. */
  isLimit?: boolean;
  /** Which of the five hues; its place when absent. */
  hue?: number;
}

export interface Panel {
  id: string;
  title: Text;
  /** How instances are put together, and over which time. It is never done silently. */
  note: Text;
  unit: Unit;
  needs: Need;
  /** The top of the axis where the quantity has one. */
  max?: number;
  lines: Line[];
  /** Lines (places in `lines`, the upper one first) between which it is filled. */
  band?: [number, number];
  /** Something that is counted, as strokes along the bottom wherever it is above zero. */
  rug?: { query: string; name: Text };
  /** Requests per second, in windows of so many milliseconds, of which the lines are percentiles: few say little. */
  few?: { query: string; windowMs: number };
  /** An objective, in the panel's unit. */
  objective?: number | null;
}

const NETWORK = 'device!~"lo|veth.*|docker.*|br-.*"';
const DISK = 'device!~"loop.*|dm-.*|ram.*"';

/** Of this machine. */
export const PANELS: Panel[] = [
  {
    id: "cpu",
    title: "panel_cpu",
    note: "panel_cpu_note",
    unit: "ratio",
    needs: "host",
    max: 1,
    lines: [{ query: '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[5s]))', name: "used", hasFill: true }],
  },
  {
    id: "memory",
    title: "panel_memory",
    note: "panel_memory_note",
    unit: "bytes",
    needs: "host",
    lines: [
      { query: "sum(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)", name: "used", hasFill: true },
      { query: "sum(llm_engine_process_resident_bytes)", name: "by_engines" },
    ],
  },
  {
    id: "network",
    title: "panel_network",
    note: "panel_network_note",
    unit: "bytes_per_second",
    needs: "host",
    lines: [
      { query: `sum(rate(node_network_receive_bytes_total{${NETWORK}}[5s]))`, name: "received", hasFill: true },
      { query: `sum(rate(node_network_transmit_bytes_total{${NETWORK}}[5s]))`, name: "sent" },
    ],
  },
  {
    id: "disk",
    title: "panel_disk",
    note: "panel_disk_note",
    unit: "bytes_per_second",
    needs: "host",
    lines: [
      { query: `sum(rate(node_disk_read_bytes_total{${DISK}}[5s]))`, name: "read", hasFill: true },
      { query: `sum(rate(node_disk_written_bytes_total{${DISK}}[5s]))`, name: "written" },
    ],
  },
  {
    id: "pressure",
    title: "panel_pressure",
    note: "panel_pressure_note",
    unit: "ratio",
    needs: "host",
    lines: [
      { query: "sum(rate(node_pressure_cpu_waiting_seconds_total[5s]))", name: "cpu", hasFill: true },
      { query: "sum(rate(node_pressure_memory_waiting_seconds_total[5s]))", name: "memory" },
      { query: "sum(rate(node_pressure_io_waiting_seconds_total[5s]))", name: "io" },
    ],
  },
];

/** What Explore proposes to those who begin. */
export const EXAMPLES = [
  "sum by (model) (rate(llm_generation_tokens_total[1m]))",
  'sum by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[1m]))',
  "llm_kv_cache_usage_ratio",
];

/** What an engine did while it worked on a request. */
export const AROUND = ["llm_requests_running", "llm_requests_waiting", "llm_kv_cache_usage_ratio"];
