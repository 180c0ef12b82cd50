import { flushSync } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Feed } from "./feed.svelte";
import { range } from "./range.svelte";

const [FROM, TO] = [1_795_520_000_000, 1_795_523_600_000];
const answer = { start: FROM, end: TO, now: TO, step_ms: 6_000, results: [{ series: [{ labels: {}, times: [FROM], values: [1] }] }] };
let feed: Feed;
let end: () => void;

/** What the page does when its address changes. */
function go(hash: string): void {
  range.hash = hash;
  flushSync();
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", vi.fn(async () => new Response(JSON.stringify(answer))));
  range.hash = `#/overview?from=${FROM}&to=${TO}`;
  end = $effect.root(() => {
    feed = new Feed(() => ({ queries: ["up"], points: 600, isOn: true }));
  });
  flushSync();
});

afterEach(() => {
  end();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a moment that is selected is no question, another range is one", async () => {
  await vi.advanceTimersByTimeAsync(1_000);
  expect(fetch).toHaveBeenCalledTimes(1);
  expect(feed.isLoaded).toBe(true);
  go(`#/overview?from=${FROM}&to=${TO}&at=${FROM + 5}`);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(fetch).toHaveBeenCalledTimes(1);
  go(`#/overview?from=${FROM}&to=${TO - 60_000}`);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(fetch).toHaveBeenCalledTimes(2);
});

test("points of a range that stands still are as far apart as the server says", async () => {
  await vi.advanceTimersByTimeAsync(1_000);
  expect(feed.step).toBe(6_000);
});

test("a range that stands still is asked for again when it could not be loaded, until nobody wants it", async () => {
  vi.mocked(fetch).mockRejectedValueOnce(new TypeError("no route"));
  await vi.advanceTimersByTimeAsync(1_000);
  expect([feed.isLoaded, feed.failure?.kind, feed.failure?.message]).toEqual([false, "unreachable", "TypeError: no route"]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect([feed.isLoaded, feed.failure]).toEqual([true, null]);
  vi.mocked(fetch).mockRejectedValue(new TypeError("no route"));
  go(`#/overview?from=${FROM}&to=${TO - 60_000}`);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(fetch).toHaveBeenCalledTimes(3);
  end();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(fetch).toHaveBeenCalledTimes(3);
});

test("what was drawn for another query is forgotten at once", async () => {
  end();
  let queries = $state(["up"]);
  end = $effect.root(() => {
    feed = new Feed(() => ({ queries, points: 600, isOn: true }));
  });
  flushSync();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(feed.points.tracks).toHaveLength(1);
  queries = ["down"];
  flushSync();
  expect([feed.points.tracks.length, feed.isLoaded]).toEqual([0, false]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([feed.points.tracks.length, feed.isLoaded]).toEqual([1, true]);
});
