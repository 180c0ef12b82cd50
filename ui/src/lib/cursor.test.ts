import { expect, test } from "vitest";
import { moved } from "./cursor";

test.each<[string, boolean, number | null, number | null]>([
  ["ArrowLeft", false, null, 99],
  ["ArrowRight", false, null, 99],
  ["ArrowLeft", false, 50, 49],
  ["ArrowRight", false, 50, 51],
  ["ArrowLeft", true, 50, 40],
  ["ArrowLeft", true, 5, 1],
  ["ArrowRight", true, 95, 99],
  ["ArrowRight", false, 99, 99],
  ["Home", false, 50, 1],
  ["End", false, null, 99],
  // A point that has left the axis since.
  ["ArrowLeft", false, 0, 1],
  ["a", false, 50, null],
  ["Enter", false, 50, null],
])("%s (Shift: %s) from %s", (key, shiftKey, at, expected) => expect(moved({ key, shiftKey }, at, 1, 99)).toBe(expected));

test("where nothing is drawn, no key leads anywhere", () => expect(moved({ key: "End", shiftKey: false }, null, 0, -1)).toBeNull());
