/**
 * Bodies as they are shown: always as text, with what was searched for marked and control characters visible, so that
 * no line can look like another one or like something of the page.
 */
import type { Sought } from "./filter";

/** Longer bodies are marked at their beginning only: marking must not make scrolling slow. */
const MARKED_LETTERS_MAX = 4_000;
const MARKS_MAX = 200;
/** A group that repeats and is repeated: the browser, unlike the server, may need for ever to look for it. */
const SLOW_EXPRESSION = /\([^)]*[*+{][^)]*\)\s*[*+{?]/;

export interface Piece {
  text: string;
  /** What was searched for, and what is written in place of a control character. */
  kind: "plain" | "mark" | "control";
}

/** What finds everything that is sought, or nothing where that is not possible. */
export function finder(all: Sought[]): RegExp | null {
  const sources = all.flatMap(({ source, isExpression }) => {
    if (!isExpression) return [source.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&").replace(/\s+/g, "\\s+")];
    return SLOW_EXPRESSION.test(source) || !compiles(source) ? [] : [`(?:${source.replace(/^\(\?i\)/, "")})`];
  });
  return sources.length === 0 ? null : new RegExp(sources.join("|"), "giu");
}

/** The server's expressions are almost the browser's. */
function compiles(source: string): boolean {
  try {
    new RegExp(source.replace(/^\(\?i\)/, ""), "giu");
    return true;
  } catch {
    return false;
  }
}

/** The text in pieces, with control characters written out. */
export function pieces(text: string, find: RegExp | null): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  const take = (end: number, kind: "plain" | "mark") => {
    for (const part of text.slice(at, end).split(CONTROLS)) {
      if (part !== "") found.push(part.search(CONTROL) === 0 ? { text: visible(part), kind: "control" } : { text: part, kind });
    }
    at = end;
  };
  if (find) {
    for (const match of text.slice(0, MARKED_LETTERS_MAX).matchAll(find)) {
      if (match[0] === "" || found.length > 2 * MARKS_MAX) continue;
      take(match.index, "plain");
      take(match.index + match[0].length, "mark");
    }
  }
  take(text.length, "plain");
  return found;
}

/** What controls terminals, and what turns, hides or joins text. Tabs and line ends are text. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
const CONTROLS = new RegExp(`(${CONTROL.source}+)`);

/** Control characters as their numbers, so that they are seen and do nothing. */
export function visible(text: string): string {
  return text.replace(new RegExp(CONTROL.source, "g"), (letter) => {
    const code = letter.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

export interface Folded {
  /** The first line that says something. */
  first: string;
  /** How many lines are folded away. */
  more: number;
}

/** Longer first lines are cut where they are shown in one row. */
const FIRST_LETTERS_MAX = 1_000;
/** So much of the first line stays where another line is what was searched for. */
const BEFORE_LETTERS = 48;

/** A body as one row shows it: its first line, and the one that was searched for where that is another. */
export function folded(body: string, find: RegExp | null = null): Folded {
  const trimmed = body.replace(/\s+$/, "");
  const text = trimmed.slice(Math.max(0, trimmed.search(/\S/)));
  const end = text.search(/\r?\n/);
  if (end < 0) return { first: text.slice(0, FIRST_LETTERS_MAX), more: 0 };
  const more = text.slice(end).split("\n").length - 1;
  const first = text.slice(0, Math.min(end, FIRST_LETTERS_MAX));
  const at = find ? text.slice(0, MARKED_LETTERS_MAX).search(find) : -1;
  if (at < end) return { first, more };
  const sought = text.slice(text.lastIndexOf("\n", at) + 1).split(/\r?\n/, 1)[0] ?? "";
  const cut = first.length > BEFORE_LETTERS ? first.slice(0, BEFORE_LETTERS) : first;
  return { first: `${cut} … ${sought.trim().slice(0, FIRST_LETTERS_MAX)}`, more };
}
