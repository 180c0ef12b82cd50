/** Silences as they are listed and written. */
import { minuteOf, timeOf } from "../format";
import type { Incident, Matcher, Silence, SilenceDraft } from "./ask";
import { readMatchers } from "./matchers";

/** Lengths to choose from, in hours. */
export const HOURS = [1, 4, 24, 168] as const;
const HOUR_MS = 3_600_000;

export interface SilenceFields {
  /** Given where an existing one is changed. */
  id: string | null;
  matchers: string;
  /** As the browser's fields for times have them, in the reader's zone. */
  start: string;
  end: string;
  comment: string;
}

export const newFields = (matchers: string, now: number): SilenceFields => ({
  id: null, matchers, start: "", end: minuteOf(now + 4 * HOUR_MS), comment: "",
});
export const endAfter = (now: number, hours: number): string => minuteOf(now + hours * HOUR_MS);

export type WrongSilence = "matchers_missing" | "matchers_all" | "end_wrong" | "comment_missing";

/** Whether an empty text fits: then so does what has no such label. A label's expression fits whole values. */
function fitsEmpty(matcher: Matcher): boolean {
  return fits(matcher, "");
}

function fits({ value, isRegex, isEqual }: Matcher, text: string): boolean {
  let isSame = value === text;
  if (isRegex) {
    try {
      isSame = new RegExp(`^(?:${value})$`, "u").test(text);
    } catch {
      return false; // RE2 knows more than the browser; the server judges.
    }
  }
  return isSame === isEqual;
}

/** How many of the open incidents have an alert that fits. */
export const fitting = (matchers: Matcher[], incidents: Incident[]): number =>
  incidents.filter(({ alerts, common_labels: common }) =>
    (alerts.length > 0 ? alerts.map(({ labels }) => labels) : [common]).some((labels) => matchers.every((matcher) => fits(matcher, labels[matcher.name] ?? ""))),
  ).length;

/** What a silence would be, or what is wrong with it. */
export function readSilence(fields: SilenceFields, author: string, now: number): { silence: SilenceDraft | null; wrong: WrongSilence | null } {
  const { matchers, wrong } = readMatchers(fields.matchers);
  const start = fields.start === "" ? now : timeOf(fields.start);
  const end = timeOf(fields.end);
  const found: WrongSilence | null =
    wrong !== null || matchers.length === 0 ? "matchers_missing"
    : matchers.every(fitsEmpty) ? "matchers_all"
    : !(end > now && end > start) ? "end_wrong"
    : fields.comment.trim() === "" ? "comment_missing"
    : null;
  if (found) return { silence: null, wrong: found };
  return {
    wrong: null,
    silence: {
      ...(fields.id === null ? {} : { id: fields.id }), matchers, comment: fields.comment.trim(), createdBy: author.trim(),
      startsAt: new Date(start).toISOString(), endsAt: new Date(end).toISOString(),
    },
  };
}

const RANKS = { active: 0, pending: 1, expired: 2 };

/** Those that hold come first, the ones that end soonest before others; of those that are over the last first. */
export const ordered = (silences: Silence[]): Silence[] =>
  [...silences].sort((one, other) => {
    const ranks = RANKS[one.status.state] - RANKS[other.status.state];
    const ends = Date.parse(one.endsAt) - Date.parse(other.endsAt);
    return ranks || (one.status.state === "expired" ? -ends : ends);
  });
