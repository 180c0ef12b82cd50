/** What is known of one moment. The only place that knows `/api/mw/v1/moment`. */
import type { Event } from "../api";
import { ask, type Exchange } from "../requests/ask";
import type { Message } from "../prefs.svelte";
import type { Labels } from "../past";

/** So long before and after. */
export const AROUND_MS = 60_000;

export interface Evidence {
  query?: string;
  value?: number | null;
  usual?: number | null;
  event?: Event;
}

export interface Deviation {
  labels: Labels;
  query: string;
  value: number;
  usual: number;
  spread: number;
  score: number;
}

export interface Moment {
  at: number;
  around_ms: number;
  is_whole: boolean;
  verdicts: (Message & { evidence: Evidence[] })[];
  deviating: Deviation[];
  requests: Exchange[];
  events: Event[];
}

export const askMoment = (at: number, signal?: AbortSignal) => ask<Moment>("moment", { at: Math.round(at), around_ms: AROUND_MS }, signal);
