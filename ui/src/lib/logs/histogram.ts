/** The bars of the histogram: counts by severity on top of each other, the gravest at the bottom. */
import { SEVERITIES, type Histogram } from "./ask";

/** Pixels between bars. */
const GAP = 1;
/** What is there is seen, however much more of something else there is; what is grave the more. */
const HEIGHT_MIN = 1.5;
const HEIGHT_MIN_GRAVE = 4;
const GRAVE: (string | null)[] = ["fatal", "error", "warn"];

export interface Layer {
  severity: string | null;
  counts: number[];
}

/** The series in the order in which they lie on each other; what is not known lies on top. */
export function layersOf({ series }: Histogram): Layer[] {
  const order: (string | null)[] = [...SEVERITIES];
  const place = (key: string | null) => (order.includes(key) ? order.indexOf(key) : order.length);
  return series.map(({ key, counts }) => ({ severity: key, counts })).sort((a, b) => place(a.severity) - place(b.severity));
}

/** The most of any bar. */
export function highest(layers: Layer[]): number {
  const length = Math.max(0, ...layers.map(({ counts }) => counts.length));
  let most = 0;
  for (let at = 0; at < length; at += 1) most = Math.max(most, layers.reduce((sum, { counts }) => sum + (counts[at] ?? 0), 0));
  return most;
}

/** One path for each layer. Bars that begin before the span or end after it are cut by what they are drawn in. */
export function pathsOf(layers: Layer[], found: Pick<Histogram, "start" | "step_ms">, span: { start: number; end: number }, width: number, height: number): string[] {
  const high = highest(layers);
  const pixel = width / Math.max(1, span.end - span.start);
  const bar = Math.max(1, found.step_ms * pixel - GAP);
  const tops: number[] = [];
  return layers.map(({ severity, counts }) => {
    const least = GRAVE.includes(severity) ? HEIGHT_MIN_GRAVE : HEIGHT_MIN;
    let path = "";
    counts.forEach((count, at) => {
      if (count <= 0) return;
      const below = tops[at] ?? 0;
      const size = Math.min(height - below, Math.max(least, (count / high) * height));
      const left = (found.start + at * found.step_ms - span.start) * pixel;
      tops[at] = below + size;
      path += `M${left.toFixed(1)} ${(height - below).toFixed(1)}h${bar.toFixed(1)}v${(-size).toFixed(1)}h${(-bar).toFixed(1)}z`;
    });
    return path;
  });
}

/** The counts of the bar at a time, without those that are none. */
export function countsAt(layers: Layer[], { start, step_ms }: Pick<Histogram, "start" | "step_ms">, time: number): { severity: string | null; count: number }[] {
  const at = Math.floor((time - start) / step_ms);
  return layers.flatMap(({ severity, counts }) => ((counts[at] ?? 0) > 0 ? [{ severity, count: counts[at] ?? 0 }] : []));
}

/** Bars that a width has room for; in coarse steps, so that a window that is dragged does not ask at every pixel. */
export const columnsFor = (width: number): number => Math.max(20, Math.min(200, Math.floor(width / 7 / 20) * 20));
