import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Live } from "./live.svelte";

/** Stands in for the browser's: it opens, speaks and closes when a test says so. */
class FakeSocket {
  static OPEN = 1;
  static made: FakeSocket[] = [];
  readyState = 0;
  sent: unknown[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;

  constructor() {
    FakeSocket.made.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.readyState = 3;
  }
  accept(): void {
    this.readyState = FakeSocket.OPEN;
    this.onopen?.();
    this.onmessage?.({ data: JSON.stringify({ type: "hello", version: "1", now: Date.now() }) });
  }
}

const sockets = FakeSocket.made;
const gap = vi.fn();
let live: Live;

function setHidden(isHidden: boolean): void {
  vi.spyOn(document, "hidden", "get").mockReturnValue(isHidden);
  document.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("fetch", vi.fn(() => Promise.reject(new Error("refused"))));
  sockets.length = 0;
  gap.mockReset();
  live = new Live();
  live.start();
  live.subscribe({ query: "up", step: 1_000, tick: vi.fn(), gap });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("live", () => {
  test("a hidden page lets go and catches up when it is shown", () => {
    sockets[0]?.accept();
    expect(live.connection).toBe("live");
    expect(gap).not.toHaveBeenCalled();
    setHidden(true);
    expect(sockets[0]?.readyState).toBe(3);
    vi.advanceTimersByTime(60_000);
    expect(sockets.length).toBe(1);
    setHidden(false);
    sockets[1]?.accept();
    expect(sockets[1]?.sent).toContainEqual({ type: "sub", id: 1, query: "up", step: 1_000 });
    expect(gap.mock.calls).toEqual([[1_000_000]]);
  });

  test("a silent connection is a lost one", () => {
    sockets[0]?.accept();
    vi.advanceTimersByTime(10_000);
    expect(live.connection).toBe("live");
    vi.advanceTimersByTime(2_000);
    expect(live.connection).toBe("lost");
    expect(live.heardAt).toBe(1_000_000);
  });

  test("without a socket the page asks over HTTP until there is one", async () => {
    const changed = vi.fn();
    live.watch("overview", changed);
    sockets[0]?.onclose?.();
    await vi.advanceTimersByTimeAsync(500);
    expect(fetch).not.toHaveBeenCalled();
    sockets[1]?.onclose?.();
    await vi.advanceTimersByTimeAsync(2_000);
    expect([live.connection, changed.mock.calls.length]).toEqual(["lost", 0]);
    vi.mocked(fetch).mockImplementation(() => Promise.resolve(new Response('{"now":5}')));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(live.connection).toBe("polling");
    expect(changed).toHaveBeenLastCalledWith({ now: 5 });
    expect(gap.mock.calls).toEqual([[1_000_000]]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(gap.mock.calls.length).toBe(2);
    sockets.at(-1)?.accept();
    expect(live.connection).toBe("live");
    vi.mocked(fetch).mockClear();
    await vi.advanceTimersByTimeAsync(4_000);
    expect(fetch).not.toHaveBeenCalled();
  });
});
