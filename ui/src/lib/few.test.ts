import { expect, test } from "vitest";
import { fewSpans, isSeen } from "./few";
import type { Value } from "./series";

test.each<[string, Value[], [number, number][]]>([
  // A window of 10 s: 20 requests are 2/s.
  ["many", [2, 3, 9], []],
  ["few in the middle", [2, 1.9, 0.1, 2], [[1_000, 3_000]]],
  ["none are no few", [0, 0, 2], []],
  ["nothing known", [null, 1, null], [[1_000, 2_000]]],
  ["others' points between", [1, undefined, 1], [[0, 3_000]]],
])("%s", (_, rates, expected) => {
  const times = rates.map((_, at) => at * 1_000);
  expect(fewSpans(times, rates, 10_000, 1_000)).toEqual(expected);
});

test("a long pause is not hatched, and points further apart have wider windows", () => {
  expect(fewSpans([0, 60_000], [1, 1], 10_000, 1_000)).toEqual([[0, 1_000], [60_000, 61_000]]);
  expect(fewSpans([0, 60_000], [1, 1], 10_000, 60_000)).toEqual([]);
});

test.each<[[number, number][], boolean]>([[[], false], [[[0, 1]], false], [[[-50, 1]], false], [[[0, 1], [50, 51]], true]])("%j of an axis of 100 is told: %s", (spans, expected) => {
  expect(isSeen(spans, [0, 100])).toBe(expected);
});
