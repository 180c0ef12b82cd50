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
  isMarked: boolean;
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

/** The text in pieces, with control characters made visible. */
export function pieces(text: string, find: RegExp | null): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  const take = (end: number, isMarked: boolean) => {
    if (end > at) found.push({ text: visible(text.slice(at, end)), isMarked });
    at = end;
  };
  if (find) {
    for (const match of text.slice(0, MARKED_LETTERS_MAX).matchAll(find)) {
      if (match[0] === "" || found.length > 2 * MARKS_MAX) continue;
      take(match.index, false);
      take(match.index + match[0].length, true);
    }
  }
  take(text.length, false);
  return found;
}

/** Control characters as their pictures (␛, ␀), and those that turn, hide or join text as their numbers. */
export function visible(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what it is about
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (letter) => {
    const code = letter.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : `\\u${code.toString(16).padStart(4, "0")}`;
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

/** A body as one row shows it. */
export function folded(body: string): Folded {
  const trimmed = body.replace(/\s+$/, "");
  const begin = trimmed.search(/\S/);
  const text = trimmed.slice(Math.max(0, begin));
  const end = text.search(/\r?\n/);
  const first = (end < 0 ? text : text.slice(0, end)).slice(0, FIRST_LETTERS_MAX);
  return { first, more: end < 0 ? 0 : text.slice(end).split("\n").length - 1 };
}
