/** Which devices something unusual slowed down, and when. */
import { askColumns, askRanges, literal, type Track } from "../cluster/ask";
import { Failure } from "../failure";
import { byName } from "../cluster/best";
import { endsOf, instantOf } from "../cluster/span";
import { nameOf, NORMAL_REASONS } from "./devices";

export interface Throttled {
  tracks: Track[];
  step: number;
  /** Devices beyond those that are shown. */
  more: number;
  /** Whether any device tells why its clocks are limited. */
  isTold: boolean;
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
