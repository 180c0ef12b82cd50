/** What happened before the page was opened. */
import type { Labels } from "./series";

export interface Past {
  labels: Labels;
  points: [number, number][];
}

/** Points of a query from `start` to `end`; all in milliseconds. Empty when they cannot be had. */
export async function past(query: string, start: number, end: number, step: number): Promise<Past[]> {
  const aligned = (time: number) => (Math.floor(time / step) * step) / 1000;
  const parameters = new URLSearchParams({
    query,
    start: String(aligned(start)),
    end: String(aligned(end)),
    step: String(step / 1000),
  });
  try {
    const answer = await fetch(`/api/v1/query_range?${parameters}`);
    if (!answer.ok) return [];
    const { data } = await answer.json();
    return data.result.map((series: { metric: Labels; values: [number, string][] }) => ({
      labels: series.metric,
      points: series.values.map(([time, value]) => [Math.round(time * 1000), Number(value)]),
    }));
  } catch {
    return []; // The live ticks go on; the past is tried again with the next connection.
  }
}
