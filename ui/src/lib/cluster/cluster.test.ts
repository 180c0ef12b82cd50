import { afterEach, describe, expect, test, vi } from "vitest";
import { Failure } from "../explore/ask";
import { engineTexts } from "../i18n/engines";
import { gpuTexts } from "../i18n/gpus";
import { laneTexts } from "../i18n/lanes";
import { networkTexts } from "../i18n/network";
import { changed, choiceOf, textOf } from "./address";
import { askRanges, literal, samplesOf, union, windowOf } from "./ask";
import { best, byName } from "./best";
import { pageSpan } from "./span";

describe("address", () => {
  test.each<[string, Record<string, string | null>, string]>([
    ["#/gpus", {}, "#/gpus"],
    ["#/gpus?range=6h", { device: "a/gpu1" }, "#/gpus?range=6h&device=a%2Fgpu1"],
    ["#/gpus?device=a&range=6h", { device: null }, "#/gpus?range=6h"],
    ["#/gpus?device=a", { device: "" }, "#/gpus"],
    ["", { device: "a" }, "#?device=a"],
  ])("%s changed by %o", (hash, changes, expected) => expect(changed(hash, changes)).toBe(expected));

  test("what makes no sense is as if it was not there", () => {
    expect(textOf(`#/gpus?device=${"x".repeat(600)}`, "device")).toBeNull();
    expect(textOf("#/gpus", "device")).toBeNull();
    expect(choiceOf("#/gpus?metric=beauty", "metric", ["power", "heat"], "heat")).toBe("heat");
    expect(choiceOf("#/gpus?metric=power", "metric", ["power", "heat"], "heat")).toBe("power");
  });

  test.each([
    ["#/gpus", { start: 99_100_000, end: 1e8, isLive: true, seconds: 900, id: "15m" }],
    ["#/gpus?range=1h", { start: 96_400_000, end: 1e8, isLive: true, seconds: 3_600, id: "1h" }],
    ["#/gpus?range=9y", { start: 99_100_000, end: 1e8, isLive: true, seconds: 900, id: "15m" }],
    ["#/gpus?from=1000&to=61000&range=1h", { start: 1_000, end: 61_000, isLive: false, seconds: 60, id: "" }],
    ["#/gpus?from=5&to=1", { start: 99_100_000, end: 1e8, isLive: true, seconds: 900, id: "15m" }],
  ])("the range of %s", (hash, expected) => expect(pageSpan(hash, 1e8)).toEqual(expected));
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

  test("an answer over a range: what could not be answered is null, what was left out is counted", async () => {
    const body = { step_ms: 1_000, results: [{ series: [{ labels: {}, times: [1], values: [2] }], omitted: 3 }, { error: { code: "x" } }] };
    vi.stubGlobal("fetch", vi.fn(async () => new Response(JSON.stringify(body))));
    const found = await askRanges(["a", "b"], { start: 0, end: 9 }, 10, new AbortController().signal);
    expect(found).toEqual({ step: 1_000, results: [[{ labels: {}, times: [1], values: [2] }], null], omitted: 3 });
  });

  test.each([[404, "missing"], [503, "server"]])("status %d is a failure", async (status, kind) => {
    vi.stubGlobal("fetch", vi.fn(async () => new Response("", { status })));
    const asked = askRanges(["a"], { start: 0, end: 9 }, 10, new AbortController().signal);
    await expect(asked).rejects.toMatchObject({ kind });
    await expect(asked).rejects.toBeInstanceOf(Failure);
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

describe("texts", () => {
  const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
  const all = Object.entries({ engine: engineTexts, gpu: gpuTexts, lane: laneTexts, network: networkTexts }).flatMap(([page, table]) => Object.entries(table).map(([key, text]) => [`${page} ${key}`, text] as const));
  test.each(all)("%s says the same in both languages", (_, text) => {
    expect(text.en).not.toBe("");
    expect(text.zh).not.toBe("");
    expect(holes(text.zh)).toEqual(holes(text.en));
  });
});
