/** The objects of reports (`docs/api.md`), and how they are asked for. */
import { reach, refusal } from "../failure";
import { ask, type Maybe } from "../requests/ask";
import { tell } from "../tell";

export const FORMATS = ["html", "pdf", "csv"] as const;
export type Format = (typeof FORMATS)[number];
export const EVERY = ["daily", "weekly", "monthly"] as const;
export type Every = (typeof EVERY)[number];

export interface Report {
  id: string;
  title: string;
  /** Unix milliseconds, as all times here. */
  start: number;
  end: number;
  /** In its time zone, `2026-11-28`. */
  first_day: string;
  last_day: string;
  created: number;
  language: string;
  model: Maybe<string>;
  files: { format: string; bytes: number }[];
  /** The schedule that made it. */
  schedule: Maybe<string>;
}

/** What is reported: of which time, in which language, about which model. */
export interface Subject {
  start: number;
  end: number;
  language: string;
  /** Empty: all of them. */
  model: string;
  /** Whose times are printed. */
  zone: string;
}

export interface Schedule {
  name: string;
  every: Every;
  /** A time of day, `08:00`. */
  at: string;
  zone: string;
  language: string;
  /** Empty: all of them. */
  model: string;
  formats: string[];
  /** Empty: none. */
  folder: string;
  channels: string[];
  origin: "configuration" | "page";
  next: Maybe<number>;
  last: Maybe<number>;
  last_error: Maybe<string>;
}
export type ScheduleDraft = Omit<Schedule, "origin" | "next" | "last" | "last_error">;

const ROOT = "/api/mw/v1/reports";
const modelOf = ({ model }: Subject): Record<string, string> => (model === "" ? {} : { model });

export const askReports = (signal?: AbortSignal) => ask<{ reports: Report[] }>("reports", {}, signal);
export const makeReport = (subject: Subject, formats: Format[]) =>
  tell<Report>("POST", ROOT, { start: subject.start, end: subject.end, language: subject.language, zone: subject.zone, ...modelOf(subject), formats });
export const deleteReport = (id: string) => tell<unknown>("DELETE", `${ROOT}/${encodeURIComponent(id)}`);
export const filePath = (id: string, format: string): string => `${ROOT}/${encodeURIComponent(id)}/file?${new URLSearchParams({ format })}`;
/** To be looked at, not to be saved. */
export const shownPath = (id: string): string => `${filePath(id, "html")}&inline=true`;
export const previewPath = (subject: Subject): string =>
  `${ROOT}/preview?${new URLSearchParams({ start: String(subject.start), end: String(subject.end), language: subject.language, zone: subject.zone, ...modelOf(subject) })}`;

export const askSchedules = (signal?: AbortSignal) => ask<{ schedules: Schedule[] }>("reports/schedules", {}, signal);
export const saveSchedule = (draft: ScheduleDraft) => tell<unknown>("POST", `${ROOT}/schedules`, draft);
export const deleteSchedule = (name: string) => tell<unknown>("DELETE", `${ROOT}/schedules?${new URLSearchParams({ name })}`);

/** Whether there is such a page; fails with why not. */
export async function checkReport(path: string): Promise<void> {
  const answer = await reach(path);
  if (answer.ok) return;
  const body = (await answer.json().catch(() => null)) as { error?: string; code?: string; params?: Record<string, string> } | null;
  throw refusal(answer, body?.error, body?.code === undefined ? null : { code: body.code, params: body.params ?? {} });
}
