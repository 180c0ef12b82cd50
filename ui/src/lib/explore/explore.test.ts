import { EqlSingle, Neq, NeqRegex } from "@prometheus-io/lezer-promql";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { metricHelp } from "../i18n/metrics.gen";
import { address, aligned, duration, QUERIES_MAX, read, spanAt, stepOf, type Explored } from "./address";
import { answerOf, askInstant, askRange, failureOf } from "./ask";
import { Failure } from "../failure";
import { selector } from "./completions";
import { bounds, columns, metricSelector, offsetOf, seriesName, sharedLabels } from "./draw";
import { selectedNames } from "./editor";
import { find, join, nearest } from "./metrics.svelte";
import { forget, recent, RECENT_MAX, remember } from "./recent";
import { interval, listed, sorted } from "./table";

const PLAIN: Explored = { queries: [""], range: "15m", span: null, step: null, view: "graph" };

describe("address", () => {
  test.each<[string, Partial<Explored>]>([
    ["#/explore", {}],
    ["#/explore?q=up&q=rate%28a%5B5m%5D%29+%2B+1&range=6h&view=table", { queries: ["up", "rate(a[5m]) + 1"], range: "6h", view: "table" }],
    ["#/explore?q=a&from=1000&to=20000&step=15", { queries: ["a"], span: { start: 1000, end: 20000 }, step: 15 }],
    ["#/explore?q=%E6%B8%A9%E5%BA%A6%26%23%3F%25&view=cardinality", { queries: ["温度&#?%"], view: "cardinality" }],
  ])("%s is read and written", (hash, state) => {
    expect(read(hash)).toEqual({ ...PLAIN, ...state });
    expect(address({ ...state })).toBe(hash);
    expect(read(address(read(hash)))).toEqual(read(hash));
  });

  test.each([
    "#/explore?range=9y&step=7&view=pie&from=2&to=1",
    "#/explore?from=x&to=1e400&step=-1",
    "#/explore?from=-5&to=7",
    "#/explore?to=7",
  ])("%s is as if it said nothing", (hash) => {
    expect(read(hash)).toEqual(PLAIN);
  });

  test("an address has a limit", () => {
    const state = read(`#/explore?${"q=a&".repeat(50)}q=${"x".repeat(50_000)}`);
    expect(state.queries).toHaveLength(QUERIES_MAX);
    expect(read(`#/explore?q=${"x".repeat(50_000)}`).queries[0]).toHaveLength(16_384);
  });

  test.each([
    ["5m", null, 1],
    ["15m", null, 2],
    ["24h", null, 300],
    ["7d", null, 1_800],
    ["7d", 1, 60],
    ["1h", 60, 60],
  ])("the step of %s with %s is %s", (range, step, expected) => {
    const seconds = stepOf({ ...PLAIN, range, step });
    expect(seconds).toBe(expected);
    const { start, end } = spanAt({ ...PLAIN, range }, Date.now());
    expect((end - start) / 1_000 / seconds).toBeLessThan(11_000);
  });

  test("whole steps lie within a span", () => {
    expect(aligned({ start: 61_000, end: 179_999 }, 60)).toEqual({ start: 120_000, end: 120_000 });
    expect(aligned({ start: 120_000, end: 180_000 }, 60)).toEqual({ start: 120_000, end: 180_000 });
  });

  test.each([[1, "1s"], [90, "90s"], [300, "5m"], [7_200, "2h"], [86_400, "1d"]])("%s seconds are %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});

describe("answers", () => {
  test.each([
    ['invalid parameter "query": 1:6: parse error: unexpected <eof>', "parse error: unexpected <eof>", { line: 1, column: 6 }],
    ["2:10: parse error: a\nb", "parse error: a\nb", { line: 2, column: 10 }],
    ["query timed out", "query timed out", null],
    ["at 1:5: no", "at 1:5: no", null],
  ])("%s", (text, message, place) => {
    const failure = failureOf(text);
    expect([failure.message, failure.place]).toEqual([message, place]);
  });

  const vector = (more: object = {}) => ({
    data: { resultType: "vector", result: [{ metric: { a: "1" }, value: [5, "2"] }, { metric: {}, histogram: [5, { count: "3", sum: "1.5" }] }], ...more },
  });

  test("numbers and native histograms", () => {
    const { kind, series } = answerOf(vector(), 1);
    expect(kind).toBe("vector");
    expect(series).toEqual([
      { labels: { a: "1" }, values: [[5, "2"]], histograms: [] },
      { labels: {}, values: [], histograms: [[5, { count: "3", sum: "1.5" }]] },
    ]);
    expect(answerOf({ data: { resultType: "scalar", result: [5, "7"] } }, 1).series).toEqual([{ labels: {}, values: [[5, "7"]], histograms: [] }]);
  });

  test("the cost is the server's, or what can be seen of it", () => {
    expect(answerOf(vector(), 12).cost).toEqual({ series: 2, samples: null, milliseconds: 12 });
    const stats = { timings: { execTotalTime: 0.0025 }, samples: { totalQueryableSamples: 900, series: 40 } };
    expect(answerOf(vector({ stats }), 12).cost).toEqual({ series: 40, samples: 900, milliseconds: 2.5 });
  });

  test("annotations", () => {
    const { warnings, infos } = answerOf({ ...vector(), warnings: ["w"], infos: ["i", "j"] }, 1);
    expect([warnings, infos]).toEqual([["w"], ["i", "j"]]);
  });
});

describe("asking", () => {
  const fetched = vi.fn<typeof fetch>();
  beforeEach(() => vi.stubGlobal("fetch", fetched));
  afterEach(() => vi.unstubAllGlobals());
  const { signal } = new AbortController();
  const answers = (status: number, body: string) => fetched.mockResolvedValueOnce(new Response(body, { status }));
  const sent = () => Object.fromEntries(new URLSearchParams(String(fetched.mock.lastCall?.[1]?.body)));

  test("a range and a moment", async () => {
    const empty = '{"status":"success","data":{"resultType":"matrix","result":[]}}';
    answers(200, empty);
    expect((await askRange("up", { start: 60_000, end: 120_000 }, 15, signal)).series).toEqual([]);
    expect(fetched.mock.lastCall?.[0]).toBe("/api/v1/query_range");
    expect(sent()).toEqual({ query: "up", start: "60", end: "120", step: "15", stats: "all" });
    answers(200, empty);
    await askInstant("up", null, signal);
    expect(sent()).toEqual({ query: "up", stats: "all" });
  });

  test.each([
    [400, '{"status":"error","errorType":"bad_data","error":"1:2: parse error: x"}', "server", "parse error: x"],
    [404, '{"status":"error","error":"none"}', "missing", "none"],
    [502, "<html>", "server", "502"],
    [200, "not json", "server", "200"],
  ])("a refusal with %s", async (status, body, kind, message) => {
    answers(status, body);
    const failure = await askInstant("up", 1_000, signal).catch((error) => error);
    expect(failure).toBeInstanceOf(Failure);
    expect([failure.kind, failure.message]).toEqual([kind, message]);
  });

  test("a server that is gone, and a question that is given up", async () => {
    fetched.mockRejectedValueOnce(new TypeError("refused"));
    expect((await askInstant("up", null, signal).catch((error) => error)).kind).toBe("unreachable");
    const controller = new AbortController();
    controller.abort();
    fetched.mockRejectedValueOnce(controller.signal.reason);
    await expect(askInstant("up", null, controller.signal)).rejects.not.toBeInstanceOf(Failure);
  });
});

describe("drawing", () => {
  test.each([
    [{ __name__: "up", job: 'a"b' }, 'up{job="a\\"b"}'],
    [{ __name__: "up" }, "up"],
    [{ "x.y": "1" }, '{"x.y"="1"}'],
    [{}, "{}"],
  ])("the name of %s", (labels, expected) => {
    expect(seriesName(labels as Record<string, string>)).toBe(expected);
  });

  test("names of metrics", () => {
    expect([metricSelector("a:b_c"), metricSelector("温度.x")]).toEqual(["a:b_c", '{"温度.x"}']);
  });

  test("what all series have", () => {
    expect(sharedLabels([{ a: "1", b: "2" }, { a: "1", b: "3" }, { a: "1" }])).toEqual({ a: "1" });
    expect(sharedLabels([{ a: "1" }])).toEqual({});
  });

  test("points go to their times, the rest are gaps", () => {
    const values: [number, string][] = [[10, "1"], [20.001, "2"], [30, "NaN"], [40, "+Inf"], [99, "5"]];
    expect(columns([{ labels: {}, values, histograms: [] }], { start: 0, end: 50_000 }, 10)).toEqual([
      [0, 10, 20, 30, 40, 50],
      [null, 1, 2, NaN, Infinity, null],
    ]);
  });

  test.each([
    [null, null, [0, 1]],
    [0, 0, [0, 1]],
    [5, 5, [0, 6]],
    [-5, -5, [-6, 0]],
    [0, 10, [0, 11]],
    [100, 110, [99, 111]],
    [-10, 10, [-12, 12]],
  ])("an axis from %s to %s", (min, max, expected) => {
    expect(bounds(min, max)).toEqual(expected);
  });

  test.each([
    ["a + b", 1, 5, 4],
    ["a +\nb", 2, 1, 4],
    ["'温度' + b", 1, 12, 7],
    ["ab", 9, 9, 2],
    ["ab", 1, 99, 2],
  ])("in %j line %s, column %s is %s", (text, line, column, expected) => {
    expect(offsetOf(text, line, column)).toBe(expected);
  });
});

describe("tables", () => {
  const series = (labels: Record<string, string>, value: string) => ({ labels, values: [[1, value] as [number, string]], histograms: [] });
  const answer = (rows: ReturnType<typeof series>[]) => ({ kind: "vector" as const, series: rows, warnings: [], infos: [], cost: { series: 0, samples: null, milliseconds: 0 } });

  test("labels that differ are columns, the commonest first", () => {
    const { shared, names } = listed(answer([series({ job: "x", b: "1", a: "1" }, "1"), series({ job: "x", b: "2", __name__: "n" }, "2"), series({ job: "x", b: "2", c: "3" }, "2")]));
    expect(shared).toEqual({ job: "x" });
    expect(names).toEqual(["__name__", "b", "a", "c"]);
  });

  test.each([
    [0, "(1, 2]"],
    [1, "[1, 2)"],
    [2, "(1, 2)"],
    [3, "[1, 2]"],
  ])("bounds of a bucket, %i", (bounds, expected) => {
    expect(interval([bounds, "1", "2", "7"])).toBe(expected);
  });

  test("rows are sorted by value or by label", () => {
    const { rows } = listed(answer([series({ a: "x10" }, "1"), series({ a: "x9" }, "NaN"), series({ a: "x1" }, "+Inf"), series({ a: "x2" }, "20")]));
    const values = (sortedRows: typeof rows) => sortedRows.map((row) => row.cells[0]?.value);
    expect(values(sorted(rows, null))).toEqual(["1", "NaN", "+Inf", "20"]);
    expect(values(sorted(rows, { by: null, isDescending: true })).slice(1, 3)).toEqual(["20", "1"]);
    expect(sorted(rows, { by: "a", isDescending: false }).map((row) => row.labels.a)).toEqual(["x1", "x2", "x9", "x10"]);
  });
});

describe("metrics", () => {
  const names = ["a_seconds_bucket", "a_seconds_count", "b_memory_Free_bytes", "c_total"];
  const known = {
    a_seconds: [{ type: "histogram", unit: "seconds", help: "How long" }],
    c_total: [{ type: "counter", unit: "", help: "How many" }],
  };

  test("are joined with what is known of them", () => {
    const metrics = join(names, known, { "b_memory_*_bytes": "内存", c_total: "总数" });
    expect(metrics.map(({ kind, unit, help }) => [kind, unit, help])).toEqual([
      ["histogram", "seconds", "How long"],
      ["histogram", "seconds", "How long"],
      ["", "", "内存"],
      ["counter", "", "总数"],
    ]);
  });

  test("are found by name or help, in groups", () => {
    const metrics = join(names, known, {});
    expect(find(metrics, "").map(({ prefix, metrics }) => [prefix, metrics.length])).toEqual([["a_", 2], ["b_", 1], ["c_", 1]]);
    expect(find(metrics, "HOW many").map(({ prefix }) => prefix)).toEqual(["c_"]);
    expect(find(metrics, "how zebra")).toEqual([]);
  });

  test("ten thousand are found at once", () => {
    const many = join(Array.from({ length: 10_000 }, (_, index) => `app_${index}_total`), {}, metricHelp);
    expect(find(many, "77")[0]?.metrics.length).toBe(280);
    expect(nearest("app_12345_totel", many.map(({ name }) => name))).toBe("app_1234_total");
  });

  test.each([
    ["node_lod1", "node_load1"],
    ["up", "up"],
    ["something_else", undefined],
    ["x".repeat(500), undefined],
  ])("%s was meant as %s", (name, expected) => {
    expect(nearest(name, ["node_load1", "node_load15", "up"])).toBe(expected);
  });
});

describe("the editor", () => {
  test.each([
    ["rate(a_total[5m]) / on (x) b{c=\"d\"}", ["a_total", "b"]],
    ["sum by (job) (up) + up", ["up"]],
    ["1 +", []],
    ["", []],
  ])("%s selects %s", (query, expected) => {
    expect(selectedNames(query)).toEqual(expected);
  });

  test("proposals of a label ask for series with the other conditions", () => {
    const matcher = (type: number, name: string, value: string) => ({ type, name, value, matchesEmpty: () => false });
    expect(selector("", [], "x")).toBe("");
    expect(selector("up", [], "x")).toBe("up");
    expect(selector("温度", [], "x")).toBe('{"温度"}');
    const conditions = [matcher(EqlSingle, "a", 'b"'), matcher(NeqRegex, "c.d", "e"), matcher(EqlSingle, "x", "y"), matcher(Neq, "empty", "")];
    expect(selector("up", conditions, "x")).toBe('up{a="b\\"","c.d"!~"e"}');
    expect(selector("", conditions, "")).toBe('{a="b\\"","c.d"!~"e",x="y"}');
  });
});

describe("history", () => {
  beforeEach(forget);

  test("has each query once, the newest first, and not too many", () => {
    remember(["a", " b ", ""]);
    remember(["b"]);
    expect(recent()).toEqual(["b", "a"]);
    for (let index = 0; index < 2 * RECENT_MAX; index += 1) remember([String(index)]);
    expect(recent()).toHaveLength(RECENT_MAX);
    expect(recent()[0]).toBe(String(2 * RECENT_MAX - 1));
  });

  test.each(["{", '{"a":1}', '[1,"q",null]'])("%s in the storage does no harm", (stored) => {
    localStorage.setItem("explore.recent", stored);
    expect(recent()).toEqual(stored.startsWith("[") ? ["q"] : []);
  });
});
