/** Draws the latency picture on a canvas. What is where, and what it means, is `picture.ts`. */
import type { Span } from "../explore/address";
import { format, timeMark } from "../format";
import { mapColour, strength } from "../grid/ramp";
import { timeMarks } from "../lanes/lanes";
import type { HeatMap } from "./ask";
import { boundsOf, logMarks, placeOf, SHAPES, type Point, type Range } from "./picture";

export interface Frame {
  /** Of the canvas, in CSS pixels. */
  width: number;
  height: number;
  span: Span;
  range: Range;
}

/** Room for the axes, in pixels. */
export const EDGE = { left: 56, right: 14, top: 8, bottom: 22 };
const FONT = "11px system-ui, sans-serif";
const POINT = 2.6;
const MARK_WIDTH = 76;
const MARK_HEIGHT = 26;

export const xOf = ({ width, span }: Frame, time: number): number =>
  EDGE.left + ((time - span.start) / (span.end - span.start)) * (width - EDGE.left - EDGE.right);
export const yOf = ({ height, range }: Frame, value: number): number =>
  height - EDGE.bottom - placeOf(value, range) * (height - EDGE.top - EDGE.bottom);
export const timeAt = ({ width, span }: Frame, x: number): number => {
  const share = (x - EDGE.left) / (width - EDGE.left - EDGE.right);
  return span.start + Math.min(1, Math.max(0, share)) * (span.end - span.start);
};
export const valueAt = ({ height, range }: Frame, y: number): number => {
  const share = (height - EDGE.bottom - y) / (height - EDGE.top - EDGE.bottom);
  return range.low * (range.high / range.low) ** share;
};

type Colour = (name: string) => string;

export function axes(context: CanvasRenderingContext2D, frame: Frame, colour: Colour, hasGrid: boolean): void {
  const { width, height, span, range } = frame;
  context.font = FONT;
  context.fillStyle = colour("--muted");
  context.strokeStyle = colour("--grid");
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const mark of logMarks(range, Math.max(2, Math.floor((height - EDGE.top - EDGE.bottom) / MARK_HEIGHT)))) {
    const y = Math.round(yOf(frame, mark)) + 0.5;
    if (hasGrid) {
      context.beginPath();
      context.moveTo(EDGE.left, y);
      context.lineTo(width - EDGE.right, y);
      context.stroke();
    }
    context.fillText(format(mark, "milliseconds"), EDGE.left - 8, y);
  }
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  const { every, times } = timeMarks(span, width - EDGE.left - EDGE.right, MARK_WIDTH);
  for (const time of times) {
    const x = xOf(frame, time);
    if (x > EDGE.left + 16 && x < width - EDGE.right - 12) context.fillText(timeMark(time, every), x, height - 6);
  }
}

export function scatter(context: CanvasRenderingContext2D, frame: Frame, points: Point[], colour: Colour): void {
  const colours = { dot: colour("--point-ok"), ring: colour("--warn"), cross: colour("--crit") };
  // What went wrong is drawn last, so that nothing hides it.
  for (const shape of ["dot", "ring", "cross"] as const) {
    context.fillStyle = context.strokeStyle = colours[shape];
    context.globalAlpha = shape === "dot" ? 0.55 : 1;
    context.lineWidth = 1.5;
    for (const { row, time, value } of points) {
      if ((SHAPES[row.outcome] ?? "cross") === shape) stamp(context, shape, xOf(frame, time), yOf(frame, value));
    }
  }
  context.globalAlpha = 1;
}

/** The time whose requests are not loaded: empty here does not mean that there were none. */
export function unloaded(context: CanvasRenderingContext2D, frame: Frame, since: number, text: string, colour: Colour): void {
  const right = Math.min(xOf(frame, since), frame.width - EDGE.right);
  if (right <= EDGE.left) return;
  const height = frame.height - EDGE.top - EDGE.bottom;
  context.fillStyle = colour("--grid");
  context.globalAlpha = 0.6;
  context.fillRect(EDGE.left, EDGE.top, right - EDGE.left, height);
  context.globalAlpha = 1;
  context.fillStyle = colour("--muted");
  context.textAlign = "center";
  if (right - EDGE.left > context.measureText(text).width + 8) context.fillText(text, (EDGE.left + right) / 2, EDGE.top + height / 2);
}

function stamp(context: CanvasRenderingContext2D, shape: "dot" | "ring" | "cross", x: number, y: number): void {
  context.beginPath();
  if (shape === "cross") {
    context.moveTo(x - 3, y - 3);
    context.lineTo(x + 3, y + 3);
    context.moveTo(x + 3, y - 3);
    context.lineTo(x - 3, y + 3);
    context.stroke();
  } else {
    context.arc(x, y, shape === "dot" ? POINT : POINT + 0.6, 0, 2 * Math.PI);
    if (shape === "dot") context.fill();
    else context.stroke();
  }
}

export function heat(context: CanvasRenderingContext2D, frame: Frame, map: HeatMap, isDark: boolean): void {
  const most = map.counts.flat().reduce((a, b) => Math.max(a, b), 0);
  context.save();
  context.beginPath();
  context.rect(EDGE.left, EDGE.top, frame.width - EDGE.left - EDGE.right, frame.height - EDGE.top - EDGE.bottom);
  context.clip();
  map.counts.forEach((column, index) => {
    // Whole pixels, so that no seams show between cells.
    const left = Math.round(xOf(frame, map.start + index * map.step_ms));
    const right = Math.round(xOf(frame, map.start + (index + 1) * map.step_ms));
    column.forEach((count, bucket) => {
      if (count <= 0) return;
      const { low, high } = boundsOf(map, bucket);
      const top = Math.round(yOf(frame, high));
      context.fillStyle = mapColour(strength(count, most, 1), isDark);
      context.fillRect(left, top, right - left, Math.max(1, Math.round(yOf(frame, low)) - top));
    });
  });
  context.restore();
}

/** Marks a point, and the request that is open. */
export function halo(context: CanvasRenderingContext2D, frame: Frame, point: Point, colour: string): void {
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(xOf(frame, point.time), yOf(frame, point.value), POINT + 4, 0, 2 * Math.PI);
  context.stroke();
}
