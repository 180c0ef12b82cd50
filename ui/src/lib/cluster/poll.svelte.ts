/** Something that is asked for again and again while the page is looked at. */
import { untrack } from "svelte";
import { Failure } from "../explore/ask";
import { range } from "../range.svelte";

export class Answer<T> {
  value = $state.raw<T | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** When the value came, by the server's clock. */
  at = $state(0);

  /** Asks now, and every `ms` milliseconds unless that is `null`. Ends with what it returns. */
  follow(ask: (signal: AbortSignal) => Promise<T>, ms: number | null): () => void {
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
        this.failure = error instanceof Failure ? error : new Failure("server", error instanceof Error ? error.message : String(error));
      }
      if (ms !== null) timer = setTimeout(again, ms);
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
