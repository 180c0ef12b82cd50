/** Accelerators as the store knows them: which there are, what they do now, and why a number is missing. */
import { quote, windowOf, type Sample } from "../cluster/ask";
import { byName, grouped } from "../cluster/best";
import type { Unit } from "../format";
import type { Labels } from "../past";

export const METRICS = ["utilization", "memory", "power", "temperature"] as const;
export type Metric = (typeof METRICS)[number];
export const METRIC_UNIT: Record<Metric, Unit> = { utilization: "ratio", memory: "ratio", power: "watts", temperature: "celsius" };

/** What is asked for all devices at once. `seconds` is the range in which events are counted. */
export function columns(seconds: number): Record<string, string> {
  const window = windowOf(seconds);
  return {
    info: "accelerator_info",
    up: "accelerator_up",
    utilization: "accelerator_utilization_ratio",
    memory_used: "accelerator_memory_used_bytes",
    memory_total: "accelerator_memory_total_bytes",
    power: "accelerator_power_watts",
    power_limit: 'accelerator_power_limit_watts{kind="enforced"}',
    temperature: "accelerator_temperature_celsius",
    temperature_limit: 'accelerator_temperature_limit_celsius{kind="slowdown"}',
    clock: 'accelerator_clock_hertz{domain="core"}',
    clock_max: 'accelerator_clock_max_hertz{domain="core"}',
    throttle: "accelerator_throttle_active == 1",
    health: "accelerator_health == 1",
    errors: `increase(accelerator_errors_total[${window}])`,
    uncorrected: `increase(accelerator_ecc_errors_total{type="uncorrected",scope!="lifetime"}[${window}])`,
    field: 'accelerator_field_state{state=~"unsupported|denied|error|estimated"}',
    engine: "llm_engine_accelerator_memory_bytes",
  };
}

/** Reasons for which clocks are lowered without anything being wrong. */
export const NORMAL_REASONS = ["idle", "app_clocks", "sw_power_cap", "sync_boost", "display_clocks"];
/** How much a reason matters: the larger, the worse. */
const SEVERITY = ["idle", "display_clocks", "app_clocks", "sync_boost", "sw_power_cap", "hw_power_brake", "sw_thermal", "hw_slowdown", "hw_thermal"];
export const severityOf = (reason: string): number => (SEVERITY.includes(reason) ? SEVERITY.indexOf(reason) : SEVERITY.length);

export type FieldState = "unsupported" | "denied" | "error" | "estimated";

export interface Device {
  /** `host/gpuN`: what the device is called everywhere. */
  name: string;
  host: string;
  index: string;
  partition: string;
  uuid: string;
  vendor: string;
  model: string;
  info: Labels;
  isUp: boolean | null;
  health: string | null;
  utilization: number | null;
  memoryUsed: number | null;
  memoryTotal: number | null;
  power: number | null;
  powerLimit: number | null;
  temperature: number | null;
  sensor: string | null;
  temperatureLimit: number | null;
  clock: number | null;
  clockMax: number | null;
  /** Reasons that hold now, the worst first. */
  throttles: string[];
  /** Error events and uncorrected memory errors within the range; `null` where nobody counts any. */
  errors: number | null;
  /** Readings that are not as they should be. */
  fields: Map<string, FieldState>;
  engines: { instance: string; engine: string; model: string; bytes: number }[];
}

export function nameOf({ host, index, uuid, partition }: Labels): string {
  const device = `gpu${index || uuid || "?"}`;
  return `${host || "?"}/${device}${partition ? `:${partition}` : ""}`;
}

/** The sensor that stands for the whole device; the hottest of those that are left where there is no such. */
const SENSORS = ["core", "hotspot", "board", "memory"];

function temperatureOf(samples: Sample[]): { value: number; sensor: string } | null {
  const known = samples.map(({ labels, value }) => ({ value, sensor: labels.sensor ?? "" }));
  const usual = SENSORS.map((sensor) => known.find((sample) => sample.sensor === sensor)).find(Boolean);
  return usual ?? known.sort((a, b) => b.value - a.value)[0] ?? null;
}

function counted(samples: Sample[]): number | null {
  return samples.length > 0 ? samples.reduce((sum, { value }) => sum + value, 0) : null;
}

function deviceOf(name: string, samples: Sample[]): Device {
  const of = (column: string) => samples.filter((sample) => sample.column === column);
  // One series each: devices are told apart by all their labels.
  const one = (column: string) => of(column)[0]?.value ?? null;
  const info = of("info")[0]?.labels ?? samples[0]?.labels ?? {};
  const temperature = temperatureOf(of("temperature"));
  const up = one("up");
  return {
    name,
    host: info.host ?? "",
    index: info.index ?? "",
    partition: info.partition ?? "",
    uuid: info.uuid ?? "",
    vendor: info.vendor ?? "",
    model: info.model ?? "",
    info,
    isUp: up === null ? null : up > 0,
    health: of("health")[0]?.labels.state ?? null,
    utilization: one("utilization"),
    memoryUsed: one("memory_used"),
    memoryTotal: one("memory_total"),
    power: one("power"),
    powerLimit: one("power_limit"),
    temperature: temperature?.value ?? null,
    sensor: temperature?.sensor ?? null,
    temperatureLimit: one("temperature_limit"),
    clock: one("clock"),
    clockMax: one("clock_max"),
    throttles: of("throttle").map(({ labels }) => labels.reason ?? "").sort((a, b) => severityOf(b) - severityOf(a)),
    errors: counted([...of("errors"), ...of("uncorrected")]),
    fields: new Map(of("field").map(({ labels }) => [labels.field ?? "", (labels.state ?? "error") as FieldState])),
    engines: [],
  };
}

/** The devices in the answer to `columns`, by host and number. */
export function devicesOf(samples: Sample[]): Device[] {
  const own = samples.filter(({ column }) => column !== "engine");
  const devices = [...grouped(own, ({ labels }) => nameOf(labels))].map(([name, group]) => deviceOf(name, group));
  const byUuid = grouped(devices, ({ uuid, partition }) => `${uuid} ${partition}`);
  for (const { column, labels, value } of samples) {
    if (column !== "engine") continue;
    for (const device of byUuid.get(`${labels.uuid ?? ""} ${labels.partition ?? ""}`) ?? []) {
      device.engines.push({ instance: labels.instance ?? "", engine: labels.engine ?? "", model: labels.model ?? "", bytes: value });
    }
  }
  return devices.sort((a, b) => byName(a.name, b.name));
}

/** The value of a metric; memory and power against what there is, where that is known. */
export function valueOf(device: Device, metric: Metric): number | null {
  switch (metric) {
    case "utilization":
      return device.utilization;
    case "memory":
      return device.memoryUsed !== null && device.memoryTotal ? device.memoryUsed / device.memoryTotal : null;
    case "power":
      return device.power;
    case "temperature":
      return device.temperature;
  }
}

/** The reading that a metric stands on, as `accelerator_field_state` calls it. */
const FIELDS: Record<Metric | "clock", string[]> = {
  utilization: ["utilization"],
  memory: ["memory"],
  power: ["power"],
  temperature: ["temperature", "core_temperature"],
  clock: ["clock", "core_clock"],
};

/** Why a number is missing, as far as the collector says; `null` where it says nothing. */
export function reasonOf(device: Device, metric: Metric | "clock"): "down" | FieldState | null {
  if (device.isUp === false) return "down";
  const field = [...FIELDS[metric], "device"].find((name) => device.fields.has(name));
  return (field && device.fields.get(field)) || null;
}

export const isEstimated = (device: Device, metric: Metric): boolean =>
  FIELDS[metric].some((field) => device.fields.get(field) === "estimated");

/** The ends of the colours: shares have fixed ones, so that a colour means the same every day. */
export function endsOf(devices: Device[], metric: Metric): { low: number; high: number } {
  if (metric === "utilization" || metric === "memory") return { low: 0, high: 1 };
  if (metric === "temperature") return { low: 20, high: 100 };
  const high = devices.reduce((most, { power, powerLimit }) => Math.max(most, power ?? 0, powerLimit ?? 0), 0);
  return { low: 0, high: high > 0 ? high : 1 };
}

/** The worst reason that holds and is not normal. */
export const troubleOf = (device: Device): string | null => device.throttles.find((reason) => !NORMAL_REASONS.includes(reason)) ?? null;

/** What picks the series of one device. */
export function selectorOf({ host, index, uuid, partition }: Pick<Device, "host" | "index" | "uuid" | "partition">): string {
  return `host=${quote(host)},index=${quote(index)},uuid=${quote(uuid)},partition=${quote(partition)}`;
}
