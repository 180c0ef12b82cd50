import { afterEach, describe, expect, test, vi } from "vitest";
import { offending, withCondition } from "../filter/terms";
import { setLanguage, setZone } from "../prefs.svelte";
import { address, logsAt, permalink, read } from "./address";
import { exportPath, type Line, type Severity } from "./ask";
import { isSearchable, narrowed, proposals, severitiesOf, sought, withoutSeverities, withSeverity } from "./filter";
import { columnsFor, countsAt, highest, layersOf, pathsOf } from "./histogram";
import { List, LIVE_ROWS_MAX, PAGE, rowsOf, unknownOf } from "./list.svelte";
import { finder, folded, pieces, visible } from "./marks";
import { conditionOf, piecesOf } from "./patterns";
import { heightOf, indexAt, seen, topOf } from "./rows";
import { heardIn } from "./tail.svelte";
import { gravity, levelsOf, nameField, severityName, shortName, timeOf } from "./words";

const line = (change: Partial<Line> = {}): Line => ({ id: "1", time: 1_000, body: "a", ...change });
const fresh = (change: Partial<Line> = {}): Line => ({ time: 1_000, body: "a", origin: "x", ...change });

describe("address", () => {
  test.each([
    ["#/logs", { filter: "", view: "lines", opened: null }],
    ["#/logs?filter=a+%22b+c%22&view=patterns", { filter: 'a "b c"', view: "patterns", opened: null }],
    ["#/logs?range=1h&id=7&time=1795520040123", { filter: "", view: "lines", opened: { id: "7", time: 1795520040123 } }],
    ["#/logs?view=pie&id=7&time=x", { filter: "", view: "lines", opened: null }],
    [`#/logs?id=${"9".repeat(80)}&time=1`, { filter: "", view: "lines", opened: null }],
  ])("%s is read", (hash, expected) => expect(read(hash)).toEqual(expected));

  test("what changes leaves the range and the rest alone", () => {
    const hash = "#/logs?range=6h&filter=x&id=1&time=2";
    expect(address(hash, { filter: " severity:error " })).toBe("#/logs?range=6h&filter=severity%3Aerror&id=1&time=2");
    expect(address(hash, { opened: null, view: "findings" })).toBe("#/logs?range=6h&filter=x&view=findings");
    expect(address(hash, { filter: "" })).toBe("#/logs?range=6h&id=1&time=2");
    expect(read(`#/logs?filter=${"x".repeat(9_000)}`).filter).toHaveLength(4_096);
  });

  test("a link to a line stays true while time goes on", () => {
    expect(permalink("#/logs?range=6h&filter=x&view=findings&at=3", null, { id: "7", time: 1_000_000 })).toBe("#/logs?filter=x&from=700000&to=1300000&id=7&time=1000000");
    expect(permalink("#/logs?from=1&to=99999", { start: 1, end: 99999 }, { id: "7", time: 50 })).toBe("#/logs?from=1&to=99999&id=7&time=50");
    expect(logsAt("a b", { start: 1.5, end: 2.5 })).toBe("#/logs?filter=a+b&from=1&to=3");
  });

  test("a file is of the whole question", () => {
    expect(exportPath({ filter: "a&b", start: 1.2, end: 2.2 }, "csv")).toBe("/api/mw/v1/logs/export?filter=a%26b&start=1&end=3&format=csv");
  });
});

describe("filter", () => {
  const facets = [{ field: "host", values: [{ value: "node 1", count: 2 }, { value: "node-2", count: 1 }, { value: null, count: 9 }], others: 0 }];
  const texts = (filter: string) => proposals(filter, filter.length, facets).map(({ text }) => text);

  test("proposes fields, then values that there are", () => {
    expect(texts("x se")).toEqual(["severity:", "service:"]);
    expect(texts("-ho")).toEqual(["-host:"]);
    expect(texts("host:")).toEqual(['host:"node 1" ', "host:node-2 "]);
    expect(texts("(severity:f")).toEqual(["severity:fatal ", "severity:info "]);
    expect(texts("nothing:")).toEqual([]);
  });

  test.each<[string, string, string | null, boolean, string]>([
    ["", "host", "a", false, "host:a"],
    ["x host:b", "host", "a", false, "x host:a"],
    ["x", "host", null, false, "x -host:*"],
    ["-host:*", "host", null, true, "host:*"],
    ["x", "host", "a", true, "x -host:a"],
    ["", "origin", "/var/log/a.log", false, 'origin:"/var/log/a.log"'],
    ["a or b", "host", "c", false, "(a or b) host:c"],
  ])("%s narrowed to %s %s, excluded %s", (filter, field, value, isExcluded, expected) => {
    expect(narrowed(filter, field, value, isExcluded)).toBe(expected);
  });

  test.each<[string, Severity, string, Severity[]]>([
    ["", "error", "severity:error", ["error"]],
    ["x severity:error", "warn", "x severity:(error OR warn)", ["error", "warn"]],
    ["severity:(fatal OR warn OR error) x", "warn", "x severity:(fatal OR error)", ["fatal", "error"]],
    ["severity:warn x", "warn", "x", []],
    ["a or b", "error", "(a or b) severity:error", ["error"]],
  ])("%s with the chip %s is %s", (filter, severity, expected, chosen) => {
    expect(withSeverity(filter, severity)).toBe(expected);
    expect(severitiesOf(expected)).toEqual(chosen);
  });

  test("what chips did not write is left to its writer", () => {
    expect(severitiesOf("not severity:error")).toEqual([]);
    expect(severitiesOf("severity:e*")).toEqual([]);
    expect(withoutSeverities('severity:(error OR fatal) "a b"')).toBe('"a b"');
    expect(withoutSeverities("-severity:error")).toBe("-severity:error");
  });

  test.each<[string, string[]]>([
    ['out "of memory" host:a', ["out", "of memory"]],
    ["a -b not c AND d", ["a", "d"]],
    ["(timeout OR 超时) -(x y)", ["timeout", "超时"]],
    ['body:"a b" body:c*', ["a b", "c"]],
    ["body:/Xid .*: \\d+/ /a b/", ["/Xid .*: \\d+/", "/a b/"]],
    ["severity:error pattern:x", []],
    ["*", []],
    ["", []],
  ])("%s is looked for as %j", (filter, expected) => {
    expect(sought(filter).map(({ source, isExpression }) => (isExpression ? `/${source}/` : source))).toEqual(expected);
  });

  test("attributes with sensible names can be searched for", () => {
    expect(["http.response.status_code", "a/b", "模型"].every(isSearchable)).toBe(true);
    expect(["a b", 'x"', "", "a:b"].some(isSearchable)).toBe(false);
  });

  test("the place that is not understood is shown", () => {
    expect(offending("a (b", "3")).toEqual({ before: "a ", at: "(", after: "b" });
    expect(offending("😀(x", 2)).toEqual({ before: "😀", at: "(", after: "x" });
    expect(offending("ab", 3)).toEqual({ before: "ab", at: " ", after: "" });
    expect(offending("x".repeat(90), 60)).toMatchObject({ before: `…${"x".repeat(24)}`, after: `${"x".repeat(24)}…` });
    expect([offending("ab", undefined), offending("", 1), offending("a", "soon")]).toEqual([null, null, null]);
  });
});

describe("bodies", () => {
  const marked = (text: string, filter: string) => pieces(text, finder(sought(filter))).map(({ text, kind }) => (kind === "mark" ? `[${text}]` : kind === "control" ? `{${text}}` : text)).join("");

  test.each([
    ["CUDA Out of  Memory", '"out of memory"', "CUDA [Out of  Memory]"],
    ["a.b aXb", "a.b", "[a.b] aXb"],
    ["Xid 79: gone", "/Xid \\d+/", "[Xid 79]: gone"],
    ["请求处理超时", "超时", "请求处理[超时]"],
    ["nothing", "", "nothing"],
    ["broken (", "/(/ broken", "[broken] ("],
    ["<img src=x>", "img", "<[img] src=x>"],
    ["\u001b[31mred\u0007", "red", "{\\x1b}[31m[red]{\\x07}"],
    ["a\tb\r\n\u202ec", "b", "a\t[b]{\\x0d}\n{\\u202e}c"],
  ])("%j with %s is %s", (text, filter, expected) => expect(marked(text, filter)).toBe(expected));

  test("nothing of a text is lost, whatever it is", () => {
    for (const text of ["", "\u0000", "a".repeat(20_000), "\ud800x", "🙂 ok"]) {
      expect(pieces(text, /a|x/giu).map((piece) => piece.text).join("")).toBe(visible(text));
    }
  });

  test("an expression that a browser could think about for ever is not tried", () => {
    expect(finder(sought("/(a+)+$/"))).toBeNull();
    expect(finder(sought("/(?P<x>a)/"))).toBeNull();
  });

  test.each([
    ["one", null, { first: "one", more: 0 }],
    ["one\n", null, { first: "one", more: 0 }],
    ["\n  one\ntwo\nthree", null, { first: "one", more: 2 }],
    ["Traceback (most recent call last):\r\n  File x\r\nOSError: full", "full", { first: "Traceback (most recent call last): … OSError: full", more: 2 }],
    ["full\nfull", "full", { first: "full", more: 1 }],
    ["", null, { first: "", more: 0 }],
  ])("%j in one row", (body, wanted, expected) => {
    expect(folded(body, wanted === null ? null : finder(sought(wanted)))).toEqual(expected);
  });
});

describe("patterns", () => {
  test.each([
    ["took <*> ms", "took\\ *\\ ms"],
    ["<*>", "*"],
    ['GET "/x*" (<*>)', 'GET\\ \\"\\/x\\*\\"\\ \\(*\\)'],
    ["a".repeat(2_000), `${"a".repeat(1_000)}*`],
  ])("%s is found by %s", (pattern, expected) => expect(conditionOf(pattern, "one line")).toBe(expected));

  test("of several lines the first is found", () => {
    expect(conditionOf("fatal error <*> in x Traceback (most recent", "fatal error 7 in x\nTraceback (most recent")).toBe("fatal\\ error\\ *\\ in\\ x*");
  });

  test("one with too many holes is cut", () => {
    const condition = conditionOf(Array.from({ length: 20 }, (_, at) => `k${at}=<*>`).join(" "), "k0=1");
    expect(condition.split("*").length - 1).toBeLessThanOrEqual(8);
    expect(condition.endsWith("*")).toBe(true);
    expect(withCondition("host:a", "pattern", "a\\ b*")).toBe("host:a pattern:a\\ b*");
    expect(piecesOf("a <*>:<*>")).toEqual([{ text: "a ", isHole: false }, { text: "<*>", isHole: true }, { text: ":", isHole: false }, { text: "<*>", isHole: true }]);
  });
});

describe("histogram", () => {
  const found = { start: 0, step_ms: 10, series: [{ key: null, counts: [1, 0] }, { key: "info", counts: [100, 0] }, { key: "error", counts: [1, 2] }] };
  const layers = layersOf(found);
  test("the gravest are at the bottom, and what is there is seen", () => {
    expect(layers.map(({ severity }) => severity)).toEqual(["error", "info", null]);
    expect(highest(layers)).toBe(102);
    const [error] = pathsOf(layers, found, { start: 0, end: 20 }, 200, 72);
    expect(error).toBe("M0.0 72.0h99.0v-4.0h-99.0zM100.0 72.0h99.0v-4.0h-99.0z");
    expect(countsAt(layers, found, 15)).toEqual([{ severity: "error", count: 2 }]);
    expect(countsAt(layers, found, -5)).toEqual([]);
    expect(highest([])).toBe(0);
    expect([0, 700, 9_000].map(columnsFor)).toEqual([20, 100, 200]);
  });
});

describe("rows", () => {
  const layout = { count: 100, row: 20, open: 10, extra: 300 };
  test("the open one moves those below it", () => {
    expect([topOf(layout, 10), topOf(layout, 11), heightOf(layout)]).toEqual([200, 520, 2_300]);
    expect([0, 219, 220, 519, 520, 540].map((y) => indexAt(layout, y))).toEqual([0, 10, 10, 10, 11, 12]);
    expect(heightOf({ count: 1, row: 20, open: 0, extra: 5 })).toBe(25);
    expect(heightOf({ count: 0, row: 20, open: -1, extra: 0 })).toBe(0);
  });
  test("what is seen is drawn", () => {
    const { first, end } = seen({ ...layout, count: 10_000 }, 100_000, 600);
    expect(end - first).toBeLessThan(60);
    expect(first).toBeLessThan((100_000 - 300) / 20);
    expect(seen({ ...layout, count: 3, open: -1 }, 0, 600)).toEqual({ first: 0, end: 3 });
  });
});

describe("list", () => {
  afterEach(() => vi.unstubAllGlobals());
  const wanted = { start: 0, end: 9e9, filter: "x" };
  /** Stands in for the server: answers with these pages, one after the other. */
  function answering(...pages: { lines: Line[]; next?: string | null; total: number }[]): URLSearchParams[] {
    const asked: URLSearchParams[] = [];
    vi.stubGlobal("fetch", async (path: string) => {
      asked.push(new URL(path, "http://x").searchParams);
      return Response.json({ next: null, damaged: 0, ...pages[asked.length - 1] });
    });
    return asked;
  }

  test("loads, and goes on where it was", async () => {
    const asked = answering({ lines: [line({ id: "3", time: 3 }), line({ id: "2", time: 2 })], next: "c", total: 3 }, { lines: [line({ id: "2", time: 2 }), line({ id: "1" })], total: 3 });
    const list = new List();
    await list.load(wanted);
    await list.more();
    expect(list.rows.map(({ id }) => id)).toEqual(["3", "2", "1"]);
    expect(list.hasMore).toBe(false);
    expect(asked.map((one) => one.get("cursor"))).toEqual([null, "c"]);
    expect(asked[0]?.get("limit")).toBe(String(PAGE));
  });

  test("what comes while it is loading is neither lost nor shown twice", async () => {
    answering({ lines: [line({ id: "2", time: 20, body: "b", origin: "x" })], total: 1 });
    const list = new List();
    const loading = list.load(wanted);
    list.add([fresh({ time: 20, body: "b" }), fresh({ time: 30, body: "c" })], 0);
    await loading;
    expect(list.rows.map(({ body }) => body)).toEqual(["c", "b"]);
    expect(list.total).toBe(2);
    list.add([fresh({ time: 30, body: "c" }), fresh({ time: 40, body: "d" })], 7);
    expect(list.rows.map(({ body }) => body)).toEqual(["d", "c", "b"]);
    expect([list.total, list.skipped]).toEqual([10, 7]);
    expect(new Set(list.rows.map(({ key }) => key)).size).toBe(3);
  });

  test("what came while nobody listened is caught up with", async () => {
    const asked = answering(
      { lines: [line({ id: "2", time: 20 })], next: "c", total: 9 },
      { lines: [line({ id: "4", time: 40 }), line({ id: "3", time: 30, body: "c", origin: "x" }), line({ id: "2", time: 20 })], next: "d", total: 11 },
      { lines: [line({ id: "1", time: 10 })], total: 11 },
    );
    const list = new List();
    await list.load(wanted);
    list.add([fresh({ time: 30, body: "c" })], 0);
    await list.catchUp({ ...wanted, end: 9e10 });
    expect(list.rows.map(({ time }) => time)).toEqual([40, 30, 20]);
    expect([list.total, list.searches]).toEqual([11, 1]);
    await list.more();
    expect(asked[2]?.get("cursor")).toBe("c");
    expect(list.rows.at(-1)?.id).toBe("1");
  });

  test("it waits with that for what it is loading", async () => {
    const asked = answering({ lines: [line({ id: "2", time: 20 })], total: 1 }, { lines: [line({ id: "3", time: 30 }), line({ id: "2", time: 20 })], total: 2 });
    const list = new List();
    const loading = list.load(wanted);
    await list.catchUp({ ...wanted, end: 9e10 });
    expect(asked).toHaveLength(1);
    await loading;
    expect([asked.length, list.rows.length, list.total]).toEqual([2, 2, 2]);
  });

  test("more than a page of it is asked for anew", async () => {
    const many = Array.from({ length: PAGE }, (_, at) => line({ id: `n${at}`, time: 9_000 - at }));
    const asked = answering({ lines: [line({ id: "2", time: 20 })], total: 1 }, { lines: many, next: "d", total: 900 }, { lines: many, next: "e", total: 900 });
    const list = new List();
    await list.load(wanted);
    await list.catchUp(wanted);
    expect([asked.length, list.rows.length, list.total, list.searches]).toEqual([3, PAGE, 900, 1]);
  });

  test("lines that come late are put where they belong", async () => {
    answering({ lines: [line({ id: "2", time: 20 })], total: 1 });
    const list = new List();
    await list.load(wanted);
    list.add([fresh({ time: 10, body: "late" }), fresh({ time: 30, body: "now" })], 0);
    expect(list.rows.map(({ time }) => time)).toEqual([30, 20, 10]);
  });

  test("it does not grow without bound, and what had to go is loaded again", async () => {
    const asked = answering({ lines: [line({ id: "2", time: 20 })], total: 1 }, { lines: [line({ id: "2", time: 20 })], total: 1 });
    const list = new List();
    await list.load(wanted);
    for (let batch = 0; batch < 30; batch += 1) list.add(Array.from({ length: 200 }, (_, at) => fresh({ time: 100 + batch * 200 + at, body: "n" })), 0);
    expect(list.rows).toHaveLength(LIVE_ROWS_MAX);
    expect(list.hasMore).toBe(true);
    const last = list.rows.at(-1)!.time;
    await list.more();
    expect([asked[1]?.get("end"), asked[1]?.get("cursor")]).toEqual([String(last + 1), null]);
    expect(list.rows.at(-1)?.id).toBe("2");
  });

  test("a line gets its number when it is looked at", async () => {
    answering({ lines: [], total: 0 }, { lines: [line({ id: "77", time: 5, body: "b", origin: "x" })], total: 1 });
    const list = new List();
    await list.load(wanted);
    list.add([fresh({ time: 5, body: "b" })], 0);
    const [row] = list.rows;
    await list.identify(row!);
    expect(list.rows[0]).toMatchObject({ id: "77", key: row!.key });
  });

  test("a failure keeps what was there", async () => {
    answering({ lines: [line()], total: 1 });
    const list = new List();
    await list.load(wanted);
    vi.stubGlobal("fetch", async () => { throw new TypeError("gone"); });
    await list.load(wanted);
    expect([list.rows.length, list.failure?.kind, list.isLoading]).toEqual([1, "unreachable", false]);
    list.add([fresh({ time: 2_000 })], 0);
    expect(list.rows).toHaveLength(2);
  });

  test("alike lines are told apart", () => {
    expect(new Set(rowsOf([fresh(), fresh(), fresh({ body: "b" })]).map(({ key }) => key)).size).toBe(3);
    expect(unknownOf([fresh(), fresh(), fresh()], [fresh(), fresh()])).toHaveLength(1);
    expect(unknownOf([line({ id: "5", origin: "x" }), line({ id: "6", origin: "x" })], [fresh()]).map(({ id }) => id)).toEqual(["6"]);
    expect(unknownOf([line({ id: "1" }), line({ id: "2" })], [line({ id: "1" })]).map(({ id }) => id)).toEqual(["2"]);
  });
});

describe("tail", () => {
  test.each([
    ['{"lines":[{"time":1,"body":"a"}],"skipped":3}', 1, 3],
    ['{"lines":[]}', 0, 0],
    ['{"skipped":"many","lines":7}', 0, 0],
    ["null", 0, 0],
    ["no JSON", 0, 0],
  ])("%s", (text, lines, skipped) => {
    const heard = heardIn(text);
    expect([heard.lines.length, heard.skipped]).toEqual([lines, skipped]);
  });
});

describe("words", () => {
  afterEach(() => { setLanguage("en"); setZone(""); });

  test.each<[Partial<Line>, string, string | undefined]>([
    [{ model: "Qwen/Qwen3-32B", instance: "n:8000", engine: "vllm", host: "n" }, "n:8000 Qwen3-32B", "instance"],
    [{ service: "sshd", host: "n", origin: "/var/log/auth.log" }, "n sshd", "service"],
    [{ origin: "/var/log/x.log" }, "x.log", "origin"],
    [{ source: "syslog" }, "syslog", undefined],
    [{}, "", undefined],
  ])("%j is called %s", (change, name, field) => {
    expect(shortName(line(change))).toBe(name);
    expect(nameField(line(change))?.field).toBe(field);
  });

  test("severities", () => {
    expect([severityName("warn"), severityName(null), severityName("odd")]).toEqual(["warning", "not said", "odd"]);
    setLanguage("zh");
    expect(severityName("fatal")).toBe("致命");
    expect(gravity("fatal")).toBeGreaterThan(gravity("error"));
    expect(gravity(null)).toBeLessThan(gravity("trace"));
    expect(levelsOf([{ field: "severity", values: [{ value: "info", count: 3 }, { value: null, count: 1 }], others: 0 }]).filter(({ count }) => count > 0)).toEqual([{ severity: "info", count: 3 }, { severity: null, count: 1 }]);
  });

  test("times are the reader's, to the millisecond", () => {
    setZone("Asia/Kathmandu");
    expect(timeOf(Date.UTC(2026, 10, 24, 6, 15, 0, 7))).toBe("12:00:00.007");
    expect(timeOf(Date.UTC(2020, 0, 2, 6, 15, 0, 7), true)).toMatch(/2.*12:00:00\.007$/);
  });
});
