import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Failure } from "../failure";
import { Answer } from "./poll.svelte";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("what was told of another is forgotten, of the same it stays until there is news", async () => {
  const answer = new Answer<string>();
  const never = () => new Promise<string>(() => undefined);
  const stop = answer.follow(async () => "of a", null, "a");
  await vi.advanceTimersByTimeAsync(0);
  expect(answer.value).toBe("of a");
  stop();
  answer.follow(never, null, "a")();
  expect(answer.value).toBe("of a");
  answer.follow(never, null, "b")();
  expect(answer.value).toBeNull();
});

test("what is asked for once is asked for again until it is there", async () => {
  const answer = new Answer<number>();
  const ask = vi.fn(async () => 1).mockRejectedValueOnce(new Failure("unreachable", "TypeError: no route"));
  const stop = answer.follow(ask, null);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([answer.value, answer.failure?.kind]).toEqual([null, "unreachable"]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([answer.value, answer.failure, ask.mock.calls.length]).toEqual([1, null, 2]);
  stop();
});

test("an answer that makes no sense is a failure of its own kind", async () => {
  const answer = new Answer<number>();
  answer.follow(async () => JSON.parse("<html>"), 60_000);
  await vi.advanceTimersByTimeAsync(0);
  expect(answer.failure?.kind).toBe("unreadable");
});
