/** The lines that were loaded, the newest first: page after page as they are wanted, and those that come meanwhile. */
import { asFailure, type Failure } from "../failure";
import { askPage, type Line, type Wanted } from "./ask";

/** Lines of one page. */
export const PAGE = 500;
/** How many are kept at most: more than anyone scrolls through. */
export const ROWS_MAX = 10_000;
/** How many stay while new ones come at the top; those below are loaded again when they are scrolled to. */
export const LIVE_ROWS_MAX = 5_000;

/** A line with what tells it from all others. */
export interface Row extends Line {
  key: string;
}

/** What stands for a line that has no number yet: two that agree in this are alike to their reader. */
const likeness = ({ time, source, origin, host, body }: Line): string => [time, source, origin, host, body].join("\u0000");

/** The number of a line is its own among those of its time only. */
const nameOf = ({ id, time }: Line): string | null => (id ? `${id}@${time}` : null);

/** Lines as rows. Those alike differ in how many there were before. */
export function rowsOf(lines: Line[], salt = ""): Row[] {
  const before = new Map<string, number>();
  return lines.map((line) => {
    const name = nameOf(line);
    if (name) return { ...line, key: name };
    const like = likeness(line);
    const count = before.get(like) ?? 0;
    before.set(like, count + 1);
    return { ...line, key: `${salt}${like}\u0000${count}` };
  });
}

function counts(lines: Line[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of lines) found.set(likeness(line), (found.get(likeness(line)) ?? 0) + 1);
  return found;
}

/**
 * Takes out of lines those that are known already. One that has no number yet is known by its likeness: each of the
 * known ones stands for one.
 */
export function unknownOf(lines: Line[], known: Line[]): Line[] {
  const names = new Set(known.map(nameOf));
  const [all, nameless] = [counts(known), counts(known.filter(({ id }) => !id))];
  return lines.filter((line) => {
    const name = nameOf(line);
    if (name && names.has(name)) return false;
    const alike = name ? nameless : all;
    const count = alike.get(likeness(line)) ?? 0;
    alike.set(likeness(line), count - 1);
    return count <= 0;
  });
}

export class List {
  rows = $state.raw<Row[]>([]);
  /** How many there are on the server, once it has said so. Lines that came meanwhile are counted. */
  total = $state<number | null>(null);
  /** Records that the store could not read. */
  damaged = $state(0);
  failure = $state.raw<Failure | null>(null);
  isLoading = $state(false);
  /** Grows when something else is looked for, so that it is read from its beginning. */
  searches = $state(0);
  /** Lines that came and were not sent, because they were too many. */
  skipped = $state(0);

  /** Where the next page begins; `undefined` where old rows had to go, so that it begins at the last one's time. */
  #next = $state<string | null | undefined>(null);
  #wanted: Wanted = { start: 0, end: 0, filter: "" };
  #controller: AbortController | undefined;
  /** Whether the first page is being asked for, and what came meanwhile. */
  #isAnew = false;
  #early: Line[] = [];
  /** What is to be caught up with as soon as nothing else is being asked for. */
  #missing: Wanted | null = null;
  /** Tells rows without numbers of one answer from those of another. */
  #batches = 0;

  get hasMore(): boolean {
    return this.#next !== null && !this.isFull;
  }

  /** There are others, and the list has no room for them. */
  get isFull(): boolean {
    return this.rows.length >= ROWS_MAX;
  }

  /** Asks anew. The rows stay until the answer is there, so that nothing blinks. */
  async load(wanted: Wanted): Promise<void> {
    const isOther = this.total === null || wanted.filter !== this.#wanted.filter;
    this.#wanted = wanted;
    this.#early = [];
    this.#isAnew = true;
    await this.#ask(null, (lines) => {
      const early = unknownOf(this.#early, lines);
      this.rows = [...rowsOf(early, `${this.#batches} early `), ...rowsOf(lines, `${this.#batches} `)];
      this.skipped = 0;
      if (isOther) this.searches += 1;
      return early.length;
    });
    await this.#catchUpLater();
  }

  /** The next page. */
  async more(): Promise<void> {
    const last = this.rows.at(-1);
    if (this.isLoading || !this.hasMore || !last) return;
    if (this.#next === undefined) this.#wanted = { ...this.#wanted, end: last.time + 1 };
    const before = this.total;
    await this.#ask(this.#next ?? null, (lines) => {
      this.rows = [...this.rows, ...rowsOf(unknownOf(lines, this.rows), `${this.#batches} `)].slice(0, ROWS_MAX);
      return 0;
    });
    if (before !== null) this.total = before;
    await this.#catchUpLater();
  }

  /** What came while nobody listened. Where that is more than one page, all is asked anew. */
  async catchUp(wanted: Wanted): Promise<void> {
    if (this.isLoading || this.total === null) {
      this.#missing = wanted;
      return;
    }
    this.#wanted = wanted;
    let missed: Line[] | null = null;
    const next = this.#next;
    await this.#ask(null, (lines) => {
      const fresh = unknownOf(lines, this.rows.slice(0, 2 * PAGE));
      if (fresh.length < PAGE) missed = fresh.reverse();
      return 0;
    });
    if (this.failure) return;
    if (missed === null) return this.load(wanted);
    // The count is the server's own, with those that were missed.
    const { total } = this;
    if (this.rows.length > 0) this.#next = next;
    this.add(missed, 0);
    this.total = total;
  }

  async #catchUpLater(): Promise<void> {
    const wanted = this.#missing;
    if (!wanted || this.isLoading || this.failure) return;
    this.#missing = null;
    if (wanted.filter === this.#wanted.filter) await this.catchUp(wanted);
  }

  /** Lines that have just come, in their order. */
  add(lines: Line[], skipped: number): void {
    this.skipped += skipped;
    const reversed = [...lines].reverse();
    if (this.#isAnew) {
      this.#early = [...reversed, ...this.#early].slice(0, LIVE_ROWS_MAX);
      return;
    }
    this.#batches += 1;
    const fresh = rowsOf(unknownOf(reversed, this.rows.slice(0, PAGE)), `${this.#batches} `);
    if (this.total !== null) this.total += fresh.length + skipped;
    if (fresh.length === 0) return;
    const newest = this.rows[0]?.time ?? 0;
    const joined = [...fresh, ...this.rows];
    // Lines of several origins come a little out of order.
    if (fresh.some(({ time }, at) => time < (fresh[at + 1]?.time ?? newest))) joined.sort((a, b) => b.time - a.time);
    if (joined.length > LIVE_ROWS_MAX) {
      this.#next = undefined;
      joined.length = LIVE_ROWS_MAX;
    }
    this.rows = joined;
  }

  /** Looks up the number of a line that had none when it came; it has one as soon as it can be searched for. */
  async identify({ key, time, body, origin, host }: Row): Promise<void> {
    const { lines } = await askPage({ filter: this.#wanted.filter, start: time, end: time + 1 }, PAGE, null);
    const id = lines.find((line) => line.time === time && line.body === body && line.origin === origin && line.host === host)?.id;
    if (id) this.rows = this.rows.map((row) => (row.key === key ? { ...row, id } : row));
  }

  stop(): void {
    this.#controller?.abort();
  }

  async #ask(cursor: string | null, take: (lines: Line[]) => number): Promise<void> {
    this.#controller?.abort();
    const controller = new AbortController();
    this.#controller = controller;
    this.isLoading = true;
    try {
      const page = await askPage(this.#wanted, PAGE, cursor, controller.signal);
      if (this.#controller !== controller) return;
      this.#batches += 1;
      // A page without any is the last, whatever it says, or asking would never end.
      this.#next = page.lines.length > 0 ? (page.next ?? null) : null;
      this.total = page.total + take(page.lines);
      this.damaged = page.damaged ?? 0;
      this.failure = null;
    } catch (error) {
      if (this.#controller !== controller || controller.signal.aborted) return;
      this.failure = asFailure(error);
    } finally {
      if (this.#controller === controller) this.isLoading = this.#isAnew = false;
    }
  }
}
