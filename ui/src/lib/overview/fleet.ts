/** The devices and engines of the overview: what each does now, and which states are worth a lane. */
import { askColumns, askRanges } from "../cluster/ask";
import { byName, grouped } from "../cluster/best";
import { Failure } from "../failure";
import { nameOf } from "../gpus/devices";
import { askThrottled, throttleLanes } from "../gpus/throttles";
import type { Row } from "../grid/grid";
import { reasonWord } from "../i18n/gpus";
import { o } from "../i18n/overview";
import { segmentsOf, type Lane } from "../lanes/lanes";
import { endsOf } from "../cluster/span";

/** Lanes that are read at a glance. */
const LANES_MAX = 6;

export interface Cell {
  name: string;
  host: string;
  value: number | null;
}

export async function askCells(time: number | null, signal: AbortSignal): Promise<Cell[]> {
  const samples = await askColumns({ info: "accelerator_info", utilization: "accelerator_utilization_ratio" }, time, signal);
  const values = new Map(samples.filter(({ column }) => column === "utilization").map(({ labels, value }) => [nameOf(labels), value]));
  const named = new Map(samples.map(({ labels }) => [nameOf(labels), labels.host ?? ""]));
  return [...named].map(([name, host]) => ({ name, host, value: values.get(name) ?? null })).sort((a, b) => byName(a.name, b.name));
}

export function rowsOf(cells: Cell[], hrefOf: (device: string) => string): Row[] {
  return [...grouped(cells, ({ host }) => host)]
    .sort(([a], [b]) => byName(a, b))
    .map(([host, members]) => ({
      key: host,
      name: host || "?",
      cells: members.map(({ name, value }) => ({
        key: name, value, href: hrefOf(name),
        text: value === null ? "–" : String(Math.round(value * 100)),
        label: o("grid_cell", { device: name, value: value === null ? "–" : `${Math.round(value * 100)}%` }),
      })),
    }));
}

export interface States {
  lanes: Lane[];
  more: number;
}

const OK = "ok";
/** States of devices carry their reason, those of engines their own word. */
export const wordOf = (state: string): string =>
  state === OK ? o("ok") : state === "up" ? o("up") : state === "down" ? o("down") : reasonWord(state);

/** `key` names a range. Who had trouble comes first: devices that were slowed down, engines that were down, then the other engines. */
export async function askStates(key: string, points: number, signal: AbortSignal): Promise<States> {
  const [throttled, engines] = await Promise.all([
    askThrottled(key, points, signal),
    askRanges(["max by (instance, engine, model) (llm_engine_up)"], endsOf(key), points, signal),
  ]);
  if (engines.errors[0]) throw new Failure("server", engines.errors[0]);
  const up = (engines.results[0] ?? []).map((track): Lane => ({
    key: `engine ${track.labels.instance ?? ""}`,
    name: `${track.labels.engine ?? "?"} ${track.labels.instance ?? ""}`,
    segments: segmentsOf(track, engines.step, (value) => (value > 0 ? "up" : "down")),
  }));
  const hasTrouble = (lane: Lane) => lane.segments.some(({ state }) => state === "down");
  const lanes = [...throttleLanes(throttled), ...up.filter(hasTrouble), ...up.filter((lane) => !hasTrouble(lane))];
  return { lanes: lanes.slice(0, LANES_MAX), more: Math.max(0, lanes.length - LANES_MAX) + throttled.more };
}
