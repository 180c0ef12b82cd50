import { describe, expect, test } from "vitest";
import { nameOf, unitOf } from "../moment/words";
import { Points } from "../series";
import { durationOf } from "./compare";
import { bulk, latencyMap } from "./map";
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
  expect(durationOf(text)).toBe(seconds);
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
