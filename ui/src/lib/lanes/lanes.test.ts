import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { setZone } from "../prefs.svelte";
import { beats, durations, segmentsOf, thinned, timeMarks, worst, type Segment } from "./lanes";
import { at, compared, csvOf, pathOf, roundTop, tableOf } from "./spark";

const points = (pairs: [number, number | null][]) => ({ times: pairs.map(([time]) => time), values: pairs.map(([, value]) => value) });
const onOff = (value: number) => (value > 0 ? "on" : "off");
const short = (segments: Segment[]) => segments.map(({ start, end, state }) => `${start}-${end} ${state}`);

describe("segments", () => {
  test.each<[string, [number, number | null][], string[]]>([
    ["nothing", [], []],
    ["one point lasts a step", [[0, 1]], ["0-10 on"]],
    ["the same state is one stretch", [[0, 1], [10, 1], [20, 0]], ["0-20 on", "20-30 off"]],
    ["a gap is no state", [[0, 1], [10, 1], [90, 1]], ["0-20 on", "90-100 on"]],
    ["an absent value is no state", [[0, 1], [10, null], [20, 1]], ["0-10 on", "20-30 on"]],
    ["a spike within a pixel stays", [[0, 0], [3, 1], [5, 0], [10, 0]], ["0-3 off", "3-5 on", "5-20 off"]],
  ])("%s", (_, pairs, expected) => expect(short(segmentsOf(points(pairs), 10, onOff))).toEqual(expected));

  test("what has no name is left out", () => expect(segmentsOf(points([[0, 0]]), 10, () => null)).toEqual([]));
});

describe("several states at a time", () => {
  const severity = (state: string) => ["ok", "warn", "crit"].indexOf(state);
  const of = (start: number, end: number, state: string): Segment => ({ start, end, state });

  test("the worst is shown", () => {
    expect(short(worst([[of(0, 100, "ok")], [of(20, 60, "warn")], [of(40, 50, "crit"), of(60, 70, "crit")]], severity))).toEqual([
      "0-20 ok", "20-40 warn", "40-50 crit", "50-60 warn", "60-70 crit", "70-100 ok",
    ]);
    expect(worst([], severity)).toEqual([]);
  });

  test("gaps stay gaps", () => expect(short(worst([[of(0, 10, "ok"), of(20, 30, "ok")]], severity))).toEqual(["0-10 ok", "20-30 ok"]));

  test("flickering is not thousands of stretches, and what is short and bad stays in sight", () => {
    const flicker = Array.from({ length: 10_000 }, (_, at) => of(at, at + 1, at === 5_000 ? "crit" : at % 2 ? "warn" : "ok"));
    const drawn = thinned(flicker, { start: 0, end: 10_000 }, 100, severity);
    expect(drawn.length).toBeLessThanOrEqual(100);
    expect(drawn.some(({ state }) => state === "crit")).toBe(true);
    expect(drawn.at(-1)?.end).toBe(10_000);
  });

  test("how long each lasted", () => {
    expect(durations([of(-50, 20, "ok"), of(20, 30, "crit"), of(30, 200, "ok")], { start: 0, end: 100 })).toEqual([{ state: "ok", ms: 90 }, { state: "crit", ms: 10 }]);
  });
});

test("a beat that saw both shows both; one that saw nothing shows nothing", () => {
  const found = beats(points([[0, 1], [10, 1], [26, 1], [28, 0], [99, 0], [500, 1]]), { start: 0, end: 100 }, 4);
  expect(found).toEqual([{ low: 1, high: 1 }, { low: 0, high: 1 }, null, { low: 0, high: 0 }]);
});

test("marks are round and have room", () => {
  const { times, every } = timeMarks({ start: 1_000, end: 901_000 }, 720, 72);
  expect(every).toBe(120);
  expect(times.every((time) => time % 120_000 === 0)).toBe(true);
  expect(timeMarks({ start: 0, end: 1e15 }, 100, 72).times.length).toBeLessThanOrEqual(200);
});

describe("in a zone that puts its clock forward and back", () => {
  beforeEach(() => setZone("Europe/Berlin"));
  afterEach(() => setZone(""));
  const iso = (times: number[]) => times.map((time) => new Date(time).toISOString().slice(5, 16));

  test.each([
    ["2026-03-27T12:00Z", ["03-27T23:00", "03-28T23:00", "03-29T22:00", "03-30T22:00"]],
    ["2026-10-23T12:00Z", ["10-23T22:00", "10-24T22:00", "10-25T23:00", "10-26T23:00"]],
  ])("days from %s begin at midnight", (from, expected) => {
    const start = Date.parse(from);
    const { times, every } = timeMarks({ start, end: start + 4 * 86_400_000 }, 300, 72);
    expect(every).toBe(86_400);
    expect(iso(times)).toEqual(expected);
  });

  test("an hour that is left out has no mark, and no time has two", () => {
    const start = Date.parse("2026-03-29T00:00Z");
    expect(iso(timeMarks({ start, end: start + 3 * 3_600_000 }, 300, 72).times)).toEqual(["03-29T00:00", "03-29T01:00", "03-29T02:00", "03-29T03:00"]);
  });
});

test.each([
  [0, "count", 1],
  [29.7, "count", 30],
  [0.4, "count", 1],
  [141, "watts", 150],
  [0.031, "ratio", 0.04],
  [31.9 * 2 ** 30, "bytes", 40 * 2 ** 30],
  [1_000, "milliseconds", 1_000],
] as const)("an axis for %d %s ends at %d", (value, unit, expected) => expect(roundTop(value, unit)).toBeCloseTo(expected, 10));

describe("sparklanes", () => {
  const size = { width: 100, height: 10 };
  test("a gap interrupts the line, a single point is seen", () => {
    expect(pathOf(points([[0, 0], [10, 5], [20, null], [90, 10]]), { start: 0, end: 100 }, 10, size, 10)).toBe("M0.0 10.0h0.5L10.0 5.0M90.0 0.0h0.5");
  });
  test("what is out of the axis stays within the picture", () => expect(pathOf(points([[0, 99], [200, 1]]), { start: 0, end: 100 }, 10, size, 10)).toBe("M0.0 0.0h0.5"));
  test("the value at a time is the last one, unless it is too old", () => {
    const line = points([[0, 1], [10, null], [20, 3]]);
    expect([at(line, 25, 10), at(line, 15, 10), at(line, 5, 10), at(line, 99, 10), at(line, -1, 10)]).toEqual([3, null, 1, null, null]);
  });
});

describe("the numbers behind sparklanes", () => {
  const columns = [
    { name: "a", ...points([[0, 1], [10, null], [20, 3]]) },
    { name: '=b "x"', ...points([[10, 7]]) },
  ];
  test("every time, and what is absent is absent", () => {
    expect(tableOf(columns, 99, 5)).toEqual([{ time: 0, values: [1, null] }, { time: 10, values: [null, 7] }, { time: 20, values: [3, null] }]);
  });
  test("at most so many rows, the newest among them", () => {
    const many = [{ name: "m", ...points(Array.from({ length: 1_000 }, (_, at): [number, number] => [at, at])) }];
    const rows = tableOf(many, 40, 5);
    expect(rows.length).toBeLessThanOrEqual(40);
    expect(rows.at(-1)).toEqual({ time: 999, values: [999] });
  });
  test("a name is no formula", () => expect(csvOf(columns, 5).split("\r\n").slice(0, 3)).toEqual(['time,a,"\'=b ""x"""', "1970-01-01T00:00:00.000Z,1,", "1970-01-01T00:00:00.010Z,,7"]));
});

describe("the period before", () => {
  const line = (name: string, value: number) => ({ name, ...points([[0, value]]) });
  test("has the name and the colour of its line", () => {
    const lines = compared("Traffic", [line("sent", 1), line("received", 2)], [line("received", 3)]);
    expect(lines.map(({ name, hue, isPast }) => [name, hue, isPast ?? false])).toEqual([["sent", 0, false], ["received", 1, false], ["received, period before", 1, true]]);
  });
  test("of a lane's only line has the lane's", () => expect(compared("RTT", [line("", 1)], [line("", 3)]).map(({ name }) => name)).toEqual(["RTT", "RTT, period before"]));
  test("that was not asked for changes nothing", () => expect(compared("RTT", [line("", 1)], [])).toEqual([line("", 1)]));
});
