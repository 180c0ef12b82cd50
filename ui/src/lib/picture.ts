/** A chart as a file: its numbers as CSV, its drawing as PNG. */

function download(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}

/** Numbers as a file that table programs read as UTF-8. */
export const saveCsv = (name: string, text: string): void => download(`${name}.csv`, new Blob(["\ufeff", text], { type: "text/csv" }));

/** A cell that a table program shows and never runs as a formula. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Times as ISO 8601 in UTC, then a column for each line. */
export function csv(names: string[], times: number[], values: (number | null | undefined)[][]): string {
  const rows = times.map((time, at) => [new Date(time).toISOString(), ...values.map((line) => String(line[at] ?? ""))]);
  return [["time", ...names], ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export interface Words {
  title: string;
  note: string;
  legend: { text: string; stroke: string }[];
}

/** A canvas, and what is said above it where there are several. */
export interface Drawing {
  canvas: HTMLCanvasElement;
  name?: string;
}

/** Pixels of the document: room for title and note, for the name of a drawing, for the legend or for none. */
const [HEAD, NAME, FOOT, EDGE] = [44, 22, 30, 8];

export const savePicture = (name: string, blob: Blob): void => download(`${name}.png`, blob);

/** Drawings under each other with their title and legend, which are no part of the canvases. */
export function picture(drawings: Drawing[], words: Words): Promise<Blob | null> {
  const ratio = devicePixelRatio;
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const out = document.createElement("canvas");
  const foot = words.legend.length > 0 ? FOOT : EDGE;
  const heights = drawings.map(({ canvas, name }) => canvas.height + (name ? NAME * ratio : 0));
  out.width = drawings.reduce((most, { canvas }) => Math.max(most, canvas.width), 1);
  out.height = heights.reduce((sum, height) => sum + height, 0) + (HEAD + foot) * ratio;
  const context = out.getContext("2d");
  if (!context) return Promise.resolve(null);
  const write = (text: string, x: number, y: number, name: string, font: string) => {
    context.fillStyle = colour(name);
    context.font = font.replace(/\d+px/, (size) => `${parseInt(size) * ratio}px`);
    context.fillText(text, x * ratio, y);
    return context.measureText(text).width / ratio;
  };
  context.fillStyle = colour("--card");
  context.fillRect(0, 0, out.width, out.height);
  write(words.title, 12, 18 * ratio, "--text", "600 14px system-ui, sans-serif");
  write(words.note, 12, 34 * ratio, "--muted", "11px system-ui, sans-serif");
  let top = HEAD * ratio;
  drawings.forEach(({ canvas, name }, at) => {
    if (name) write(name, 12, top + 16 * ratio, "--text", "12px system-ui, sans-serif");
    // On the right, where lower ones have a narrower axis of values.
    context.drawImage(canvas, out.width - canvas.width, top + heights[at]! - canvas.height);
    top += heights[at]!;
  });
  let x = 12;
  for (const { text, stroke } of words.legend) {
    const y = top + 18 * ratio;
    x += write("■ ", x, y, stroke, "12px system-ui, sans-serif");
    x += write(text, x, y, "--text", "12px system-ui, sans-serif") + 16;
  }
  return new Promise((made) => out.toBlob(made, "image/png"));
}
