import { describe, expect, test } from "vitest";
import { samplesOf } from "../cluster/ask";
import { ENGINES, track } from "../cluster/fixtures";
import { bestTrack, chartQueries } from "./charts";
import { changesOf, flagsOf, settingsOf, setupsOf, words } from "./config";
import { eventsOf, lifeOf } from "./life";
import { columns, perToken, rowsOf } from "./rows";

describe("rows", () => {
  const rows = rowsOf(samplesOf(ENGINES));
  const row = (model: string) => rows.find((candidate) => candidate.model === model);

  test("one for each model of each server", () => expect(rows.map(({ key }) => key)).toEqual(["node-1:8000 qwen", "node-3:30000 r1", "node-1:8000 second"]));

  test("what is known of the server is known of each of its models", () => {
    expect(row("second")).toMatchObject({ version: "0.33.0", state: "unloaded", restarts: 1, pid: "7" });
    expect(row("second")?.figures.ttft).toBeNull();
    expect(row("r1")).toMatchObject({ state: "down", engine: "sglang", restarts: null });
  });

  test("a number is from the best source, a zero is a number, and what is none is absent", () => {
    expect(row("qwen")?.figures.ttft).toEqual({ value: 0.38, source: "engine", others: [{ source: "gateway", value: 0.41 }, { source: "wire", value: 0.5 }] });
    expect(row("qwen")?.figures.running?.value).toBe(0);
    expect(row("qwen")?.figures.prefix).toBeNull();
    expect(perToken(row("qwen")!)?.name).toBe("itl");
    expect(perToken(row("r1")!)).toBeNull();
  });

  test("no query mixes sources or engines", () => {
    for (const query of Object.values(columns(900)).filter((query) => query.includes("sum"))) expect(query).toContain("engine, model, instance, source");
    expect(Object.values(columns(900, 'a"b')).every((query) => query.includes('{instance="a\\"b"}') || query.includes('instance="a\\"b"'))).toBe(true);
  });

  test("series without a model belong to every model of the server", () => {
    expect(chartQueries({ instance: "a:1", model: "m.1" }).running).toBe('llm_requests_running{instance="a:1",model=~"m\\\\.1|"}');
    expect(chartQueries({ instance: "a:1", model: "" }).running).toBe('llm_requests_running{instance="a:1"}');
  });

  test("of several series the one from the best source that has a value", () => {
    const tracks = [track({ source: "wire" }, [[1, 3]]), track({ source: "engine" }, [[1, null]]), track({ source: "gateway" }, [[1, 2]])];
    expect(bestTrack(tracks)?.labels.source).toBe("gateway");
    expect(bestTrack([])).toBeNull();
  });
});

describe("configuration", () => {
  test.each([
    ["", []],
    ["--a 1  -b", ["--a", "1", "-b"]],
    ["--a 'x y' --b=\"c d\"", ["--a", "x y", "--b=c d"]],
    ["--open 'never", ["--open", "never"]],
  ])("words of %s", (line, expected) => expect(words(line)).toEqual(expected));

  test("flags and what each was given", () => {
    expect([...flagsOf("serve --model m --tp=2 --eager --lora a=x --lora b --temp -0.5")]).toEqual([
      ["", "serve"], ["--model", "m"], ["--tp", "2"], ["--eager", ""], ["--lora", "a=x b"], ["--temp", "-0.5"],
    ]);
  });

  test("differences are told flag by flag", () => {
    const old = { instance: "a", dtype: "bf16", flags: "--max-num-seqs 128 --eager" };
    const fresh = { instance: "b", dtype: "fp8", context_tokens: "4096", flags: "--max-num-seqs 256 --prefix" };
    expect(changesOf(old, fresh)).toEqual([
      { name: "context_tokens", old: null, new: "4096" },
      { name: "dtype", old: "bf16", new: "fp8" },
      { name: "--eager", old: "", new: null },
      { name: "--max-num-seqs", old: "128", new: "256" },
      { name: "--prefix", old: null, new: "" },
    ]);
    expect(changesOf(old, { ...old, instance: "c" })).toEqual([]);
  });

  test("settings follow one another; the same again is no change", () => {
    const setups = setupsOf([
      track({ flags: "--b" }, [[300, 1], [400, 1]]),
      track({ flags: "--a" }, [[100, 1], [200, 1], [500, null]]),
      track({ flags: "--b", pid: "" }, []),
    ]);
    expect(setups.map(({ start, end, labels }) => [start, end, labels.flags])).toEqual([[100, 200, "--a"], [300, 400, "--b"]]);
  });

  test("are read one by one", () => expect(settingsOf({ __name__: "x", dtype: "bf16", device: "", flags: "--a 1" })).toEqual([{ name: "dtype", value: "bf16" }, { name: "--a", value: "1" }]));
});

describe("life", () => {
  const up = [track({}, [[0, 1], [10_000, 1], [20_000, 0], [30_000, 0], [40_000, 1], [50_000, 1]])];
  const short = (segments: { start: number; end: number; state: string }[]) => segments.map(({ start, end, state }) => `${start / 1_000}-${end / 1_000} ${state}`);

  test("while a process starts its engine is not down", () => {
    expect(short(lifeOf(up, [], [], [], 10_000))).toEqual(["0-20 ready", "20-40 down", "40-60 ready"]);
    const started = [track({}, [[0, -100], [40_000, 21]])];
    expect(short(lifeOf(up, [], started, [], 10_000))).toEqual(["0-20 ready", "21-40 starting", "40-60 ready"]);
  });

  test("hanging and loading are states of their own", () => {
    const event = { time: 15_000, source: "engine a:1", severity: "info", code: "event.model_loaded", params: { seconds: "5" } };
    expect(short(lifeOf(up, [track({}, [[50_000, 9]])], [], [event], 10_000))).toEqual(["0-10 ready", "10-15 loading", "15-20 ready", "20-40 down", "40-50 ready", "50-60 hung"]);
  });

  test("events are told by the engine's address", () => {
    const event = (source: string, url: string) => ({ time: 1, source, severity: "info", code: "x", params: { url } });
    const all = [event("engine a:1", ""), event("x", "http://a:1/"), event("x", "http://a:12")];
    expect(eventsOf(all, "a:1")).toEqual(all.slice(0, 2));
  });
});
