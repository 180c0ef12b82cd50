import { describe, expect, test } from "vitest";
import { sorted, sortOf, sortText, toggled } from "../table/table";
import { moved, type Move } from "./grid";
import { contrast, inkOn, mapColour, RAMPS, stopOf, strength, tintOf, tints, type Ramp } from "./ramp";

describe("colours", () => {
  const stops = (Object.keys(RAMPS) as Ramp[]).flatMap((ramp) => RAMPS[ramp].map((colour) => [ramp, colour] as const));
  test.each(stops)("a number stands out on %s %s", (ramp, colour) => {
    const tint = tints(ramp).find(({ background }) => background === colour);
    expect(contrast(colour, tint?.color ?? colour)).toBeGreaterThanOrEqual(4.5);
  });

  test("contrast is as WCAG computes it", () => {
    expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
    expect(contrast("#1f9e89", "#ffffff")).toBeCloseTo(3.3, 1);
    expect(inkOn("#1f9e89")).toBe("#111111");
  });

  test.each([[0, 0], [0.05, 0], [0.55, 5], [1, 9], [7, 9], [-3, 0]])("%d of 1 is stop %d", (value, expected) => expect(stopOf(value, 0, 1)).toBe(expected));

  test("without a span there is one colour", () => expect(tintOf(5, 5, 5, "light")).toEqual(tints("light")[0]));
});

describe("keys", () => {
  const rows = [{ cells: [1, 2, 3] }, { cells: [1] }, { cells: [1, 2] }];
  test.each<[number, number, Move, number, number]>([
    [0, 0, "ArrowRight", 0, 1],
    [0, 2, "ArrowRight", 1, 0],
    [2, 1, "ArrowRight", 2, 1],
    [1, 0, "ArrowLeft", 0, 2],
    [0, 0, "ArrowLeft", 0, 0],
    [0, 2, "ArrowDown", 1, 0],
    [2, 1, "ArrowDown", 2, 1],
    [2, 1, "ArrowUp", 1, 0],
    [0, 1, "Home", 0, 0],
    [0, 1, "End", 0, 2],
  ])("from %d %d with %s", (row, cell, key, toRow, toCell) => expect(moved(rows, { row, cell }, key)).toEqual({ row: toRow, cell: toCell }));
});

describe("sorting", () => {
  const rows = [{ v: 2 }, { v: null }, { v: 10 }, { v: 0 }];
  const valueOf = ({ v }: { v: number | null }) => v;

  test("what is absent is last either way: it is no zero", () => {
    expect(sorted(rows, valueOf, false).map(valueOf)).toEqual([0, 2, 10, null]);
    expect(sorted(rows, valueOf, true).map(valueOf)).toEqual([10, 2, 0, null]);
  });

  test("10,000 rows keep the order of equals", () => {
    const many = Array.from({ length: 10_000 }, (_, at) => ({ v: at % 3, at }));
    const first = sorted(many, ({ v }) => v, false).filter(({ v }) => v === 0);
    expect(first.every(({ at }, index) => index === 0 || at > first[index - 1]!.at)).toBe(true);
  });

  test("in the address", () => {
    const usual = { by: "name", isDescending: false };
    expect(sortOf("-power", ["name", "power"], usual)).toEqual({ by: "power", isDescending: true });
    expect(sortOf("beauty", ["name", "power"], usual)).toBe(usual);
    expect(sortText({ by: "power", isDescending: true })).toBe("-power");
    expect(toggled(usual, "power", true)).toEqual({ by: "power", isDescending: true });
    expect(toggled({ by: "power", isDescending: true }, "power", true)).toEqual({ by: "power", isDescending: false });
  });
});

test("of a map, one among thousands is seen", () => {
  expect([strength(1, 5, 1), strength(2, 5, 1), strength(5, 5, 1), strength(1, 1, 1), strength(0.25, 1)]).toEqual([0, 0.5, 1, 1, 0.5]);
  expect([mapColour(0, false), mapColour(1, false)]).toEqual(["rgb(0 70 140 / 0.12)", "rgb(0 70 140 / 1.00)"]);
  expect([mapColour(0, true), mapColour(1, true)]).toEqual(["#3e4a89", "#fde725"]);
});
