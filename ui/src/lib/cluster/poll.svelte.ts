/** Something that is asked for again and again while the page is looked at. */
import { Failure } from "../explore/ask";

export class Answer<T> {
  value = $state.raw<T | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** When the value came. */
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
        this.at = Date.now();
      } catch (error) {
        if (controller.signal.aborted) return;
        this.failure = error instanceof Failure ? error : new Failure("server", String(error));
      }
      if (ms !== null) timer = setTimeout(again, ms);
    };
    // A page that nobody sees asks nothing.
    const again = () => {
      if (document.hidden) document.addEventListener("visibilitychange", again, { once: true, signal: controller.signal });
      else void once();
    };
    void once();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }
}
