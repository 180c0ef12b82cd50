import { afterEach, describe, expect, test, vi } from "vitest";
import { nameOf, unitOf } from "../moment/words";
import { Points } from "../series";
import { limitsFor, secondsOfSetting } from "./compare";
import { bulk, fullest, latencyMap } from "./map";
import { askGroups, groupName } from "./queries";
import { sparkOf } from "./spark";

describe("the map of latencies", () => {
  const points = new Points();
  const series = (le: string, values: (number | null)[]) => ({ labels: { le }, times: [1_000, 2_000, 3_000], values });
  points.load([[series("+Inf", [4, 6, 6]), series("0.5", [3, 1, 1]), series("0.1", [0, 0, 0]), series("1.0", [3, 5, 5])]], 4_000, 1_000);

  test("a cell is what its bucket has beyond the one below; empty rows at the ends are left out", () => {
    const map = latencyMap(points, [0, 4_000], 4)!;
    expect(map.rows).toEqual([{ low: 0.1, high: 0.5 }, { low: 0.5, high: 1 }, { low: 1, high: 2 }]);
    expect(map.cells[0]).toEqual([3, 0, 1]);
    expect(map.cells[1]).toEqual([1, 4, 1]);
    expect(map.most).toBe(4);
    expect([map.cells[1]!, [null, null], [0, 0], []].map(fullest)).toEqual([1, -1, -1, -1]);
    expect(bulk(map)).toEqual({ low: 0.1, high: 2 });
  });

  test("before the first point nothing is known", () => {
    expect(latencyMap(points, [-4_000, 4_000], 8)!.cells[0]).toEqual([null, null, null]);
  });

  test("without buckets there is no map", () => {
    expect(latencyMap(new Points(), [0, 4_000], 4)).toBeNull();
  });
});

describe("a spark", () => {
  test("begins at zero and keeps gaps", () => {
    const spark = sparkOf([0, 50, 75, 100], [1, undefined, null, 1], [0, 100], 1, [100, 10])!;
    expect(spark.line).toBe("M0.0 1.0h1M100.0 1.0h1");
    expect([spark.low, spark.high]).toEqual([1, 1]);
  });
  test("of nothing is nothing", () => {
    expect(sparkOf([0], [null], [0, 100], undefined, [100, 10])).toBeNull();
  });
});

test.each([
  ["1500ms", 1.5], ["2s", 2], ["1m", 60], ["1.5s", 1.5], ["soon", null], [null, null],
])("the duration %s", (text, seconds) => {
  expect(secondsOfSetting(text)).toBe(seconds);
});

describe("series of a moment", () => {
  test.each([
    ["llm_kv_cache_usage_ratio{a=\"b\"}", "ratio"],
    ["rate(llm_preemptions_total[1m])", "per_second"],
    ["histogram_quantile(0.95, sum by (le) (rate(llm_time_to_first_token_seconds_bucket[1m])))", "seconds", "llm_time_to_first_token_seconds"],
    ["rate(node_pressure_io_waiting_seconds_total[1m])", "ratio"],
    ["accelerator_power_watts", "watts"],
    ["rate(node_disk_read_bytes_total[1m])", "bytes_per_second"],
    ["llm_requests_waiting", "number"],
  ])("%s is in %s", (query, unit, name?: string) => {
    expect(unitOf(query, name)).toBe(unit);
  });

  test("a device is called by its host; a name with HTML stays a text", () => {
    expect(nameOf({ __name__: "accelerator_power_watts", host: "node-2", index: "3", uuid: "GPU-3", vendor: "nvidia", model: "H100" })).toEqual({ metric: "accelerator_power_watts", who: "node-2/gpu3" });
    expect(nameOf({ __name__: "up", engine: "<b>x</b>" }).who).toBe("<b>x</b>");
  });
});

describe("whose latency there is", () => {
  const answered = (series: { metric: Record<string, string>; value: number }[]) => {
    const result = series.map(({ metric, value }) => ({ metric, value: [0, String(value)] }));
    vi.stubGlobal("fetch", vi.fn(async () => new Response(JSON.stringify({ status: "success", data: { resultType: "vector", result } }))));
  };
  const of = (column: string, engine: string, source: string, value: number) => ({ metric: { modelwatch_column: column, engine, model: "m", source }, value });
  afterEach(() => vi.unstubAllGlobals());

  test("two engines of one model are two groups, told apart by name, the worse first", async () => {
    answered([of("there", "a", "engine", 1), of("p95", "a", "engine", 0.5), of("there", "b", "engine", 1), of("p95", "b", "engine", 2)]);
    const groups = await askGroups(null, new AbortController().signal);
    expect(groups).toEqual([{ engine: "b", model: "m", source: "engine" }, { engine: "a", model: "m", source: "engine" }]);
    expect(groups.map((group) => groupName(group, groups))).toEqual(["m · b", "m · a"]);
    expect(groupName(groups[0]!, [groups[0]!])).toBe("m");
  });

  test("what the gateway saw counts where no engine tells", async () => {
    answered([of("there", "a", "engine", 1), of("there", "a", "gateway", 1)]);
    expect((await askGroups(null, new AbortController().signal)).map(({ source }) => source)).toEqual(["engine"]);
  });
});

test("the worst of several models is held against what all of them are to keep", () => {
  const [usual, own] = [{ ttft: 2 }, { ttft: 1 }];
  const objectives = new Map([["*", usual], ["a", own]]);
  expect([["a"], ["b"], ["a", "a"], ["a", "b"], []].map((models) => limitsFor(objectives, models))).toEqual([own, usual, own, usual, usual]);
  expect(limitsFor(new Map(), ["a"])).toEqual({ ttft: null });
});
