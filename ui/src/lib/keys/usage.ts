/** Keys of the gateway and what they have used: the objects of `docs/api.md`, and sums of them. */
import { parameters, range } from "../range.svelte";
import { ask, type Maybe } from "../requests/ask";

export interface Grant {
  models?: Maybe<string[]>;
  requests_per_minute?: Maybe<number>;
  tokens_per_minute?: Maybe<number>;
  concurrent_max?: Maybe<number>;
  tokens_per_day?: Maybe<number>;
  tokens_per_month?: Maybe<number>;
}

export interface Key {
  id: string;
  name: string;
  /** Unix milliseconds, as the two others. */
  created: number;
  expires?: Maybe<number>;
  revoked?: Maybe<number>;
  grant: Grant;
  tokens_today: Maybe<number>;
  tokens_month: Maybe<number>;
}

export interface UsageRow {
  /** Absent for requests without a key. */
  key: Maybe<string>;
  model: Maybe<string>;
  day: string;
  requests: number;
  errors: number;
  tokens_input: Maybe<number>;
  tokens_output: Maybe<number>;
}

export const DAYS = [7, 30, 90] as const;
export const PERS = ["key", "model", "day", "all"] as const;
export type Per = (typeof PERS)[number];
const DAY_MS = 86_400_000;
const USUAL = { days: 7, per: "key" } as const;

export interface KeysAsked {
  days: number;
  per: Per;
}

/** Reads `#/keys?...`. */
export function read(hash: string): KeysAsked {
  const given = parameters(hash);
  return {
    days: DAYS.find((days) => String(days) === given.get("days")) ?? USUAL.days,
    per: PERS.find((per) => per === given.get("per")) ?? USUAL.per,
  };
}

export function address({ days, per }: KeysAsked): string {
  return range.link("keys", { ...(days === USUAL.days ? {} : { days: String(days) }), ...(per === USUAL.per ? {} : { per }) });
}

/** Whole days of UTC, as budgets have them; the last one is today's. */
export function spanOfDays(days: number, now: number): { start: number; end: number } {
  return { start: Math.floor(now / DAY_MS) * DAY_MS - (days - 1) * DAY_MS, end: now };
}

/** Each day of the span, also those on which nothing was used. */
export function daysOf({ start, end }: { start: number; end: number }): string[] {
  const count = Math.floor((end - start) / DAY_MS) + 1;
  return Array.from({ length: count }, (_, index) => new Date(start + index * DAY_MS).toISOString().slice(0, 10));
}

export type State = "active" | "expired" | "revoked";

export function stateOf({ expires, revoked }: Key, now: number): State {
  if (typeof revoked === "number") return "revoked";
  return typeof expires === "number" && expires <= now ? "expired" : "active";
}

/** Those that may ask come first, then by name. */
export function sorted(keys: Key[], now: number): Key[] {
  const states: State[] = ["active", "expired", "revoked"];
  const place = (key: Key) => states.indexOf(stateOf(key, now));
  return [...keys].sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name));
}

/** The part of a budget that is used; `null` where either is not known. May be above one. */
export function shareOf(used: Maybe<number>, budget: Maybe<number>): number | null {
  if (typeof used !== "number" || typeof budget !== "number") return null;
  return budget > 0 ? used / budget : 1;
}

/** What is known added up; `null` where nothing is. */
export function sum(values: Maybe<number>[]): number | null {
  const known = values.filter((value): value is number => typeof value === "number");
  return known.length > 0 ? known.reduce((a, b) => a + b, 0) : null;
}

export const tokensOf = ({ tokens_input, tokens_output }: Pick<UsageRow, "tokens_input" | "tokens_output">): number | null =>
  sum([tokens_input, tokens_output]);

/** Rows with the same key, model or day as one; what is not grouped by is `null`. Most tokens first, days newest first. */
export function grouped(rows: UsageRow[], per: Per): UsageRow[] {
  const has = (field: "key" | "model" | "day") => per === "all" || per === field;
  const groups = new Map<string, UsageRow[]>();
  for (const row of rows) {
    const name = JSON.stringify([has("key") && row.key, has("model") && row.model, has("day") && row.day]);
    const found = groups.get(name);
    if (found) found.push(row);
    else groups.set(name, [row]);
  }
  const summed = [...groups.values()].map((members): UsageRow => ({
    key: has("key") ? (members[0]?.key ?? null) : null,
    model: has("model") ? (members[0]?.model ?? null) : null,
    day: has("day") ? (members[0]?.day ?? "") : "",
    requests: sum(members.map(({ requests }) => requests)) ?? 0,
    errors: sum(members.map(({ errors }) => errors)) ?? 0,
    tokens_input: sum(members.map(({ tokens_input }) => tokens_input)),
    tokens_output: sum(members.map(({ tokens_output }) => tokens_output)),
  }));
  return summed.sort((a, b) => b.day.localeCompare(a.day) || (tokensOf(b) ?? -1) - (tokensOf(a) ?? -1));
}

export interface Stack {
  day: string;
  total: number | null;
  /** One for each of the keys, in their order. */
  parts: (number | null)[];
}

/** Keys with the most tokens, which get a colour of their own; the others are one. `undefined` stands for those. */
export function stacks(rows: UsageRow[], days: string[], most: number): { keys: (Maybe<string> | undefined)[]; stacks: Stack[] } {
  const ranked = grouped(rows, "key").map(({ key }) => key ?? null);
  const keys: (string | null | undefined)[] = ranked.length > most ? [...ranked.slice(0, most - 1), undefined] : ranked;
  const place = (key: Maybe<string>) => {
    const at = keys.indexOf(key ?? null);
    return at < 0 ? keys.length - 1 : at;
  };
  return {
    keys,
    stacks: days.map((day) => {
      const parts: (number | null)[] = keys.map(() => null);
      for (const row of rows) {
        if (row.day === day) parts[place(row.key)] = sum([parts[place(row.key)], tokensOf(row)]);
      }
      return { day, total: sum(parts), parts };
    }),
  };
}

export const askKeys = (signal?: AbortSignal) => ask<{ keys: Key[]; anonymous: boolean }>("keys", {}, signal);
export const askUsage = (span: { start: number; end: number }, signal?: AbortSignal) =>
  ask<{ rows: UsageRow[] }>("keys/usage", { ...span, by: "day" }, signal);
/** What spreadsheets read. */
export const csvAddress = ({ start, end }: { start: number; end: number }): string =>
  `/api/mw/v1/keys/usage?${new URLSearchParams({ start: String(start), end: String(end), by: "day", format: "csv" })}`;
