/** What the server says of itself and of this machine, kept up to date by the live connection. */
import type { Overview, Source } from "./api";
import { live } from "./live.svelte";

class About {
  overview = $state.raw<Overview>();
  sources = $state.raw<Source[]>([]);

  follow(): void {
    live.watch("overview", (data) => (this.overview = data as Overview));
    live.watch("sources", (data) => (this.sources = (data as { sources: Source[] }).sources));
  }
}

export const about = new About();
