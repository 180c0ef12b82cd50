/**
 * Helps to write a filter; the server alone understands it. A filter's terms are separated by blanks, and a
 * term is `field:value`. What stands in parentheses is left as it was written.
 */
import { OUTCOMES, type Exchange } from "./ask";
import type { RequestKey } from "../i18n/requests";

/** Fields to be proposed, the most wanted first. */
export const FIELDS = [
  "model", "key_name", "outcome", "ttft_ms", "tpot_ms", "e2e_ms", "total_ms", "status", "upstream", "tokens_input",
  "tokens_output", "client", "user_agent", "operation", "path", "queued_ms", "finish_reason", "refusal", "error",
  "is_stream", "request_id", "trace_id",
] as const;
export type Field = (typeof FIELDS)[number];
const PROPOSALS_MAX = 10;

export interface Proposal {
  /** What the word under the cursor becomes. */
  text: string;
  label: string;
  /** The field that it names, whose meaning is told beside it. */
  about: RequestKey | null;
}

/** A value as it must be written to stand for itself. */
export function quoted(value: string): string {
  const isPlain = /^[\p{L}\p{N}_][\p{L}\p{N}_.:/@+-]*$/u.test(value) && !/^(and|or|not)$/i.test(value);
  return isPlain ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`;
}

/** Where the terms of a filter begin and end. A quoted text and a parenthesis belong to one term as a whole. */
export function terms(filter: string): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  let start = -1;
  let depth = 0;
  let isQuoted = false;
  for (let at = 0; at < filter.length; at += 1) {
    const letter = filter[at];
    if (/\s/.test(letter ?? "") && depth === 0 && !isQuoted) {
      if (start >= 0) found.push({ start, end: at });
      start = -1;
      continue;
    }
    if (start < 0) start = at;
    if (letter === "\\") at += 1;
    else if (letter === '"') isQuoted = !isQuoted;
    else if (letter === "(" && !isQuoted) depth += 1;
    else if (letter === ")" && !isQuoted) depth = Math.max(0, depth - 1);
  }
  if (start >= 0) found.push({ start, end: filter.length });
  return found;
}

/** Whether a word joins others, so that terms beside it cannot be taken away alone. */
const isJoint = (term: string) => /^(and|or|not)$/i.test(term);

/**
 * Adds a condition. One of the same field goes, since both together would rarely find anything; so does its
 * opposite. Choosing what is chosen already takes it away.
 */
export function withTerm(filter: string, field: string, value: string, isExcluded = false): string {
  const wanted = `${isExcluded ? "-" : ""}${field}:${quoted(value)}`;
  const words = terms(filter).map(({ start, end }) => filter.slice(start, end));
  const isAlternative = words.some((word) => /^or$/i.test(word));
  if (isAlternative) return `(${filter.trim()}) ${wanted}`;
  const opposite = `${isExcluded ? "" : "-"}${field}:${quoted(value)}`;
  const goes = (word: string, before: string | undefined) =>
    word === wanted || word === opposite || (!isExcluded && word.startsWith(`${field}:`) && !isJoint(before ?? ""));
  const kept = words.filter((word, index) => !goes(word, words[index - 1]));
  return words.includes(wanted) ? kept.join(" ") : [...kept, wanted].join(" ");
}

/** The word that is being written at the cursor. */
export function wordAt(filter: string, cursor: number): { start: number; end: number; text: string } {
  const before = filter.slice(0, cursor);
  const start = before.length - (/[^\s()]*$/.exec(before)?.[0].length ?? 0);
  return { start, end: cursor, text: before.slice(start) };
}

/** Values that fields have: the known ones, and those of the requests that are loaded. */
function valuesOf(field: string, rows: Exchange[]): string[] {
  if (field === "outcome") return [...OUTCOMES];
  if (field === "is_stream") return ["true", "false"];
  const value = (row: Exchange): unknown => {
    if (field === "model") return row.model ?? row.model_asked;
    if (/_ms$|^tokens_|_id$|^error$/.test(field)) return null;
    return row[field as keyof Exchange];
  };
  const counts = new Map<string, number>();
  for (const row of rows) {
    const text = value(row);
    if (typeof text === "string" || typeof text === "number") counts.set(String(text), (counts.get(String(text)) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([text]) => text);
}

/** What the word under the cursor may become. */
export function proposals(filter: string, cursor: number, rows: Exchange[]): Proposal[] {
  const { text } = wordAt(filter, cursor);
  const sign = text.startsWith("-") ? "-" : "";
  const word = text.slice(sign.length);
  const colon = word.indexOf(":");
  if (colon < 0) {
    const begun = word.toLowerCase();
    const matching = FIELDS.filter((field) => field.includes(begun));
    const ordered = [...matching.filter((field) => field.startsWith(begun)), ...matching.filter((field) => !field.startsWith(begun))];
    return ordered.slice(0, PROPOSALS_MAX).map((field) => ({ text: `${sign}${field}:`, label: `${field}:`, about: `field_${field}` }));
  }
  const field = word.slice(0, colon);
  const begun = word.slice(colon + 1).replace(/^"/, "").toLowerCase();
  const values = valuesOf(field, rows).filter((value) => value.toLowerCase().includes(begun) && value !== begun);
  return values.slice(0, PROPOSALS_MAX).map((value) => ({ text: `${sign}${field}:${quoted(value)} `, label: value, about: null }));
}
