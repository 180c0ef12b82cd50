/** Sparklanes as a picture. Where a line goes is `spark.ts`. */
import { format, timeMark } from "../format";
import { timeMarks } from "./lanes";
import { pathOf, topOf, type Spark } from "./spark";

/** Pixels of the document. */
const [WIDTH, NAMES, LANE, GAP, AXIS, ROOM, EDGE] = [900, 190, 62, 12, 22, 4, 12];
const DASHES = [[], [6, 3], [2, 2], [9, 3, 2, 3], [12, 3], [4, 2]];
const MARK_SPACE = 76;

export function paint(sparks: Spark[], span: { start: number; end: number }, step: number): HTMLCanvasElement {
  const ratio = devicePixelRatio;
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const drawn = sparks.filter(({ lines }) => lines.length > 0);
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH * ratio;
  canvas.height = (drawn.length * (LANE + GAP) + AXIS) * ratio;
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  context.scale(ratio, ratio);
  const size = { width: WIDTH - NAMES - EDGE, height: LANE, room: ROOM };
  const write = (text: string, x: number, y: number, name: string, font: string) => {
    context.font = `${font} system-ui, sans-serif`;
    context.fillStyle = colour(name);
    context.fillText(text, x, y);
  };
  /** Small, and readable where lines cross it. */
  const label = (text: string, x: number, y: number) => {
    context.font = "10px system-ui, sans-serif";
    context.fillStyle = colour("--card");
    context.fillRect(x - 2, y - 9, context.measureText(text).width + 4, 12);
    write(text, x, y, "--muted", "10px");
  };
  for (const spark of drawn) {
    const top = topOf(spark);
    write(spark.name, EDGE, 14, "--text", "600 12px");
    spark.lines.forEach(({ name, hue }, at) => {
      if (name) write(`■ ${name}`, EDGE, 30 + 14 * at, lineColour(hue ?? at), "11px");
    });
    context.save();
    context.translate(NAMES, 0);
    if (spark.limit && spark.limit.value <= top) {
      const y = ROOM + (LANE - ROOM) * (1 - spark.limit.value / top);
      stroke(context, new Path2D(`M0 ${y}H${size.width}`), colour("--muted"), [4, 4]);
      context.font = "10px system-ui, sans-serif";
      label(spark.limit.name, size.width - context.measureText(spark.limit.name).width - 4, y + 12);
    }
    spark.lines.forEach((line, at) => {
      const hue = line.hue ?? at;
      stroke(context, new Path2D(pathOf(line, span, top, size, step)), colour(lineColour(hue, line.isPast)), line.isPast ? [5, 4] : (DASHES[hue] ?? []));
    });
    label(format(top, spark.unit), 2, 11);
    context.restore();
    context.translate(0, LANE + GAP);
  }
  const { times, every } = timeMarks(span, size.width, MARK_SPACE);
  context.textAlign = "center";
  for (const time of times) write(timeMark(time, every), NAMES + ((time - span.start) / (span.end - span.start)) * size.width, 8, "--muted", "11px");
  return canvas;
}

const lineColour = (hue: number, isPast = false): string => (hue < 5 ? `--line-${hue}${isPast ? "-past" : ""}` : "--muted");

function stroke(context: CanvasRenderingContext2D, path: Path2D, colour: string, dash: number[]): void {
  context.strokeStyle = colour;
  context.setLineDash(dash);
  context.lineWidth = 1.4;
  context.stroke(path);
}
