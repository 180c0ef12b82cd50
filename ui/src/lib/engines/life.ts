/**
 * The life of an engine as one lane: from its readings and from what was noticed. That an engine is draining no engine tells,
 * so there is no such state.
 */
import type { Track } from "../cluster/ask";
import { segmentsOf, worst, type Segment } from "../lanes/lanes";
import type { Event } from "../api";

export const STATES = ["ready", "loading", "starting", "hung", "down"] as const;
export type LifeState = (typeof STATES)[number];
/** What is worse hides what is better. */
const SEVERITY: Record<LifeState, number> = { ready: 0, loading: 1, starting: 2, hung: 3, down: 4 };
export const severityOf = (state: string): number => SEVERITY[state as LifeState] ?? 0;

/** Longer gaps between a start and the first answer than this have another cause. */
const START_MS_MAX = 3_600_000;

/** The events of one engine: they name it by its address. */
export function eventsOf(events: Event[], instance: string): Event[] {
  return events.filter(({ source, params }) => source === `engine ${instance}` || String(params.url ?? "").replace(/^https?:\/\//, "").replace(/\/$/, "") === instance);
}

/**
 * `up` is `llm_engine_up`, `stalled` is `llm_engine_stalled_seconds`, `started` is the start of its process in Unix seconds.
 * From the start of a process to its first answer the engine is starting; a load that was noticed took its seconds before.
 */
export function lifeOf(up: Track[], stalled: Track[], started: Track[], events: Event[], step: number): Segment[] {
  const answers = up.map((track) => segmentsOf(track, step, (value) => (value > 0 ? "ready" : "down")));
  const hangs = stalled.map((track) => segmentsOf(track, step, (value) => (value > 0 ? "hung" : null)));
  const firstAnswer = (after: number) => answers.flat().find(({ state, end }) => state === "ready" && end > after)?.start;
  // What began before anything is known of the engine is not of this range.
  const known = Math.min(...up.flatMap(({ times }) => times.slice(0, 1)), Infinity);
  const starts = started.flatMap(({ values }) => [...new Set(values.filter((value) => value !== null))]).flatMap((seconds): Segment[] => {
    const start = seconds * 1_000;
    const ready = firstAnswer(start);
    return ready !== undefined && start >= known && ready > start && ready - start < START_MS_MAX ? [{ start, end: ready, state: "starting" }] : [];
  });
  const loads = events.flatMap(({ code, time, params }): Segment[] => {
    const ms = Number(params.seconds) * 1_000;
    return code === "event.model_loaded" && ms > 0 ? [{ start: time - ms, end: time, state: "loading" }] : [];
  });
  // While a process starts nothing answers: that is not being down.
  const isStarting = (time: number) => starts.some(({ start, end }) => time >= start && time < end);
  const clipped = answers.map((segments) => segments.flatMap((segment) => (segment.state === "down" && isStarting((segment.start + segment.end) / 2) ? [] : [segment])));
  return worst([...clipped, ...hangs, starts, loads], severityOf);
}
