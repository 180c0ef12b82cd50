/** What Requests shows, as its address says it: whoever has the link sees the same. */
import { hashOf, parameters, rangeId, readRange, secondsOf } from "../range.svelte";
import { spanOf, type Span } from "../explore/address";
import { FILTER_LENGTH_MAX } from "../filter/terms";
import { GROUPS, MEASURES, type Group, type Measure } from "./ask";

/** By what the list is sorted; with a minus the largest is first. */
export const SORTS = ["time", "ttft", "tpot", "e2e", "total", "output"] as const;
export type SortField = (typeof SORTS)[number];
export const PICTURES = ["scatter", "heatmap"] as const;
export type PictureKind = (typeof PICTURES)[number];
const ID_LENGTH_MAX = 256;

export interface Asked {
  filter: string;
  range: string;
  /** Fixed times in place of a range that ends now. */
  span: Span | null;
  sort: { by: SortField; isDescending: boolean };
  isLive: boolean;
  /** `null` lets the page choose: points, unless there are too many of them. */
  picture: PictureKind | null;
  measure: Measure;
  by: Group;
  /** The request whose details are open. */
  id: string | null;
}

export const USUAL: Asked = {
  filter: "",
  range: "15m",
  span: null,
  sort: { by: "time", isDescending: true },
  isLive: true,
  picture: null,
  measure: "ttft",
  by: "model",
  id: null,
};

function one<T extends string>(choices: readonly T[], value: string | null, usual: T): T {
  return choices.find((choice) => choice === value) ?? usual;
}

function rangeOf(hash: string): string {
  const { end, seconds } = readRange(hash).range;
  return end === null ? rangeId(seconds) : USUAL.range;
}

/** Reads `#/requests?...`. What makes no sense is replaced by what is usual. */
export function read(hash: string): Asked {
  const given = parameters(hash);
  const sort = given.get("sort") ?? "";
  const by = SORTS.find((field) => field === sort.replace(/^-/, ""));
  const span = spanOf(given);
  return {
    filter: (given.get("q") ?? "").slice(0, FILTER_LENGTH_MAX),
    range: rangeOf(hash),
    span,
    sort: by ? { by, isDescending: sort.startsWith("-") } : USUAL.sort,
    isLive: given.get("live") !== "off" && span === null,
    picture: PICTURES.find((kind) => kind === given.get("picture")) ?? null,
    measure: one(MEASURES, given.get("measure"), USUAL.measure),
    by: one(GROUPS, given.get("by"), USUAL.by),
    id: given.get("id")?.slice(0, ID_LENGTH_MAX) || null,
  };
}

/** As the server and the address write it. */
export const sortText = ({ by, isDescending }: Asked["sort"]): string => (isDescending ? `-${by}` : by);

/** The address of a state; what is usual is left out. */
export function address(state: Partial<Asked>): string {
  const all = { ...USUAL, ...state };
  const given = new URLSearchParams();
  if (all.filter.trim() !== "") given.set("q", all.filter.trim());
  if (all.span) {
    given.set("from", String(all.span.start));
    given.set("to", String(all.span.end));
  }
  if (all.range !== USUAL.range) given.set("range", all.range);
  if (sortText(all.sort) !== sortText(USUAL.sort)) given.set("sort", sortText(all.sort));
  if (!all.isLive && !all.span) given.set("live", "off");
  if (all.picture) given.set("picture", all.picture);
  for (const name of ["measure", "by"] as const) {
    if (all[name] !== USUAL[name]) given.set(name, all[name]);
  }
  if (all.id) given.set("id", all.id);
  return hashOf("requests", given);
}

/** The span that is asked for, in milliseconds. */
export function spanNow({ span, range }: Pick<Asked, "span" | "range">, now: number): Span {
  if (span) return span;
  const seconds = secondsOf(range) ?? 900;
  return { start: now - seconds * 1_000, end: now };
}
