/** The objects of `docs/api.md`. */
import type { Message, Params } from "./prefs.svelte";

export interface Engine {
  instance: string;
  kind: string;
  name: string;
  url: string;
  version: string | null;
  models: string[];
  state: "up" | "starting" | "down";
  since: number;
  pid: number | null;
  configured: boolean;
  notes: Message[];
}

export interface Overview {
  now: number;
  version: string;
  host: { name: string | null; os: string | null; kernel: string | null; cpu_model: string | null; cpus: number | null; memory_bytes: number | null };
  accelerators: { vendor: string; device: string; driver: string | null; address: string }[];
  verdict: { level: "ok" | "warn" | "crit" | "unknown"; code: string; params: Params; since: number };
  engines: Engine[];
  cost: { cpu_ms_per_second: number | null; resident_bytes: number | null };
}

export interface Source {
  name: string;
  group: "host" | "accelerator" | "engine" | "discovery" | "probe" | "scrape" | "log" | "receiver" | "storage";
  state: "ok" | "absent" | "failing" | "starting";
  /** Null: it comes by itself. */
  period_ms: number | null;
  duration_ms: number | null;
  series: number;
  last_ok: number | null;
  failure: Message | null;
  hint: Message | null;
}

export interface Event {
  time: number;
  source: string;
  severity: string;
  code: string;
  params: Params;
}
