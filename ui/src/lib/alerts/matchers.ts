/** Conditions on labels as PromQL and Alertmanager write them: `severity="critical", model=~"q.*"`. */
import type { Labels } from "../past";
import type { Matcher } from "./ask";

/** A text of matchers is not longer than this, wherever it stands. */
export const MATCHERS_LENGTH_MAX = 4_096;

const ONE = /\s*(?:([A-Za-z_:][\w:]*)|"((?:[^"\\]|\\.)*)")\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",{}]+))\s*(,|$|(?=\s|\}))/suy;
const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r" };

const unescaped = (text: string): string => text.replace(/\\(.)/gsu, (_, letter: string) => ESCAPES[letter] ?? letter);
const quoted = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;

export interface Read {
  matchers: Matcher[];
  /** What is not understood, from its beginning. */
  wrong: string | null;
}

/** Reads them with or without braces, separated by commas or blanks. */
export function readMatchers(text: string): Read {
  const inner = text.trim().replace(/^\{(.*)\}$/su, "$1").trim();
  const matchers: Matcher[] = [];
  let at = 0;
  while (at < inner.length) {
    ONE.lastIndex = at;
    const found = ONE.exec(inner);
    if (!found) return { matchers, wrong: inner.slice(at).trim() };
    const [whole, plain, name, operator = "=", text, word] = found;
    matchers.push({
      name: plain ?? unescaped(name ?? ""),
      value: text === undefined ? (word ?? "") : unescaped(text),
      isRegex: operator.endsWith("~"),
      isEqual: !operator.startsWith("!"),
    });
    at += whole.length;
  }
  return { matchers, wrong: null };
}

export const operatorOf = ({ isRegex, isEqual }: Pick<Matcher, "isRegex" | "isEqual">): string => (isRegex ? (isEqual ? "=~" : "!~") : isEqual ? "=" : "!=");

export function matcherText(matcher: Matcher): string {
  const name = /^[A-Za-z_:][\w:]*$/.test(matcher.name) ? matcher.name : quoted(matcher.name);
  return `${name}${operatorOf(matcher)}${quoted(matcher.value)}`;
}

export const matchersText = (matchers: Matcher[]): string => matchers.map(matcherText).join(", ");

/** What has exactly these labels. */
export const matching = (labels: Labels): string =>
  matchersText(Object.entries(labels).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true })));
