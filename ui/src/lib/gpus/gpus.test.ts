import { describe, expect, test } from "vitest";
import { samplesOf, union } from "../cluster/ask";
import { DEVICES } from "../cluster/fixtures";
import { columns, devicesOf, endsOf, isEstimated, nameOf, reasonOf, selectorOf, troubleOf, valueOf } from "./devices";
import { hostColumns, hostKey, hostsOf } from "./hosts";

const [hot, other] = devicesOf(samplesOf(DEVICES));

describe("devices", () => {
  test("are told by host and number, in the order of people", () => {
    expect([hot?.name, other?.name]).toEqual(["node-2/gpu3", "node-2/gpu10"]);
    expect(nameOf({ host: "h", index: "1", partition: "7" })).toBe("h/gpu1:7");
    expect(nameOf({ uuid: "U" })).toBe("?/gpuU");
  });

  test("have what was read of them", () => {
    expect(hot).toMatchObject({ utilization: 0, power: 412, powerLimit: 700, temperature: 88, sensor: "core", isUp: true, health: "ok", errors: 1 });
    expect(valueOf(hot!, "memory")).toBe(0.5);
    expect(hot?.engines).toEqual([{ instance: "node-2:8000", engine: "vllm", model: "m", bytes: 39e9 }]);
  });

  test("the worst reason is first, and normal ones are no trouble", () => {
    expect(hot?.throttles).toEqual(["hw_thermal", "sw_power_cap"]);
    expect(troubleOf(hot!)).toBe("hw_thermal");
    expect(troubleOf({ ...hot!, throttles: ["sw_power_cap", "idle"] })).toBeNull();
  });

  test("what is absent is absent, with its reason", () => {
    expect(other).toMatchObject({ utilization: null, power: null, memoryUsed: null, clock: null, errors: null, temperature: 71, sensor: "hotspot" });
    expect([reasonOf(other!, "power"), reasonOf(other!, "utilization"), reasonOf(other!, "memory")]).toEqual(["denied", "unsupported", null]);
    expect(reasonOf({ ...other!, isUp: false }, "power")).toBe("down");
    expect(isEstimated({ ...other!, fields: new Map([["power", "estimated"]]) }, "power")).toBe(true);
  });

  test("colours of shares mean the same every day, those of power end at the highest limit", () => {
    expect(endsOf([hot!], "utilization")).toEqual({ low: 0, high: 1 });
    expect(endsOf([hot!, other!], "power")).toEqual({ low: 0, high: 700 });
    expect(endsOf([], "power")).toEqual({ low: 0, high: 1 });
  });

  test("a selector quotes what it is given", () => expect(selectorOf({ ...hot!, host: 'a"b' })).toBe('host="a\\"b",index="3",uuid="GPU-3",partition=""'));

  test("no column asks for an average", () => expect(union(columns(900))).not.toContain("avg"));
});

describe("hosts", () => {
  const sample = (column: string, labels: Record<string, string>, value: number) => ({ column, labels, value });
  const at = { instance: "node-7:9100", job: "node" };

  test("are told apart by their labels; this machine has none", () => {
    const hosts = hostsOf([
      sample("uname", { nodename: "here", release: "6.1" }, 1),
      sample("cpus", {}, 4),
      sample("uname", { ...at, nodename: "node-7" }, 1),
      sample("cpus", at, 8),
      sample("cpu", at, 0),
      sample("temperature", { instance: "stray:1" }, 20),
    ]);
    expect(hosts.map(({ name, cpus, key }) => [name, cpus, key])).toEqual([["here", 4, ""], ["node-7", 8, "node node-7:9100"]]);
    expect(hosts[1]?.values).toMatchObject({ cpu: 0, memory: null, temperature: null });
    expect(hostKey(at)).toBe(hosts[1]?.key);
  });

  test("one without a name goes by its address", () => expect(hostsOf([sample("cpus", at, 8)])[0]?.name).toBe("node-7"));

  test("every metric is asked for by machine", () => {
    for (const query of Object.values(hostColumns()).filter((query) => query.includes("("))) expect(query).toContain("by (instance, job)");
  });
});
