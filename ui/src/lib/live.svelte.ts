/**
 * The one connection of the page: topics, and the ticks of subscribed queries (`docs/api.md`). A
 * WebSocket; where none gets through, the same over HTTP every two seconds.
 */
import type { Labels } from "./past";

/** `polling` is as good as live, only slower. */
export type Connection = "connecting" | "live" | "polling" | "lost";

export interface Subscription {
  query: string;
  /** Milliseconds. */
  step: number;
  tick: (time: number, values: { labels: Labels; value: number | null }[]) => void;
  /** Ticks since `from` are missing: fetch them. */
  gap: (from: number) => void;
}

interface Known {
  gen: number;
  series: Labels[];
}

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000;
/** Failures in a row after which the page also asks over HTTP. */
const FAILURES_BEFORE_POLLING = 2;
const POLL_MS = 2_000;
/** The server speaks every second. One that is silent for so long is gone, whatever the socket says. */
const SILENCE_MS_MAX = 10_000;
/** A shorter gap is no gap: ticks are whole seconds. */
const GAP_MS_MIN = 1_000;
const BLOCK_HEAD_BYTES = 20;

/** Reads the blocks of one binary message. Stops at one whose length cannot be known. */
export function readBlocks(
  message: ArrayBuffer,
  known: (id: number) => Known | undefined,
  found: (id: number, time: number, values: { labels: Labels; value: number | null }[]) => void,
): void {
  const view = new DataView(message);
  let at = 0;
  while (at + BLOCK_HEAD_BYTES <= view.byteLength) {
    const id = view.getUint32(at + 4, true);
    const schema = known(id);
    if (view.getUint8(at) !== 1 || !schema || schema.gen !== view.getUint32(at + 8, true)) return;
    const time = Number(view.getBigInt64(at + 12, true));
    at += BLOCK_HEAD_BYTES;
    if (at + 4 * schema.series.length > view.byteLength) return;
    const values = schema.series.map((labels, index) => {
      const value = view.getFloat32(at + 4 * index, true);
      return { labels, value: Number.isNaN(value) ? null : value };
    });
    at += 4 * schema.series.length;
    found(id, time, values);
  }
}

export class Live {
  connection = $state<Connection>("connecting");
  /** When the server last said something: what is shown is from then. */
  heardAt = Date.now();
  private socket: WebSocket | undefined;
  private subscriptions = new Map<number, Subscription>();
  private schemas = new Map<number, Known>();
  private topics = new Map<string, (data: unknown) => void>();
  private nextId = 1;
  private failures = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private version = "";

  /** Connects whenever the page is looked at. A hidden one costs nothing; it catches up when shown. */
  start(): void {
    const follow = () => {
      this.close();
      this.connection = "connecting";
      if (!document.hidden) this.open();
    };
    document.addEventListener("visibilitychange", follow);
    setInterval(() => this.check(), POLL_MS);
    follow();
  }

  subscribe(subscription: Subscription): () => void {
    const id = this.nextId++;
    this.subscriptions.set(id, subscription);
    this.send({ type: "sub", id, query: subscription.query, step: subscription.step });
    return () => {
      this.subscriptions.delete(id);
      this.schemas.delete(id);
      this.send({ type: "unsub", id });
    };
  }

  watch(topic: string, changed: (data: unknown) => void): void {
    this.topics.set(topic, changed);
    this.sendTopics();
  }

  private open(): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/live`, "v1");
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.sendTopics();
      for (const [id, { query, step }] of this.subscriptions) this.send({ type: "sub", id, query, step });
    };
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      if (typeof event.data === "string") this.text(event.data);
      else this.ticks(event.data);
      this.heardAt = Date.now();
    };
    socket.onclose = () => this.failed();
    this.socket = socket;
  }

  /** Ends the connection without waiting for the other side, which may be gone. */
  private close(): void {
    clearTimeout(this.retry);
    if (!this.socket) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = undefined;
    this.schemas.clear();
  }

  private failed(): void {
    this.close();
    this.failures += 1;
    if (this.connection !== "polling") this.connection = "lost";
    this.retry = setTimeout(() => this.open(), Math.min(RETRY_MS_MIN * 2 ** (this.failures - 1), RETRY_MS_MAX));
  }

  private check(): void {
    if (document.hidden) return;
    if (this.connection === "live" && Date.now() - this.heardAt > SILENCE_MS_MAX) this.failed();
    if (this.failures >= FAILURES_BEFORE_POLLING) void this.poll();
  }

  private async poll(): Promise<void> {
    const get = async ([topic, changed]: [string, (data: unknown) => void]) => {
      const answer = await fetch(`/api/v1/${topic}`, { signal: AbortSignal.timeout(POLL_MS) });
      if (!answer.ok) throw new Error(`${topic}: ${answer.status}`);
      changed(await answer.json());
    };
    const reached = await Promise.all([...this.topics].map(get)).then(() => true, () => false);
    // The socket may have been faster.
    if (this.connection === "live" || document.hidden) return;
    this.connection = reached ? "polling" : "lost";
    if (!reached) return;
    this.fill(this.heardAt);
    this.heardAt = Date.now();
  }

  private fill(from: number): void {
    for (const { gap } of this.subscriptions.values()) gap(from);
  }

  private sendTopics(): void {
    this.send({ type: "watch", topics: [...this.topics.keys()] });
  }

  private send(message: object): void {
    // What is not sent now is sent when the connection opens.
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private text(text: string): void {
    const message = JSON.parse(text);
    switch (message.type) {
      case "hello":
        // Another version of the program has another page.
        if (this.version && this.version !== message.version) location.reload();
        this.version = message.version;
        this.failures = 0;
        this.connection = "live";
        if (Date.now() - this.heardAt > GAP_MS_MIN) this.fill(this.heardAt);
        break;
      case "schema":
        this.schemas.set(message.id, { gen: message.gen, series: message.series });
        break;
      case "gap":
        this.fill(message.from);
        break;
      case "topic":
        this.topics.get(message.topic)?.(message.data);
        break;
      case "error":
        console.warn(`query ${message.id}: ${message.text}`);
    }
  }

  private ticks(message: ArrayBuffer): void {
    readBlocks(
      message,
      (id) => this.schemas.get(id),
      (id, time, values) => this.subscriptions.get(id)?.tick(time, values),
    );
  }
}

export const live = new Live();
