import { afterEach, describe, expect, test } from "vitest";
import { axisLabel, fieldOf, format, lasting, lengthOf, timeOf, when } from "./format";
import { readBlocks } from "./live.svelte";
import { fill, partsOf, say, setLanguage, setZone } from "./prefs.svelte";

describe("format", () => {
  test.each([
    [null, "count", "–"],
    [NaN, "ratio", "–"],
    [0.5, "ratio", "50%"],
    [12.345, "per_second", "12.3/s"],
    [1536, "bytes", "1.50 KiB"],
    [3 * 2 ** 30, "bytes", "3 GiB"],
    [1536, "bytes_per_second", "1.54 kB/s"],
    [125e6, "bytes_per_second", "125 MB/s"],
    [0.061, "milliseconds", "0.06 ms"],
    [5_000, "milliseconds", "5 s"],
    [1234.5, "count", "1,235"],
    [412, "watts", "412 W"],
    [2_350, "watts", "2.35 kW"],
    [61.04, "celsius", "61 °C"],
    [1.98e9, "hertz", "1.98 GHz"],
  ] as const)("%s as %s", (value, unit, expected) => {
    expect(format(value, unit)).toBe(expected);
  });

  test.each([
    [2.5, "seconds", null, "2.5 s"],
    [0, "seconds", null, "0"],
    [0.1, "seconds", [1], "100 ms"],
    [0.2, "seconds", [1], ""],
    [0.2, "seconds", [1, 2, 5], "200 ms"],
    [7_500, "per_second", null, "7.5k"],
    [0.25, "ratio", null, "25%"],
  ] as const)("%s as a mark of %s", (value, unit, first, expected) => {
    expect(axisLabel(value, unit, first ? [...first] : null)).toBe(expected);
  });

  test("lengths of time are words", () => {
    expect([900, 5_400, 86_400, 90].map(lengthOf)).toEqual(["15 mins", "90 mins", "1 day", "90 secs"]);
  });

  test.each([[0, "0 secs"], [250, "250 ms"], [45_000, "45 secs"], [125_000, "2 mins 5 secs"], [23 * 60_000 + 6_000, "23 mins"], [3_600_000, "1 hr"], [11_520_000, "3 hrs 12 mins"], [26 * 3_600_000, "1 day 2 hrs"], [604_800_000, "7 days"], [-5, "0 secs"]])("%i ms are %s", (ms, expected) => expect(lasting(ms)).toBe(expected));

  test("a time of another day has its date", () => {
    const noon = new Date(2026, 10, 24, 12, 0, 5).getTime();
    expect(when(noon, noon)).toBe("12:00:05");
    expect(when(noon, noon + 48 * 3_600_000)).toContain("24");
  });
});

describe("the time in a field is the reader's", () => {
  afterEach(() => setZone(""));

  test.each([
    ["Europe/Berlin", "2026-11-24T12:00:05", "2026-11-24T11:00:05Z"],
    ["Asia/Shanghai", "2026-11-24T00:30:00", "2026-11-23T16:30:00Z"],
    ["Asia/Kathmandu", "2026-11-24T12:00:00", "2026-11-24T06:15:00Z"],
    ["Europe/Berlin", "2026-03-29T01:59:59", "2026-03-29T00:59:59Z"],
    ["Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29T01:00:00Z"],
    ["Europe/Berlin", "2026-10-25T01:59:59", "2026-10-24T23:59:59Z"],
    ["Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25T02:00:00Z"],
  ])("%s %s", (zone, field, utc) => {
    setZone(zone);
    expect(timeOf(field)).toBe(Date.parse(utc));
    expect(fieldOf(Date.parse(utc))).toBe(field);
  });

  test("a time that the clock leaves out is later, of one that comes twice it is the first; what is none is none", () => {
    setZone("Europe/Berlin");
    expect(timeOf("2026-03-29T02:30")).toBe(Date.parse("2026-03-29T01:30Z"));
    expect(timeOf("2026-10-25T02:30")).toBe(Date.parse("2026-10-25T00:30Z"));
    expect(timeOf("")).toBeNaN();
  });
});

describe("blocks", () => {
  function block(id: number, gen: number, time: number, values: number[]): number[] {
    const bytes = new ArrayBuffer(20 + 4 * values.length);
    const view = new DataView(bytes);
    view.setUint8(0, 1);
    view.setUint32(4, id, true);
    view.setUint32(8, gen, true);
    view.setBigInt64(12, BigInt(time), true);
    values.forEach((value, index) => view.setFloat32(20 + 4 * index, value, true));
    return [...new Uint8Array(bytes)];
  }

  test("are read until one is unknown", () => {
    const bytes = [block(1, 1, 5, [1, NaN]), block(2, 9, 5, [3]), block(1, 1, 6, [4, 5])].flat();
    const schemas = new Map([
      [1, { gen: 1, series: [{ a: "x" }, { a: "y" }] }],
      [2, { gen: 1, series: [{}] }],
    ]);
    const seen: unknown[] = [];
    readBlocks(new Uint8Array(bytes).buffer, (id) => schemas.get(id), (id, time, values) =>
      seen.push([id, time, values.map((entry) => entry.value)]),
    );
    expect(seen).toEqual([[1, 5, [1, null]]]);
  });

  test("that are cut off are ignored", () => {
    const bytes = new Uint8Array(block(1, 1, 5, [1])).slice(0, 22);
    readBlocks(bytes.buffer, () => ({ gen: 1, series: [{}] }), () => expect.unreachable());
  });
});

describe("texts", () => {
  test("what comes from outside is marked as English where the reader's language is another", () => {
    const message = { code: "failure.absent", params: { detail: "no such file" } };
    expect(partsOf(message).map(({ isEnglish }) => isEnglish)).toEqual([false, false, false]);
    setLanguage("zh");
    expect(partsOf(message).filter(({ isEnglish }) => isEnglish).map(({ text }) => text)).toEqual(["no such file"]);
    expect(partsOf(message).map(({ text }) => text).join("")).toBe(say(message));
    setLanguage("en");
  });

  test("details of failures are said in Chinese where there is any", () => {
    const said = (detail: string) => say({ code: "failure.absent", params: { detail } });
    expect(said("MTML lists no device")).toContain("MTML lists no device");
    setLanguage("zh");
    expect(said("MTML lists no device")).toContain("MTML 未列出任何设备");
    expect(said("/proc/x: No such file or directory (os error 2)")).toContain("/proc/x：文件或目录不存在（os error 2）");
    expect(said('key "a" is already in line 5')).toContain('键 "a" 已在第 5 行出现');
    expect(said("something else")).toContain("something else");
    setLanguage("en");
  });

  test("parameters that are missing show", () => {
    expect(fill("{a} and {b}", { a: 1 })).toBe("1 and ?");
  });
});
