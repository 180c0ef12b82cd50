/** The page's time range, as the address says it. */
import { EXPLORE_RANGES, spanOf } from "../explore/address";
import { parametersOf } from "./address";

export interface PageSpan {
  start: number;
  end: number;
  /** Ends now, and moves on. */
  isLive: boolean;
  seconds: number;
  /** What a range that ends now is called. */
  id: string;
}

const USUAL = "15m";

/** A range that ends now, or fixed times. */
export function pageSpan(hash: string, now: number): PageSpan {
  const parameters = parametersOf(hash);
  const fixed = spanOf(parameters);
  if (fixed) return { ...fixed, isLive: false, seconds: (fixed.end - fixed.start) / 1_000, id: "" };
  const range = EXPLORE_RANGES.find(({ id }) => id === parameters.get("range")) ?? EXPLORE_RANGES.find(({ id }) => id === USUAL);
  const seconds = range?.seconds ?? 900;
  return { start: now - seconds * 1_000, end: now, isLive: true, seconds, id: range?.id ?? USUAL };
}
