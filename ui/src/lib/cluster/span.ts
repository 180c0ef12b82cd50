/** The page's time range as the pages of a cluster use it: its ends at a time, and a name for it. */
import { endsAt, range, readRange } from "../range.svelte";

export interface PageSpan {
  /** Unix milliseconds. */
  start: number;
  end: number;
  /** Ends now, and moves on. */
  isLive: boolean;
  seconds: number;
}

/** The range of an address; one that ends now ends at `now`. */
export function pageSpan(hash: string, now: number): PageSpan {
  const asked = readRange(hash).range;
  return { ...endsAt(asked, now), isLive: asked.end === null, seconds: asked.seconds };
}

/** Names a range as a text: the same as long as the same is asked for, while the ends of one that ends now move on. */
export const spanKey = ({ start, end, isLive, seconds }: PageSpan): string => (isLive ? `${seconds}` : `${start} ${end}`);

/** The ends, as of now, of the range that `spanKey` named. */
export function endsOf(key: string): { start: number; end: number } {
  const [first = 0, end] = key.split(" ").map(Number);
  return end === undefined ? endsAt({ start: null, end: null, seconds: first }, range.now()) : { start: first, end };
}

/** When an instant query is asked for, `null` for now, and how long the range before it is. */
export function instantOf(key: string): { time: number | null; seconds: number } {
  const { start, end } = endsOf(key);
  return { time: isLiveKey(key) ? null : end, seconds: (end - start) / 1_000 };
}

export const isLiveKey = (key: string): boolean => !key.includes(" ");
