/** Turns answers into what is drawn and listed. */
import type { Labels } from "../past";
import type { Series } from "./ask";
import type { Span } from "./address";

/** As PromQL writes a series: `name{label="value"}`. */
export function seriesName(labels: Labels): string {
  const { __name__: name = "", ...others } = labels;
  const quoted = Object.entries(others).map(([label, value]) => `${labelName(label)}=${JSON.stringify(value)}`);
  if (quoted.length === 0) return name || "{}";
  return `${name}{${quoted.join(", ")}}`;
}

/** Names beyond the classic alphabet are quoted. */
export const labelName = (name: string): string => (/^[a-zA-Z_]\w*$/.test(name) ? name : JSON.stringify(name));

/** A selector of one metric. */
export const metricSelector = (name: string): string =>
  /^[a-zA-Z_:][\w:]*$/.test(name) ? name : `{${JSON.stringify(name)}}`;

/** Labels that have one and the same value in all series, which need to be said only once. */
export function sharedLabels(series: Labels[]): Labels {
  const [first, ...others] = series;
  if (!first || others.length === 0) return {};
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => others.every((labels) => labels[name] === value)),
  );
}

/** Labels without some. */
export function without(labels: Labels, left: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !(name in left)));
}

/** A value as the server writes it. */
export const parsed = (text: string): number => Number(text.replace("Inf", "Infinity"));

/** Times of a grid in Unix seconds, and the values of each series there; where there is none, a gap. */
export function columns(series: Series[], span: Span, step: number): [number[], ...(number | null)[][]] {
  const start = span.start / 1_000;
  const count = Math.max(0, Math.floor((span.end - span.start) / 1_000 / step) + 1);
  const times = Array.from({ length: count }, (_, index) => start + index * step);
  const values = series.map(({ values }) => {
    const column: (number | null)[] = times.map(() => null);
    for (const [time, text] of values) {
      const at = Math.round((time - start) / step);
      if (at >= 0 && at < count) column[at] = parsed(text);
    }
    return column;
  });
  return [times, ...values];
}

/** The ends of a value axis: from zero when the values are near it, with room above and below. */
export function bounds(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1];
  if (min === max) return min === 0 ? [0, 1] : [Math.min(0, min * 1.2), Math.max(0, max * 1.2)];
  const room = (max - min) * 0.1;
  const low = min >= 0 && min < (max - min) * 2 ? 0 : min - room;
  return [low, max <= 0 && -max < (max - min) * 2 ? 0 : max + room];
}

/** Where a place of an error is in the text, in UTF-16 units as editors count. */
export function offsetOf(text: string, line: number, column: number): number {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  const bytes = new TextEncoder().encode(lines[line - 1] ?? "").slice(0, column - 1);
  return Math.min(text.length, before + new TextDecoder().decode(bytes).length);
}
