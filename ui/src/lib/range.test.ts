import { beforeEach, describe, expect, test, vi } from "vitest";
import { csv } from "./picture";
import { linkTo, rangeId, readRange, secondsOf, TimeRange, withRange } from "./range.svelte";
import { Points } from "./series";

const HOUR = 3_600_000;
const NOON = 1_795_520_000_000;

describe("the range of an address", () => {
  test.each([
    ["", { start: null, end: null, seconds: 900 }, null],
    ["#/overview?range=24h", { start: null, end: null, seconds: 86_400 }, null],
    ["#/gpus?range=90s", { start: null, end: null, seconds: 90 }, null],
    [`#/overview?from=${NOON}&to=${NOON + HOUR}`, { start: NOON, end: NOON + HOUR, seconds: 3_600 }, null],
    // What makes no sense.
    ["#/overview?range=5 parsecs", { start: null, end: null, seconds: 900 }, "range=5 parsecs"],
    ["#/overview?range=1s", { start: null, end: null, seconds: 900 }, "range=1s"],
    ["#/overview?range=999999d", { start: null, end: null, seconds: 900 }, "range=999999d"],
    ["#/overview?range=-15m", { start: null, end: null, seconds: 900 }, "range=-15m"],
    ["#/overview?from=7&to=3", { start: null, end: null, seconds: 900 }, "from=7&to=3"],
    ["#/overview?from=1e99&to=NaN", { start: null, end: null, seconds: 900 }, "from=1e99&to=NaN"],
    ["#/overview?to=5", { start: null, end: null, seconds: 900 }, "from=&to=5"],
    ["#/overview?from=99999999999999999999&to=5", { start: null, end: null, seconds: 900 }, "from=99999999999999999999&to=5"],
    ["#/overview?range=%3Cimg%20src=x%3E", { start: null, end: null, seconds: 900 }, "range=<img src=x>"],
    ["#/overview?at=soon", { start: null, end: null, seconds: 900 }, "at=soon"],
    ["#/%E0%A4?range=%E0%A4", { start: null, end: null, seconds: 900 }, "range=\ufffd"],
  ])("%s", (hash, expected, refused) => {
    expect(readRange(hash)).toMatchObject({ range: expected, refused });
  });

  test("a moment", () => {
    expect(readRange(`#/overview?at=${NOON}`)).toMatchObject({ at: NOON, refused: null });
  });

  test("is written as it is read", () => {
    for (const seconds of [10, 90, 300, 900, 3_600, 86_400, 604_800, 5_400]) expect(secondsOf(rangeId(seconds))).toBe(seconds);
    const fixed = { start: NOON, end: NOON + HOUR, seconds: 3_600 };
    expect(readRange(withRange("#/gpus?metric=power&range=7d", fixed))).toMatchObject({ range: fixed });
    expect(withRange("#/gpus?metric=power&range=7d", fixed)).toContain("metric=power");
    expect(withRange("#/gpus?range=7d", { start: null, end: null, seconds: 900 })).toBe("#/gpus");
    expect(withRange("#/gpus?range=7d", undefined, NOON)).toBe(`#/gpus?range=7d&at=${NOON}`);
    expect(withRange(`#/gpus?at=${NOON}`, undefined, null)).toBe("#/gpus");
  });

  test("goes along to other pages; filters and the moment do not", () => {
    expect(linkTo("engines", `#/requests?q=model:x&range=1h&at=${NOON}&compare=previous`)).toBe("#/engines?range=1h&compare=previous");
  });
});

describe("the range moves", () => {
  let range: TimeRange;
  const go = (hash: string) => {
    location.hash = hash;
    range.hash = location.hash;
  };
  const now = () => readRange(location.hash).range;

  beforeEach(() => {
    vi.useFakeTimers({ now: NOON });
    range = new TimeRange();
    go("#/overview?range=1h");
  });

  test("back by half, and forward until it is live again", () => {
    range.shift(-1);
    expect(now()).toEqual({ start: NOON - 1.5 * HOUR, end: NOON - 0.5 * HOUR, seconds: 3_600 });
    range.hash = location.hash;
    range.shift(1);
    expect(now()).toEqual({ start: null, end: null, seconds: 3_600 });
  });

  test.each([[0, null], [5_000, null], [-5_001, 5.001], [90_000, -90]])("a clock that differs by %d ms", (skew, ahead) => {
    range.skew = skew;
    expect(range.aheadSeconds).toBe(ahead);
  });

  test("stands still and lives again with the same length", () => {
    range.toggleLive();
    expect(now()).toEqual({ start: NOON - HOUR, end: NOON, seconds: 3_600 });
    range.hash = location.hash;
    range.toggleLive();
    expect(now()).toEqual({ start: null, end: null, seconds: 3_600 });
  });

  test("a brush in either direction, but none of a pixel", () => {
    range.brush(NOON, NOON - HOUR);
    expect(now()).toMatchObject({ start: NOON - HOUR, end: NOON });
    range.hash = location.hash;
    expect(range.fix(NOON, NOON + 5)).toBe(false);
  });

  test("the server's clock counts", () => {
    range.skew = -HOUR;
    expect(range.span().end).toBe(NOON - HOUR);
  });

  test("compare is a switch", () => {
    range.toggleCompare();
    expect(readRange(location.hash)).toMatchObject({ isCompared: true, range: { seconds: 3_600 } });
  });
});

describe("points", () => {
  const labels = { model: "a" };
  const filled = () => {
    const points = new Points();
    points.load([[{ labels, times: [1_000, 2_000], values: [1, 2] }], [{ labels: {}, times: [1_500], values: [9] }]], 2_000, 1_000);
    return points;
  };

  test("series of different times share an axis without breaking each other's lines", () => {
    const points = filled();
    expect(points.times).toEqual([1_000, 1_500, 2_000]);
    expect(points.tracks.map(({ values }) => values)).toEqual([[1, undefined, 2], [undefined, 9, undefined]]);
    expect(points.at(points.tracks[0]!, 1)).toBe(1);
  });

  test("ticks go on where history ends; a pause is a gap, not a line", () => {
    const points = filled();
    points.tick(0, 3_000, [{ labels, value: 3 }], 1_000);
    points.tick(0, 9_000, [{ labels, value: 4 }], 1_000);
    expect(points.times).toEqual([1_000, 1_500, 2_000, 3_000, 4_000, 9_000]);
    expect(points.tracks[0]!.values).toEqual([1, undefined, 2, 3, null, 4]);
    points.tick(0, 5_000, [{ labels, value: 5 }], 1_000);
    expect(points.times).not.toContain(5_000);
  });

  test("ticks that came while history was under way stay", () => {
    const points = new Points();
    points.tick(0, 3_000, [{ labels, value: 3 }], 1_000);
    points.load([[{ labels, times: [1_000, 2_000, 3_000], values: [1, 2, 7] }]], 2_500, 1_000);
    expect(points.times).toEqual([1_000, 2_000, 3_000]);
    expect(points.tracks[0]!.values).toEqual([1, 2, 3]);
  });

  test("of a range that stands still nothing that came live stays", () => {
    const points = filled();
    points.tick(0, 9_000, [{ labels, value: 9 }], 1_000);
    points.load([[{ labels, times: [1_000, 2_000], values: [1, 2] }]], Infinity, 1_000);
    expect(points.times).toEqual([1_000, 2_000]);
    expect(points.tracks.map(({ values }) => values)).toEqual([[1, 2]]);
  });

  test("what has left the axis is dropped, and series with it", () => {
    const points = filled();
    points.tick(0, 9_000, [{ labels, value: 4 }], 1_000);
    points.trim(9_000);
    expect(points.times.at(-1)).toBe(9_000);
    expect(points.tracks).toHaveLength(1);
  });
});

test("a table program runs nothing of a CSV file", () => {
  expect(csv(["=HYPERLINK(1)", 'a "b", c'], [NOON], [[1.5], [null]])).toBe(
    'time,\'=HYPERLINK(1),"a ""b"", c"\r\n2026-11-24T11:33:20.000Z,1.5,\r\n',
  );
});
