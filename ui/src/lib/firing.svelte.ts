/** How many incidents need somebody now: every page shows it beside the navigation, Overview says what they are. */
import type { Incident } from "./alerts/ask";
import { Answer } from "./cluster/poll.svelte";
import { ask, type Maybe } from "./requests/ask";

const POLL_MS = 10_000;
/** More are not counted, which is said by a plus. */
const INCIDENTS_MAX = 50;

class Firing {
  private answer = new Answer<{ incidents: Incident[]; next?: Maybe<string> }>();
  /** Those that nobody has acknowledged and nothing keeps quiet; `null` where that is not known. */
  incidents = $derived(this.answer.value?.incidents.filter(({ state }) => state === "firing") ?? null);
  /** As a text; `null` where there are none. */
  count = $derived(this.incidents && this.incidents.length > 0 ? `${this.incidents.length}${this.answer.value?.next ? "+" : ""}` : null);
  isCritical = $derived(this.incidents?.some(({ severity }) => severity === "critical") ?? false);

  /** Asks as long as the page is there; ends with what it returns. */
  follow(): () => void {
    return this.answer.follow((signal) => ask("incidents", { state: "open", limit: INCIDENTS_MAX }, signal), POLL_MS);
  }
}

export const firing = new Firing();
