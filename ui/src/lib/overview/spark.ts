/** The small drawing in a tile. */
import type { Value } from "../series";

export interface Spark {
  line: string;
  /** The line, closed along the bottom. */
  area: string;
  low: number;
  high: number;
}

/** `null` where nothing is known. Gaps stay gaps. The axis begins at zero, so that a small change looks small. */
export function sparkOf(times: number[], values: Value[], [start, end]: [number, number], top: number | undefined, [width, height]: number[]): Spark | null {
  const known = values.filter((value): value is number => value !== null && value !== undefined);
  if (known.length === 0 || end <= start) return null;
  const [low, high] = known.reduce(([min, max], value) => [Math.min(min, value), Math.max(max, value)], [Infinity, -Infinity]);
  const most = top ?? (high > 0 ? high * 1.05 : 1);
  const x = (time: number) => (((time - start) / (end - start)) * width!).toFixed(1);
  const y = (value: number) => (height! - 1 - (Math.max(0, value) / most) * (height! - 2)).toFixed(1);
  const strokes: string[][] = [[]];
  times.forEach((time, at) => {
    const value = values[at];
    if (value === null) strokes.push([]);
    else if (value !== undefined && time >= start) strokes.at(-1)!.push(`${x(time)} ${y(value)}`);
  });
  const parts = strokes.filter((stroke) => stroke.length > 0);
  const foot = (point: string) => `${point.split(" ")[0]} ${height}`;
  return {
    line: parts.map((stroke) => `M${stroke.join("L")}${stroke.length === 1 ? "h1" : ""}`).join(""),
    area: parts.map((stroke) => `M${foot(stroke[0]!)}L${stroke.join("L")}L${foot(stroke.at(-1)!)}Z`).join(""),
    low, high,
  };
}
