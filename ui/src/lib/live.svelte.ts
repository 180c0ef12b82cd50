/** The one WebSocket of the page: topics, and the ticks of subscribed queries (`docs/api.md`). */
import type { Labels } from "./series";

export type Connection = "connecting" | "live" | "lost";

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

const RETRY_MS_MAX = 10_000;
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
  private socket: WebSocket | undefined;
  private subscriptions = new Map<number, Subscription>();
  private schemas = new Map<number, Known>();
  private topics = new Map<string, (data: unknown) => void>();
  private nextId = 1;
  private retryMs = 500;
  private version = "";
  private lostAt = 0;

  open(): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/live`, "v1");
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.opened();
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) =>
      typeof event.data === "string" ? this.text(event.data) : this.ticks(event.data);
    socket.onclose = () => this.closed();
    this.socket = socket;
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

  watch(topic: string, changed: (data: unknown) => void): () => void {
    this.topics.set(topic, changed);
    this.sendTopics();
    return () => {
      this.topics.delete(topic);
      this.sendTopics();
    };
  }

  private sendTopics(): void {
    this.send({ type: "watch", topics: [...this.topics.keys()] });
  }

  private send(message: object): void {
    // What is not sent now is sent when the connection opens.
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private opened(): void {
    this.connection = "live";
    this.retryMs = 500;
    this.sendTopics();
    for (const [id, { query, step }] of this.subscriptions) this.send({ type: "sub", id, query, step });
    if (this.lostAt > 0) for (const { gap } of this.subscriptions.values()) gap(this.lostAt);
    this.lostAt = 0;
  }

  private closed(): void {
    if (this.connection === "live") this.lostAt = Date.now();
    this.connection = "lost";
    this.schemas.clear();
    setTimeout(() => this.open(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MS_MAX);
  }

  private text(text: string): void {
    const message = JSON.parse(text);
    switch (message.type) {
      case "hello":
        // Another version of the program has another page.
        if (this.version && this.version !== message.version) location.reload();
        this.version = message.version;
        break;
      case "schema":
        this.schemas.set(message.id, { gen: message.gen, series: message.series });
        break;
      case "gap":
        for (const { gap } of this.subscriptions.values()) gap(message.from);
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
