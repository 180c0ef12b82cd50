/** A maintenance window as its form has it. */
import { minuteOf, timeOf } from "../format";
import { REPEATS, type MaintenanceDraft } from "./ask";
import { matcherText, readMatchers } from "./matchers";

export interface MaintenanceFields {
  name: string;
  matchers: string;
  /** As the browser's fields for times have them, in the reader's zone. */
  start: string;
  end: string;
  repeat: (typeof REPEATS)[number];
}

const HOUR_MS = 3_600_000;

/** From the next whole hour, for two hours. */
export function newWindow(now: number): MaintenanceFields {
  const start = Math.ceil(now / HOUR_MS) * HOUR_MS;
  return { name: "", matchers: "", start: minuteOf(start), end: minuteOf(start + 2 * HOUR_MS), repeat: "none" };
}

export type WrongWindow = "name_missing" | "matchers_missing" | "end_wrong";

/** What is planned, or what is wrong with it. One that comes again may have begun in the past. */
export function readWindow(fields: MaintenanceFields, author: string, zone: string, now: number): { window: MaintenanceDraft | null; wrong: WrongWindow | null } {
  const { matchers, wrong } = readMatchers(fields.matchers);
  const [start, end] = [timeOf(fields.start), timeOf(fields.end)];
  const found: WrongWindow | null =
    fields.name.trim() === "" ? "name_missing"
    : wrong !== null || matchers.length === 0 ? "matchers_missing"
    : !(end > start && (fields.repeat !== "none" || end > now)) ? "end_wrong"
    : null;
  if (found) return { window: null, wrong: found };
  return { wrong: null, window: { name: fields.name.trim(), matchers: matchers.map(matcherText), start, end, repeat: fields.repeat, zone, author: author.trim() } };
}
