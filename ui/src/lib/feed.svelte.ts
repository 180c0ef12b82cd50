/**
 * What keeps a drawing filled: the history of its queries over the page's range, then live ticks while the range
 * ends now. One request for all queries. What nobody sees asks for nothing; when it is seen again, it catches up.
 */
import { untrack } from "svelte";
import { asFailure, Failure } from "./failure";
import { live } from "./live.svelte";
import { past, SERIES_MAX, type PastResult } from "./past";
import { range, type Range } from "./range.svelte";
import { Points } from "./series";

export interface Wanted {
  queries: string[];
  /** How many points a line may have, more or less. */
  points: number;
  isOn: boolean;
  /** Also the period before, as lines whose places follow those of `queries`. */
  hasPrevious?: boolean;
  seriesMax?: number;
}

const SETTLE_MS = 40;
const RETRY_MS = 5_000;
/** The live socket's limits. */
const STEP_MS_MIN = 1_000;
const STEP_MS_MAX = 60_000;
/** How often the part of an earlier period that came into sight is fetched, at most. */
const PREVIOUS_MS_MIN = 30_000;

export class Feed {
  /** Grows with every change of the points, which are too many to be watched one by one. */
  version = $state(0);
  omitted = $state(0);
  /** Why there is no answer. */
  failure = $state.raw<Failure | null>(null);
  warnings = $state.raw<PastResult["warnings"]>([]);
  isLoaded = $state(false);
  /** Milliseconds between two points, more or less. */
  step = STEP_MS_MIN;
  points = new Points();
  private end = 0;
  private queries = "";

  /** Called while a component is made; ends with it. */
  constructor(wanted: () => Wanted) {
    // Only another question asks anew: whoever wants the same again gets nothing new.
    const key = $derived(JSON.stringify([wanted(), range.current]));
    $effect(() => {
      const [asked, span] = JSON.parse(key) as [Wanted, Range];
      if (!asked.isOn || asked.points <= 0 || asked.queries.length === 0) return;
      // What asking reads of the range changes with every address, also where the question stays.
      return untrack(() => this.run(asked, span.end === null));
    });
  }

  /** The ends of the time axis in Unix milliseconds. */
  axis(): [number, number] {
    const { start, end, seconds } = range.current;
    if (start !== null && end !== null) return [start, end];
    const last = Math.max(this.end, this.points.times.at(-1) ?? 0) || range.now();
    return [last - seconds * 1_000, last];
  }

  private run(asked: Wanted, isLive: boolean): () => void {
    const stop = new AbortController();
    const step = Math.min(STEP_MS_MAX, Math.max(STEP_MS_MIN, Math.ceil(range.current.seconds / asked.points) * 1_000));
    let next: ReturnType<typeof setTimeout>;
    const load = async () => {
      const isThere = await this.load(asked, step, isLive, stop.signal);
      // While it is live the past is asked for again with the next connection; a range that stands still has none.
      if (!isThere && !isLive && !stop.signal.aborted) next = setTimeout(load, RETRY_MS);
    };
    // A page that is being laid out changes its mind several times; only the last question is asked.
    next = setTimeout(load, SETTLE_MS);
    this.step = step;
    this.forget(JSON.stringify(asked.queries));
    if (!isLive) {
      return () => {
        clearTimeout(next);
        stop.abort();
      };
    }
    const ends = asked.queries.map((query, line) =>
      live.subscribe({
        query,
        step,
        tick: (time, values) => {
          this.points.tick(line, time, values, step);
          this.points.trim(this.axis()[0]);
          this.version += 1;
        },
        // A gap concerns all lines alike; one request fills it.
        gap: line === 0 ? () => void load() : () => undefined,
      }),
    );
    const every = Math.max(PREVIOUS_MS_MIN, range.current.seconds * 20);
    const again = asked.hasPrevious ? setInterval(load, every) : undefined;
    return () => {
      stop.abort();
      clearTimeout(next);
      clearInterval(again);
      for (const end of ends) end();
    };
  }

  /** What was drawn for other queries would stand under the name of these. */
  private forget(queries: string): void {
    if (this.queries !== "" && this.queries !== queries) {
      this.points = new Points();
      [this.failure, this.warnings, this.omitted, this.isLoaded] = [null, [], 0, false];
      this.version += 1;
    }
    this.queries = queries;
  }

  /** Whether there is an answer. */
  private async load(asked: Wanted, step: number, isLive: boolean, signal: AbortSignal): Promise<boolean> {
    const { start, end } = range.span();
    const length = end - start;
    // Two points of a pixel are the most that a line of changing values has.
    const px = asked.points / 2;
    const most = asked.seriesMax ?? SERIES_MAX;
    try {
      const [now, before] = await Promise.all([
        past(asked.queries, start, end, px, signal, most),
        asked.hasPrevious ? past(asked.queries, start - length, start, px, signal, most) : null,
      ]);
      if (signal.aborted) return false;
      const shifted = (before?.results ?? []).map(({ series }) =>
        series.map((one) => ({ ...one, times: one.times.map((time) => time + length) })),
      );
      if (isLive) range.skew = Math.abs(now.now - Date.now()) > 2_000 ? now.now - Date.now() : 0;
      this.end = now.end;
      this.step = Math.max(step, now.stepMs);
      // What came live is part of no range that stands still.
      this.points.load([...now.results.map(({ series }) => series), ...shifted], isLive ? now.end : Infinity, this.step);
      this.omitted = now.results.reduce((sum, { omitted }) => sum + omitted, 0);
      this.warnings = now.results.flatMap(({ warnings }) => warnings);
      const wrong = now.results.find(({ error }) => error !== null)?.error ?? null;
      this.failure = wrong === null ? null : new Failure("server", wrong);
      this.isLoaded = true;
    } catch (error) {
      if (signal.aborted) return false;
      this.failure = asFailure(error);
      this.version += 1;
      return false;
    }
    this.version += 1;
    return true;
  }
}
