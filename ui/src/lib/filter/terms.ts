/**
 * Helps to write a filter; the server alone understands it. A filter's terms are separated by blanks, and a
 * term is `field:value`. What stands in parentheses is left as it was written.
 */

/** The server refuses longer ones. */
export const FILTER_LENGTH_MAX = 4_096;
/** So much is shown around the place that is not understood. */
const AROUND_LETTERS = 24;

export interface Proposal {
  /** What the word under the cursor becomes. */
  text: string;
  label: string;
  /** What it means, told beside it. */
  about: string | null;
}

/** A value as it must be written to stand for itself. */
export function quoted(value: string): string {
  const isPlain = /^[\p{L}\p{N}_][\p{L}\p{N}_.:/@+-]*$/u.test(value) && !/^(and|or|not)$/i.test(value);
  return isPlain ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`;
}

/** The place of the slash that ends a regular expression, where one begins at `at`; -1 where a path does. */
export function expressionEnd(filter: string, at: number): number {
  const before = filter.slice(0, at);
  if (filter[at] !== "/" || !/(^|[\s(:-])$/.test(before)) return -1;
  for (let end = at + 1; end < filter.length; end += 1) {
    if (filter[end] === "\\") end += 1;
    else if (filter[end] === "/") return /^($|[\s)])/.test(filter.slice(end + 1)) ? end : -1;
  }
  return -1;
}

/**
 * Where the terms of a filter begin and end. A quoted text, a regular expression and a parenthesis belong to one term
 * as a whole.
 */
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
    const end = isQuoted ? -1 : expressionEnd(filter, at);
    if (end > 0) at = end;
    else if (letter === "\\") at += 1;
    else if (letter === '"') isQuoted = !isQuoted;
    else if (letter === "(" && !isQuoted) depth += 1;
    else if (letter === ")" && !isQuoted) depth = Math.max(0, depth - 1);
  }
  if (start >= 0) found.push({ start, end: filter.length });
  return found;
}

/** Whether a word joins others, so that terms beside it cannot be taken away alone. */
const isJoint = (term: string) => /^(and|or|not)$/i.test(term);

/** `withCondition` of one value, which is quoted as it needs. */
export const withTerm = (filter: string, field: string, value: string, isExcluded = false): string =>
  withCondition(filter, field, quoted(value), isExcluded);

/**
 * Adds a condition. One of the same field goes, since both together would rarely find anything; so does its
 * opposite. Choosing what is chosen already takes it away.
 */
export function withCondition(filter: string, field: string, written: string, isExcluded = false): string {
  const wanted = `${isExcluded ? "-" : ""}${field}:${written}`;
  const words = terms(filter).map(({ start, end }) => filter.slice(start, end));
  const isAlternative = words.some((word) => /^or$/i.test(word));
  if (isAlternative) return `(${filter.trim()}) ${wanted}`;
  const opposite = `${isExcluded ? "" : "-"}${field}:${written}`;
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

/** The place of a filter that is not understood, with what stands around it: the letter of that number, from 1. */
export function offending(filter: string, at: string | number | undefined): { before: string; at: string; after: string } | null {
  const letters = [...filter];
  const place = Number(at) - 1;
  if (!Number.isInteger(place) || place < 0 || letters.length === 0) return null;
  const from = Math.max(0, place - AROUND_LETTERS);
  const text = (start: number, end: number) => letters.slice(start, end).join("");
  return {
    before: `${from > 0 ? "…" : ""}${text(from, place)}`,
    at: letters[place] ?? " ",
    after: `${text(place + 1, place + 1 + AROUND_LETTERS)}${place + 1 + AROUND_LETTERS < letters.length ? "…" : ""}`,
  };
}
