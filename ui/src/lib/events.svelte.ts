/** Events within the page's range: those that are stored, and those that come while it is looked at. */
import type { Event } from "./api";
import { when } from "./format";
import { live } from "./live.svelte";
import type { Mark } from "./Plot.svelte";
import { say } from "./prefs.svelte";

/** More than these nobody reads, and as many marks hide a chart. */
const EVENTS_MAX = 200;
const MARKS_MAX = 60;
/** What explains a change of a curve. A discovery or a reading that failed once does not. */
const EXPLAINING = /^event\.(engine_(changed|down|hung|moves|on_cpu|oom_killed|ready|restarted|up)|model_.*|xid)$/;

class Events {
  list = $state.raw<Event[]>([]);
  private asked = 0;

  follow(): void {
    live.watch("events", (data) => this.add((data as { events: Event[] }).events));
  }

  /** Those between two times, from the store. A failure leaves what is there: they are an addition. */
  async load(start: number, end: number): Promise<void> {
    const asked = ++this.asked;
    const query = `start=${Math.floor(start)}&end=${Math.ceil(end)}&limit=${EVENTS_MAX}`;
    const found = await fetch(`/api/mw/v1/events?${query}`).then((answer) => (answer.ok ? answer.json() : null), () => null);
    if (asked === this.asked && found) this.add(found.events);
  }

  private add(fresh: Event[]): void {
    // After a reconnect and over HTTP the server tells all of them again.
    const known = new Set(this.list.map((event) => JSON.stringify(event)));
    const added = fresh.filter((event) => !known.has(JSON.stringify(event)));
    if (added.length === 0) return;
    this.list = [...this.list, ...added].sort((a, b) => b.time - a.time).slice(0, 2 * EVENTS_MAX);
  }
}

export const events = new Events();

const STROKES: Record<string, string> = { error: "--crit", warn: "--warn" };

/** The newest of those that explain something, within a span, as the marks of a chart. */
export function marksOf(list: Event[], start: number, end: number): Mark[] {
  return list
    .filter(({ time, code }) => time >= start && time <= end && EXPLAINING.test(code))
    .slice(0, MARKS_MAX)
    .map((event) => ({ time: event.time / 1_000, name: `${when(event.time)} ${say(event)}`, stroke: STROKES[event.severity] ?? "--accent" }));
}
