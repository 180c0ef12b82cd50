/** A chart as a file: its numbers as CSV, its drawing as PNG. */

export function download(name: string, blob: Blob): void {
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

/** The drawing with its title and legend, which are no part of the canvas. */
export function picture(canvas: HTMLCanvasElement, words: Words): Promise<Blob | null> {
  const ratio = devicePixelRatio;
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const out = document.createElement("canvas");
  const [head, foot] = [44 * ratio, (words.legend.length > 0 ? 30 : 8) * ratio];
  out.width = canvas.width;
  out.height = canvas.height + head + foot;
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
  context.drawImage(canvas, 0, head);
  let x = 12;
  for (const { text, stroke } of words.legend) {
    const y = head + canvas.height + 18 * ratio;
    x += write("■ ", x, y, stroke, "12px system-ui, sans-serif");
    x += write(text, x, y, "--text", "12px system-ui, sans-serif") + 16;
  }
  return new Promise((made) => out.toBlob(made, "image/png"));
}
