/** What the server keeps and people change by a form: the list of it, the form while it is written, and why a change was refused. */
import { Act } from "./act.svelte";
import { Answer } from "./cluster/poll.svelte";

export class Kept<Row, Fields> {
  readonly answer = new Answer<Row[]>();
  readonly act = new Act();
  /** What is being written; `null` while there is no form. */
  fields = $state<Fields | null>(null);
  /** Somebody has tried to save it: from then on it is said what is wrong with it. */
  isTried = $state(false);
  private rounds = $state(0);

  /** Asks every `ms` milliseconds, and at once after each change, as long as the component is there that makes it. */
  constructor(ask: (signal: AbortSignal) => Promise<Row[]>, ms: number) {
    $effect(() => {
      void this.rounds;
      return this.answer.follow(ask, ms);
    });
  }

  /** Opens the form, or closes it with `null`. */
  begin(fields: Fields | null): void {
    [this.fields, this.isTried] = [fields, false];
    this.act.failure = null;
  }

  /** Changes something; `true` where it succeeded. */
  async does(work: () => Promise<unknown>): Promise<boolean> {
    const isDone = await this.act.run(work);
    if (isDone) this.rounds += 1;
    return isDone;
  }

  /** Saves what the form says, which is `null` where it makes no sense, and closes it; `true` where it succeeded. */
  async save<Draft>(event: SubmitEvent, draft: Draft | null, send: (draft: Draft) => Promise<unknown>): Promise<boolean> {
    event.preventDefault();
    this.isTried = true;
    const isDone = draft !== null && (await this.does(() => send(draft)));
    if (isDone) this.begin(null);
    return isDone;
  }
}
