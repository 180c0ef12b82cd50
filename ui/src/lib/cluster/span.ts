/** The page's time range with its ends at a given time, for what is asked again and again. */
import { rangeId, readRange } from "../range.svelte";

export interface PageSpan {
  start: number;
  end: number;
  /** Ends now, and moves on. */
  isLive: boolean;
  seconds: number;
  /** What a range that ends now is called. */
  id: string;
}

/** A range that ends now, or fixed times. */
export function pageSpan(hash: string, now: number): PageSpan {
  const { start, end, seconds } = readRange(hash).range;
  if (start !== null && end !== null) return { start, end, isLive: false, seconds, id: "" };
  return { start: now - seconds * 1_000, end: now, isLive: true, seconds, id: rangeId(seconds) };
}
