/** Patterns of lines, as they are shown and searched for. */
import { sparkOf, type Spark } from "../overview/spark";

/** What stands for a value that differs. */
const HOLE = "<*>";
/** The server takes so many wildcards in one value. */
const WILDCARDS_MAX = 8;
/** And so long a value, with room for the rest of the filter. */
const LENGTH_MAX = 1_000;

/** A pattern in pieces, so that what differs can be shown as such. */
export const piecesOf = (pattern: string): { text: string; isHole: boolean }[] =>
  pattern.split(/(<[*]>)/).filter(Boolean).map((text) => ({ text, isHole: text === HOLE }));

/**
 * The condition that finds the lines of a pattern, of which `body` is one: what differs may be anything. Of several
 * lines the first has to do, because a pattern has blanks for their ends.
 */
export function conditionOf(pattern: string, body: string): string {
  const first = body.trim().split("\n", 1)[0] ?? "";
  const words = pattern.split(" ");
  const ofFirst = first === body.trim() ? words : words.slice(0, first.trim().split(/\s+/).length);
  const holes = ofFirst.join(" ").split(HOLE);
  const written = holes.slice(0, WILDCARDS_MAX).map((text) => text.replace(/[^\p{L}\p{N}_.-]/gu, "\\$&")).join("*");
  const isCut = ofFirst.length < words.length || holes.length > WILDCARDS_MAX || written.length > LENGTH_MAX;
  return isCut ? `${written.slice(0, LENGTH_MAX).replace(/\\$/, "").replace(/\*$/, "")}*` : written;
}

/** The course of a pattern as a small drawing. */
export function trendOf(counts: number[], size: [number, number]): Spark | null {
  return sparkOf(counts.map((_, at) => at), counts, [0, Math.max(1, counts.length - 1)], undefined, size);
}
