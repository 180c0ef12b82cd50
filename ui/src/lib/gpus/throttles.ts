/** Which devices something unusual slowed down, and when. */
import { askColumns, askRanges, literal, type Track } from "../cluster/ask";
import { Failure } from "../failure";
import { byName, grouped } from "../cluster/best";
import { endsOf, instantOf } from "../cluster/span";
import { segmentsOf, worst, type Lane } from "../lanes/lanes";
import type { Level } from "../lanes/Lanes.svelte";
import { nameOf, NORMAL_REASONS, severityOf } from "./devices";

export interface Throttled {
  tracks: Track[];
  step: number;
  /** Devices beyond those that are shown. */
  more: number;
  /** Whether any device tells why its clocks are limited. */
  isTold: boolean;
}

/** How bad a state of a device or an engine is. */
export function levelOf(state: string): Level {
  if (state === "ok" || state === "up") return "ok";
  if (state === "down") return "crit";
  if (state === "sw_power_cap") return "info";
  if (NORMAL_REASONS.includes(state)) return "muted";
  return ["hw_thermal", "hw_slowdown", "sw_thermal"].includes(state) ? "crit" : "warn";
}

/** A lane for each device; of several reasons at a time the worst is shown. */
export function throttleLanes({ tracks, step }: Pick<Throttled, "tracks" | "step">): Lane[] {
  const states = (track: Track) => segmentsOf(track, step, (value) => (value > 0 ? (track.labels.reason ?? "?") : "ok"));
  const severity = (state: string) => (state === "ok" ? -1 : severityOf(state));
  return [...grouped(tracks, ({ labels }) => nameOf(labels))]
    .sort(([a], [b]) => byName(a, b))
    .map(([name, own]) => ({ key: name, name, segments: worst(own.map(states), severity) }));
}

/** Lanes that are read at a glance. */
const DEVICES_MAX = 12;

/** `key` names a range. First which, then when: devices that nothing slowed down need not be asked for every moment. */
export async function askThrottled(key: string, px: number, signal: AbortSignal): Promise<Throttled> {
  const unusual = `reason!~"${NORMAL_REASONS.map(literal).join("|")}"`;
  const { time, seconds } = instantOf(key);
  const window = `${Math.max(1, Math.round(seconds))}s`;
  const samples = await askColumns(
    {
      hit: `max_over_time(accelerator_throttle_active{${unusual}}[${window}]) > 0`,
      told: "count(accelerator_throttle_active)",
    },
    time,
    signal,
  );
  const hits = samples.filter(({ column }) => column === "hit");
  const isTold = samples.some(({ column }) => column === "told");
  const names = [...new Set(hits.map(({ labels }) => nameOf(labels)))].sort(byName);
  const shown = names.slice(0, DEVICES_MAX);
  if (shown.length === 0) return { tracks: [], step: 1, more: 0, isTold };
  const uuids = [...new Set(hits.filter(({ labels }) => shown.includes(nameOf(labels))).map(({ labels }) => literal(labels.uuid ?? "")))];
  const query = `accelerator_throttle_active{${unusual},uuid=~${JSON.stringify(uuids.join("|"))}}`;
  const { results, step, errors } = await askRanges([query], endsOf(key), px, signal);
  if (errors[0]) throw new Failure("server", errors[0]);
  const tracks = (results[0] ?? []).filter(({ labels }) => shown.includes(nameOf(labels)));
  return { tracks, step, more: names.length - shown.length, isTold };
}
