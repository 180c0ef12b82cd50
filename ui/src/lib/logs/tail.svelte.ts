/** The lines that come while they are looked at: one WebSocket, which is opened again when it breaks. */
import type { Line } from "./ask";

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000;

export type TailState = "off" | "connecting" | "on" | "lost";

export interface Heard {
  lines: Line[];
  /** Lines that came as well and were not sent, because they were too many. */
  skipped: number;
}

/** Reads a message; anything else is no lines. */
export function heardIn(text: string): Heard {
  try {
    const read = JSON.parse(text) as Partial<Heard> | null;
    const skipped = Number(read?.skipped ?? 0);
    return { lines: Array.isArray(read?.lines) ? read.lines : [], skipped: Number.isFinite(skipped) ? skipped : 0 };
  } catch {
    return { lines: [], skipped: 0 };
  }
}

export class Tail {
  state = $state<TailState>("off");
  #socket: WebSocket | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;

  /** Follows a filter until what it returns is called. `begun` is told each time: what came before is not heard. */
  follow(filter: string, heard: (heard: Heard) => void, begun: () => void): () => void {
    this.#failures = 0;
    this.state = "connecting";
    this.#open(filter, heard, begun);
    return () => {
      clearTimeout(this.#retry);
      this.#drop();
      this.state = "off";
    };
  }

  #open(filter: string, heard: (heard: Heard) => void, begun: () => void): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/mw/v1/logs/tail?${new URLSearchParams({ filter })}`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#failures = 0;
      this.state = "on";
      begun();
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === "string") heard(heardIn(data));
    };
    socket.onclose = () => {
      this.#failures += 1;
      this.state = this.#failures > 1 ? "lost" : "connecting";
      this.#retry = setTimeout(() => this.#open(filter, heard, begun), Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures));
    };
  }

  /** Ends the connection without waiting for the other side, which may be gone. */
  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
