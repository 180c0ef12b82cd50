import { describe, expect, test } from "vitest";
import { axisOf } from "./scale";
import { address, csvAddress, daysOf, grouped, read, shareOf, sorted, spanOfDays, stacks, stateOf, sum, tokensOf, type Key, type UsageRow } from "./usage";

const key = (change: Partial<Key>): Key => ({ id: "k", name: "k", created: 0, grant: {}, tokens_today: 0, tokens_month: 0, ...change });
const used = (key: string | null, model: string, day: string, tokens_input: number | null, tokens_output: number | null): UsageRow => ({
  key, model, day, requests: 2, errors: 1, tokens_input, tokens_output,
});
const NOON = Date.UTC(2026, 10, 28, 12);

describe("address", () => {
  test.each([
    ["#/keys", { days: 7, per: "key" }],
    ["#/keys?days=30&per=all", { days: 30, per: "all" }],
  ] as const)("%s is read and written", (hash, state) => {
    expect(read(hash)).toEqual(state);
    expect(address(state)).toBe(hash);
  });

  test("nonsense is as if it said nothing", () => expect(read("#/keys?days=1e9&per=moon")).toEqual({ days: 7, per: "key" }));
});

describe("days", () => {
  test("are whole ones of UTC, today's among them", () => {
    const span = spanOfDays(3, NOON);
    expect(span).toEqual({ start: Date.UTC(2026, 10, 26), end: NOON });
    expect(daysOf(span)).toEqual(["2026-11-26", "2026-11-27", "2026-11-28"]);
    expect(csvAddress(span)).toBe(`/api/mw/v1/keys/usage?start=${span.start}&end=${NOON}&by=day&format=csv`);
  });
});

describe("keys", () => {
  test.each<[Partial<Key>, string]>([
    [{}, "active"],
    [{ expires: NOON + 1 }, "active"],
    [{ expires: NOON }, "expired"],
    [{ revoked: 5, expires: 6 }, "revoked"],
    [{ revoked: null, expires: null }, "active"],
  ])("%o is %s", (change, expected) => expect(stateOf(key(change), NOON)).toBe(expected));

  test("those that may ask come first", () => {
    const keys = [key({ name: "c", revoked: 1 }), key({ name: "b" }), key({ name: "d", expires: 1 }), key({ name: "a" })];
    expect(sorted(keys, NOON).map(({ name }) => name)).toEqual(["a", "b", "d", "c"]);
  });

  test.each([
    [50, 100, 0.5],
    [150, 100, 1.5],
    [0, 100, 0],
    [null, 100, null],
    [50, undefined, null],
    [0, 0, 1],
  ])("%s of %s", (tokens, budget, expected) => expect(shareOf(tokens, budget)).toBe(expected));
});

describe("usage", () => {
  const rows = [
    used("a", "m", "2026-11-27", 10, 5),
    used("a", "n", "2026-11-28", 20, null),
    used(null, "m", "2026-11-28", null, null),
    used("b", "m", "2026-11-28", 100, 100),
  ];

  test("what is not known does not become zero", () => {
    expect([sum([]), sum([null, undefined]), sum([null, 0]), sum([1, null, 2])]).toEqual([null, null, 0, 3]);
    expect(tokensOf(used("a", "m", "", null, 7))).toBe(7);
    expect(tokensOf(used("a", "m", "", null, null))).toBeNull();
  });

  test("is summed per key", () => {
    const shown = grouped(rows, "key").map(({ key, model, requests, errors, tokens_input, tokens_output }) => [key, model, requests, errors, tokens_input, tokens_output]);
    expect(shown).toEqual([["b", null, 2, 1, 100, 100], ["a", null, 4, 2, 30, 5], [null, null, 2, 1, null, null]]);
  });

  test.each([["model", 2], ["day", 2], ["all", 4]] as const)("per %s there are %s", (per, expected) => expect(grouped(rows, per)).toHaveLength(expected));

  test("days are the newest first", () => expect(grouped(rows, "day").map(({ day }) => day)).toEqual(["2026-11-28", "2026-11-27"]));

  test("stacks keep days without any, and put the small ones together", () => {
    const found = stacks(rows, ["2026-11-26", "2026-11-27", "2026-11-28"], 2);
    expect(found.keys).toEqual(["b", undefined]);
    expect(found.stacks).toEqual([
      { day: "2026-11-26", total: null, parts: [null, null] },
      { day: "2026-11-27", total: 15, parts: [null, 15] },
      { day: "2026-11-28", total: 220, parts: [200, 20] },
    ]);
    expect(stacks(rows, [], 6).keys).toEqual(["b", "a", null]);
  });
});

test.each([
  [0, { top: 1, marks: [0] }],
  [10, { top: 10, marks: [0, 5, 10] }],
  [5.1e6, { top: 6e6, marks: [0, 2e6, 4e6, 6e6] }],
])("the axis to %s", (most, expected) => expect(axisOf(most)).toEqual(expected));
