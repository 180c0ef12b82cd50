/** Answers of `/api/v1/query` and `/api/mw/v1/range`, written by hand after the forms of docs/api.md, not captured. */
import type { Track } from "./ask";

type Row = [Record<string, string>, string];

const vector = (rows: Row[]) => rows.map(([labels, value]) => ({ labels, values: [[1_795_520_000, value] as [number, string]] }));

const C = "modelwatch_column";
const GPU = { host: "node-2", index: "3", uuid: "GPU-3", vendor: "nvidia", model: "H100", partition: "" };
const OTHER = { host: "node-2", index: "10", uuid: "GPU-10", vendor: "nvidia", model: "H100", partition: "" };

/** Two devices: one hot and full, one of which little is told. */
export const DEVICES = vector([
  [{ [C]: "info", ...GPU, driver_version: "580.82" }, "1"],
  [{ [C]: "up", ...GPU }, "1"],
  [{ [C]: "utilization", ...GPU }, "0"],
  [{ [C]: "memory_used", ...GPU }, "40000000000"],
  [{ [C]: "memory_total", ...GPU }, "80000000000"],
  [{ [C]: "power", ...GPU }, "412"],
  [{ [C]: "power_limit", ...GPU, kind: "enforced" }, "700"],
  [{ [C]: "temperature", ...GPU, sensor: "memory" }, "93"],
  [{ [C]: "temperature", ...GPU, sensor: "core" }, "88"],
  [{ [C]: "throttle", ...GPU, reason: "sw_power_cap" }, "1"],
  [{ [C]: "throttle", ...GPU, reason: "hw_thermal" }, "1"],
  [{ [C]: "health", ...GPU, state: "ok" }, "1"],
  [{ [C]: "errors", ...GPU, code: "94" }, "1"],
  [{ [C]: "uncorrected", ...GPU }, "0"],
  [{ [C]: "engine", uuid: "GPU-3", partition: "", engine: "vllm", model: "m", instance: "node-2:8000" }, "39000000000"],
  [{ [C]: "info", ...OTHER }, "1"],
  [{ [C]: "up", ...OTHER }, "1"],
  [{ [C]: "utilization", ...OTHER }, "NaN"],
  [{ [C]: "temperature", ...OTHER, sensor: "hotspot" }, "71"],
  [{ [C]: "field", ...OTHER, field: "power", state: "denied" }, "1"],
  [{ [C]: "field", ...OTHER, field: "utilization", state: "unsupported" }, "1"],
]);

const engine = (source: string, model = "qwen") => ({ engine: "vllm", model, instance: "node-1:8000", source });

/** One server with two models of which one is unloaded, TTFT from three sources; another that is down. */
export const ENGINES = vector([
  [{ [C]: "info", ...engine("engine"), version: "0.33.0", url: "http://node-1:8000", pid: "7" }, "1"],
  [{ [C]: "up", ...engine("engine") }, "1"],
  [{ [C]: "loaded", ...engine("engine") }, "1"],
  [{ [C]: "loaded", ...engine("engine", "second") }, "0"],
  [{ [C]: "running", ...engine("engine") }, "0"],
  [{ [C]: "ttft", ...engine("wire") }, "0.5"],
  [{ [C]: "ttft", ...engine("gateway") }, "0.41"],
  [{ [C]: "ttft", ...engine("engine") }, "0.38"],
  [{ [C]: "itl", ...engine("engine") }, "0.03"],
  [{ [C]: "prefix", ...engine("engine") }, "NaN"],
  [{ [C]: "restarts", ...engine("engine") }, "1"],
  [{ [C]: "up", engine: "sglang", model: "r1", instance: "node-3:30000", source: "engine" }, "0"],
]);

export const PORTS = vector([
  [{ [C]: "info", engine: "vllm", model: "m", instance: "a:1", source: "engine", url: "http://a:1" }, "1"],
  [{ [C]: "listen", engine: "vllm", model: "m", instance: "a:1", source: "wire", address: "127.0.0.1", scope: "loopback" }, "1"],
  [{ [C]: "listen", engine: "vllm", model: "m", instance: "a:1", source: "wire", address: "::", scope: "all" }, "1"],
  [{ [C]: "state", engine: "vllm", model: "m", instance: "a:1", source: "wire", state: "established" }, "5"],
  [{ [C]: "state", engine: "vllm", model: "m", instance: "a:1", source: "wire", state: "close_wait" }, "2"],
  [{ [C]: "state", engine: "vllm", model: "m", instance: "a:1", source: "wire", state: "closing" }, "0"],
  [{ [C]: "client", engine: "vllm", model: "m", instance: "a:1", source: "wire", client: "other" }, "4"],
  [{ [C]: "client", engine: "vllm", model: "m", instance: "a:1", source: "wire", client: "10.0.0.9" }, "1"],
  [{ [C]: "info", engine: "vllm", model: "m", instance: "b:2", source: "engine", url: "http://b:2" }, "1"],
]);

export const PROBES = vector([
  [{ [C]: "success", instance: "https://x/health", module: "http" }, "1"],
  [{ [C]: "duration", instance: "https://x/health", module: "http" }, "0.04"],
  [{ [C]: "phase", instance: "https://x/health", module: "http", phase: "processing" }, "0.02"],
  [{ [C]: "phase", instance: "https://x/health", module: "http", phase: "resolve" }, "0.002"],
  [{ [C]: "success", instance: "x:443", module: "tls" }, "0"],
]);

export const track = (labels: Record<string, string>, points: [number, number | null][]): Track => ({
  labels,
  times: points.map(([time]) => time),
  values: points.map(([, value]) => value),
});
