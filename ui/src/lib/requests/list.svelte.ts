/** The requests that were loaded: page after page as they are wanted, and the new ones while it is live. */
import { asFailure, type Failure } from "../failure";
import { askPage, type Exchange, type Wanted } from "./ask";
import { sortText, type Asked, type SortField } from "./address";

/** Requests of one page. */
export const PAGE = 500;
/** Requests of a quick look at what is new. */
export const GLANCE = 100;
/** How many are kept at most: more than anyone scrolls through. */
export const ROWS_MAX = 10_000;

export type Sort = Asked["sort"];

/** What rows are ordered by; `null` where it is not known. */
export function sortValue(row: Exchange, by: SortField): number | null {
  if (by === "time") return row.time;
  if (by === "output") return row.tokens_output ?? null;
  return row[`${by}_ms`] ?? null;
}

/** The server's order. What is not known stands last in either direction; of equals the newest is first. */
export function compare(a: Exchange, b: Exchange, { by, isDescending }: Sort): number {
  const [left, right] = [sortValue(a, by), sortValue(b, by)];
  if (left === null || right === null) {
    if (left !== right) return left === null ? 1 : -1;
  } else if (left !== right) {
    return isDescending ? right - left : left - right;
  }
  return b.time - a.time || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Puts the first page as it is now into the rows that are there. What has become too old leaves. */
export function merge(rows: Exchange[], fresh: Exchange[], sort: Sort, start: number): Exchange[] {
  const ids = new Set(fresh.map(({ id }) => id));
  const kept = rows.filter((row) => row.time >= start && !ids.has(row.id));
  return [...fresh, ...kept].sort((a, b) => compare(a, b, sort)).slice(0, ROWS_MAX);
}

export class List {
  rows = $state.raw<Exchange[]>([]);
  /** How many there are on the server, once it has said so. */
  total = $state<number | null>(null);
  failure = $state.raw<Failure | null>(null);
  isLoading = $state(false);
  /** When the server last answered. */
  heardAt = $state(0);

  #next = $state<string | null>(null);
  #wanted: Wanted = { start: 0, end: 0, filter: "" };
  #sort: Sort = { by: "time", isDescending: true };
  #controller: AbortController | undefined;

  get hasMore(): boolean {
    return this.#next !== null && !this.isFull;
  }

  /** There are others, and the list has no room for them. */
  get isFull(): boolean {
    return this.rows.length >= ROWS_MAX;
  }

  /** Asks anew. The rows stay until the answer is there, so that nothing blinks. */
  async load(wanted: Wanted, sort: Sort): Promise<void> {
    this.#wanted = wanted;
    this.#sort = sort;
    await this.#ask(null, PAGE, (fresh) => (this.rows = fresh));
  }

  /** The same question once more. */
  again(): Promise<void> {
    return this.load(this.#wanted, this.#sort);
  }

  /** The next page. */
  async more(): Promise<void> {
    if (this.isLoading || !this.hasMore) return;
    const known = new Set(this.rows.map(({ id }) => id));
    await this.#ask(this.#next, PAGE, (fresh) => {
      this.rows = [...this.rows, ...fresh.filter(({ id }) => !known.has(id))].slice(0, ROWS_MAX);
    });
  }

  /**
   * What has come since. `wanted` is the same question with its later end. A glance costs the server less, and
   * misses what began long ago and has ended only now: the list has the time of the beginning.
   */
  async poll(wanted: Wanted, isGlance = false): Promise<void> {
    if (this.isLoading) return;
    this.#wanted = wanted;
    const { by, isDescending } = this.#sort;
    const limit = isGlance && by === "time" && isDescending ? GLANCE : PAGE;
    const isPart = this.rows.length > limit;
    const next = this.#next;
    await this.#ask(null, limit, (fresh) => {
      const known = new Set(this.rows.map(({ id }) => id));
      // With nothing in common others may lie between, which only loading anew can tell.
      const hasGap = fresh.length === limit && !fresh.some(({ id }) => known.has(id));
      if (!isPart || hasGap) {
        this.rows = fresh;
      } else {
        this.rows = merge(this.rows, fresh, this.#sort, wanted.start);
        this.#next = next;
      }
    });
  }

  stop(): void {
    this.#controller?.abort();
  }

  async #ask(cursor: string | null, limit: number, take: (fresh: Exchange[]) => void): Promise<void> {
    this.#controller?.abort();
    const controller = new AbortController();
    this.#controller = controller;
    this.isLoading = true;
    try {
      const page = await askPage(this.#wanted, sortText(this.#sort), limit, cursor, controller.signal);
      if (this.#controller !== controller) return;
      // A page without any is the last, whatever it says, or asking would never end.
      this.#next = page.requests.length > 0 ? (page.next ?? null) : null;
      this.total = page.total;
      take(page.requests);
      this.failure = null;
      this.heardAt = Date.now();
    } catch (error) {
      if (this.#controller !== controller || controller.signal.aborted) return;
      this.failure = asFailure(error);
    } finally {
      if (this.#controller === controller) this.isLoading = false;
    }
  }
}
