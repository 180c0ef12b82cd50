/** Something that a person asked for: whether it is under way, and why it failed. */
import { asFailure, type Failure } from "./failure";

export class Act {
  isRunning = $state(false);
  failure = $state.raw<Failure | null>(null);

  /** Does it, unless it is being done; `true` where it succeeded. */
  async run(work: () => Promise<unknown>): Promise<boolean> {
    if (this.isRunning) return false;
    this.isRunning = true;
    this.failure = null;
    try {
      await work();
      return true;
    } catch (error) {
      this.failure = asFailure(error);
      return false;
    } finally {
      this.isRunning = false;
    }
  }
}
