/** What every chart offers beside its drawing: its numbers as a table and as a file, its picture, its queries. */
import { newRuleAddress } from "./alerts/address";
import { exploreLink } from "./explore/address";
import { when, type Unit } from "./format";
import { csv, picture, saveCsv, savePicture, type Drawing } from "./picture";
import { t } from "./prefs.svelte";
import { range } from "./range.svelte";
import type { Value } from "./series";
import type { Item } from "./ui/Menu.svelte";

/** A line's numbers, one for each time of the chart. */
export interface Column {
  name: string;
  unit: Unit;
  values: Value[];
}

/** What a chart shows when one of the entries is chosen. */
export interface Content {
  title: string;
  note: string;
  /** The ends of the time axis in Unix milliseconds. */
  axis: [number, number];
  /** Unix milliseconds. */
  times: number[];
  columns: Column[];
  /** From top to bottom. */
  drawings: Drawing[];
  legend: { text: string; stroke: string }[];
}

export interface Offer {
  /** The beginning of its files' names. */
  id: string;
  queries: string[];
  /** Where another page says more of the same. */
  more?: string;
  isTable: boolean;
  turn: () => void;
  /** Whether it can draw the period before. */
  hasPrevious?: boolean;
  content: () => Content;
}

/** `queue-2026-11-24T113320`: by what it shows and when that ends. */
export const fileName = (id: string, end: number): string => `${id}-${new Date(end).toISOString().slice(0, 19).replaceAll(":", "")}`;

export function saveNumbers(id: string, { columns, times, axis }: Pick<Content, "columns" | "times" | "axis">): void {
  saveCsv(fileName(id, axis[1]), csv(columns.map(({ name }) => name), times, columns.map(({ values }) => values)));
}

export async function saveDrawing(id: string, { title, note, axis, drawings, legend }: Omit<Content, "columns" | "times">): Promise<void> {
  // A live chart goes on while the picture is made.
  const name = fileName(id, axis[1]);
  const span = `${when(axis[0])} – ${when(axis[1])}`;
  const blob = await picture(drawings, { title, note: note === "" ? span : `${note} · ${span}`, legend });
  if (blob) savePicture(name, blob);
}

export function itemsOf({ id, queries, more, isTable, turn, hasPrevious = true, content }: Offer): Item[] {
  return [
    { name: t("as_table"), id: "table", isChecked: isTable, run: turn },
    // A table has no drawing.
    ...(isTable ? [] : [{ name: t("as_png"), id: "png", run: () => void saveDrawing(id, content()) }]),
    { name: t("as_csv"), id: "csv", run: () => saveNumbers(id, content()) },
    ...(hasPrevious ? [{ name: t("compare_previous"), id: "compare", isChecked: range.isCompared, run: () => range.toggleCompare() }] : []),
    { name: t("to_logs"), id: "logs", href: range.link("logs") },
    { name: t("to_explore"), href: exploreLink(queries, range.current) },
    ...queries.slice(0, 1).map((query) => ({ name: t("alert_on_this"), id: "alert", href: newRuleAddress(query) })),
    ...(more ? [{ name: t("see_more"), href: more }] : []),
  ];
}
