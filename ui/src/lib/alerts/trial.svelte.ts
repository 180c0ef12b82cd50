/** What a rule would have done in the last day: asked for a moment after the last change, one question at a time. */
import { asFailure, type Failure } from "../failure";
import { range } from "../range.svelte";
import { preview, type Preview, type Previewed } from "./ask";

export const DAY_MS = 86_400_000;
/** Whoever types is not asked at every letter. */
const WAIT_MS = 500;

export class Trial {
  value = $state.raw<Preview | null>(null);
  failure = $state.raw<Failure | null>(null);
  isAsking = $state(false);
  /** What the value is about. */
  span = $state.raw({ start: 0, end: 0 });

  /** `null` asks nothing and forgets. Ends with what it returns. */
  follow(asked: Previewed | null, wait = WAIT_MS): () => void {
    if (asked === null) {
      [this.value, this.failure, this.isAsking] = [null, null, false];
      return () => undefined;
    }
    const controller = new AbortController();
    this.isAsking = true;
    const timer = setTimeout(() => void this.ask(asked, controller.signal), wait);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }

  private async ask(asked: Previewed, signal: AbortSignal): Promise<void> {
    const end = range.now();
    const span = { start: end - DAY_MS, end };
    try {
      const value = await preview(asked, span, signal);
      if (signal.aborted) return;
      [this.value, this.failure, this.span] = [value, null, span];
    } catch (error) {
      if (signal.aborted) return;
      [this.value, this.failure] = [null, asFailure(error)];
    }
    this.isAsking = false;
  }
}
