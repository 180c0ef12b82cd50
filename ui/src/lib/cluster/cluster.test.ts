import { afterEach, describe, expect, test, vi } from "vitest";
import { exploreLink } from "../explore/address";
import { Failure } from "../failure";
import { missingOf } from "./missing";
import { readRange } from "../range.svelte";
import { changed, choiceOf, textOf } from "./address";
import { askRanges, literal, samplesOf, union, windowOf } from "./ask";
import { best, byName } from "./best";
import { endsOf, instantOf, pageSpan, spanKey } from "./span";

describe("address", () => {
  test.each<[string, Record<string, string | null>, string]>([
    ["#/gpus", {}, "#/gpus"],
    ["#/gpus?range=6h", { device: "a/gpu1" }, "#/gpus?range=6h&device=a%2Fgpu1"],
    ["#/gpus?device=a&range=6h", { device: null }, "#/gpus?range=6h"],
    ["#/gpus?device=a", { device: "" }, "#/gpus"],
    ["", { device: "a" }, "#/?device=a"],
  ])("%s changed by %o", (hash, changes, expected) => expect(changed(hash, changes)).toBe(expected));

  test("what makes no sense is as if it was not there", () => {
    expect(textOf(`#/gpus?device=${"x".repeat(600)}`, "device")).toBeNull();
    expect(textOf("#/gpus", "device")).toBeNull();
    expect(choiceOf("#/gpus?metric=beauty", "metric", ["power", "heat"], "heat")).toBe("heat");
    expect(choiceOf("#/gpus?metric=power", "metric", ["power", "heat"], "heat")).toBe("power");
  });

  test.each([
    ["#/gpus", { start: 99_100_000, end: 1e8, isLive: true, seconds: 900 }],
    ["#/gpus?range=1h", { start: 96_400_000, end: 1e8, isLive: true, seconds: 3_600 }],
    ["#/gpus?range=9y", { start: 99_100_000, end: 1e8, isLive: true, seconds: 900 }],
    ["#/gpus?from=1000&to=61000&range=1h", { start: 1_000, end: 61_000, isLive: false, seconds: 60 }],
    ["#/gpus?from=5&to=1", { start: 99_100_000, end: 1e8, isLive: true, seconds: 900 }],
  ])("the range of %s", (hash, expected) => expect(pageSpan(hash, 1e8)).toEqual(expected));
});

test("a range has a name that stays as long as the same is asked for", () => {
  const at = (hash: string, now: number) => spanKey(pageSpan(hash, now));
  expect(at("#/gpus?range=1h", 1e8)).toBe(at("#/gpus?range=1h", 2e8));
  expect(at("#/gpus?range=1h", 1e8)).not.toBe(at("#/gpus", 1e8));
  const fixed = at("#/gpus?from=1000&to=61000", 1e8);
  expect(endsOf(fixed)).toEqual({ start: 1_000, end: 61_000 });
  expect(instantOf(fixed)).toEqual({ time: 61_000, seconds: 60 });
  expect(instantOf(at("#/gpus?range=1h", 1e8))).toEqual({ time: null, seconds: 3_600 });
});

describe("asking", () => {
  afterEach(() => vi.unstubAllGlobals());

  test("columns are one query", () => {
    expect(union({ a: "x", b: "rate(y[1m])" })).toBe('label_replace(x, "modelwatch_column", "a", "", "") or label_replace(rate(y[1m]), "modelwatch_column", "b", "", "")');
  });

  test("what is no finite number is absent, not zero", () => {
    const series = ["0", "NaN", "+Inf", "2.5"].map((value) => ({ labels: { modelwatch_column: "a", x: value }, values: [[1, value] as [number, string]] }));
    expect(samplesOf(series)).toEqual([
      { column: "a", labels: { x: "0" }, value: 0 },
      { column: "a", labels: { x: "2.5" }, value: 2.5 },
    ]);
  });

  test.each([[900, "900s"], [5, "60s"], [1e6, "3600s"]])("%d seconds are read in a window of %s", (seconds, expected) => expect(windowOf(seconds)).toBe(expected));

  test("a name is no regular expression", () => {
    const name = "a.b|c(d)[e]{f}^$*+?\\";
    expect(new RegExp(`^(?:${literal(name)})$`).test(name)).toBe(true);
    expect(new RegExp(`^(?:${literal("a.b")})$`).test("axb")).toBe(false);
  });

  test("an answer over a range: what could not be answered is null, and says why", async () => {
    const body = { start: 0, end: 9, now: 9, step_ms: 1_000, results: [{ series: [{ labels: {}, times: [1], values: [2] }], omitted: 3 }, { error: { code: "x" } }] };
    vi.stubGlobal("fetch", vi.fn(async () => new Response(JSON.stringify(body))));
    const found = await askRanges(["a", "b"], { start: 0, end: 9 }, 10, new AbortController().signal);
    expect(found).toEqual({ step: 1_000, results: [[{ labels: {}, times: [1], values: [2] }], null], errors: [null, "x"], before: [] });
    const answer = { value: found, failure: null };
    expect([missingOf(answer, [0], "it tells nothing"), missingOf(answer, [0, 1], "it tells nothing")]).toEqual(["it tells nothing", "x"]);
    expect(missingOf({ value: null, failure: new Failure("unreachable", "TypeError: no route") }, [0], "it tells nothing")).toBe("The server does not answer.");
  });

  test("nobody there is a failure of its own kind", async () => {
    vi.stubGlobal("fetch", vi.fn(async () => Promise.reject(new TypeError("no route"))));
    const asked = askRanges(["a"], { start: 0, end: 9 }, 10, new AbortController().signal);
    await expect(asked).rejects.toMatchObject({ kind: "unreachable" });
    await expect(asked).rejects.toBeInstanceOf(Failure);
  });

  test("Explore opens with the same range", () => {
    const of = (hash: string) => exploreLink(["up"], readRange(hash).range);
    expect(of("#/gpus?range=1h")).toBe("#/explore?q=up&range=1h");
    expect(of("#/gpus?range=90s")).toBe("#/explore?q=up&range=90s");
    expect(of("#/gpus?from=1000&to=61000")).toBe("#/explore?q=up&from=1000&to=61000");
  });
});

describe("sources", () => {
  const of = (source: string, value: number) => ({ column: "ttft", labels: { source }, value });

  test("the best one is shown, the others are told, none are added up", () => {
    expect(best([of("wire", 3), of("engine", 1), of("gateway", 2)])).toEqual({
      value: 1, source: "engine", others: [{ source: "gateway", value: 2 }, { source: "wire", value: 3 }],
    });
    expect(best([])).toBeNull();
  });

  test("names are sorted as people count", () => expect(["gpu10", "gpu2"].sort(byName)).toEqual(["gpu2", "gpu10"]));
});
