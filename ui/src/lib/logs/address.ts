/** What Logs shows, as its address says it: whoever has the link sees the same. The range is the page's own. */
import type { Span } from "../explore/address";
import { changed } from "../cluster/address";
import { FILTER_LENGTH_MAX } from "../filter/terms";
import { hashOf, parameters } from "../range.svelte";

export const VIEWS = ["lines", "patterns", "findings"] as const;
export type View = (typeof VIEWS)[number];
const ID_LENGTH_MAX = 64;
/** So much time around a line a link to it shows, where the page's own range moves on. */
const AROUND_MS = 5 * 60_000;

/** The line that is open. Its time is what it is found by. */
export interface Opened {
  id: string;
  time: number;
}

export interface Asked {
  filter: string;
  view: View;
  opened: Opened | null;
}

/** Reads `#/logs?...`. What makes no sense is left out. */
export function read(hash: string): Asked {
  const given = parameters(hash);
  const [id, time] = [given.get("id"), given.get("time")];
  const isLine = id !== null && id !== "" && id.length <= ID_LENGTH_MAX && time !== null && /^\d{1,15}$/.test(time);
  return {
    filter: (given.get("filter") ?? "").trim().slice(0, FILTER_LENGTH_MAX),
    view: VIEWS.find((view) => view === given.get("view")) ?? "lines",
    opened: isLine ? { id, time: Number(time) } : null,
  };
}

/** The address with something else shown; the range stays, and so does what is not named. */
export function address(hash: string, { filter, view, opened }: Partial<Asked>): string {
  return changed(hash, {
    ...(filter === undefined ? {} : { filter: filter.trim() }),
    ...(view === undefined ? {} : { view: view === "lines" ? null : view }),
    ...(opened === undefined ? {} : { id: opened?.id ?? null, time: opened ? String(opened.time) : null }),
  });
}

/** Logs with a filter in a fixed time, as other pages link to it. */
export function logsAt(filter: string, span: Span): string {
  const given = new URLSearchParams(filter === "" ? {} : { filter });
  given.set("from", String(Math.floor(span.start)));
  given.set("to", String(Math.ceil(span.end)));
  return hashOf("logs", given);
}

/** A link to a line that shows the same tomorrow: with fixed times, those of the page where it has such. */
export function permalink(hash: string, fixed: Span | null, opened: Opened): string {
  const span = fixed ?? { start: opened.time - AROUND_MS, end: opened.time + AROUND_MS };
  const linked = changed(hash, { range: null, from: String(Math.floor(span.start)), to: String(Math.ceil(span.end)), at: null, view: null });
  return address(linked, { opened });
}
