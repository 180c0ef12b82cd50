/** Something that is asked for again and again while the page is looked at. */
import { untrack } from "svelte";
import { asFailure, type Failure } from "../failure";
import { range } from "../range.svelte";

/** What needs no second answer still needs a first one. */
const RETRY_MS = 5_000;

export class Answer<T> {
  value = $state.raw<T | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** When the value came, by the server's clock. */
  at = $state(0);

  private whose = "";

  /**
   * Asks now, and every `ms` milliseconds; where that is `null`, until there is an answer. Ends with what it returns.
   * An answer about another than `whose` is forgotten: it would stand under a name that is not its own.
   */
  follow(ask: (signal: AbortSignal) => Promise<T>, ms: number | null, whose = ""): () => void {
    if (whose !== this.whose) [this.value, this.failure, this.at, this.whose] = [null, null, 0, whose];
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const once = async () => {
      try {
        const value = await ask(controller.signal);
        if (controller.signal.aborted) return;
        this.value = value;
        this.failure = null;
        this.at = range.now();
      } catch (error) {
        if (controller.signal.aborted) return;
        this.failure = asFailure(error);
      }
      const next = ms ?? (this.failure && this.failure.kind !== "missing" ? RETRY_MS : null);
      if (next !== null) timer = setTimeout(again, next);
    };
    // A page that nobody sees asks nothing.
    const again = () => {
      if (document.hidden) document.addEventListener("visibilitychange", again, { once: true, signal: controller.signal });
      else void once();
    };
    // Only what the caller reads before is a reason to ask anew: asking reads more of the range than the question has.
    void untrack(once);
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }
}
