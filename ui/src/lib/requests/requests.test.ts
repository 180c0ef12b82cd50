import { afterEach, describe, expect, test, vi } from "vitest";
import { whyOf, type Failure } from "../failure";
import { quoted, terms, withTerm, wordAt } from "../filter/terms";
import { requestTexts } from "../i18n/requests";
import { address, read, spanNow, USUAL, type Asked } from "./address";
import { ask, type Exchange, type HeatMap } from "./ask";
import { FIELDS, proposals } from "./filter";
import { compare, List, merge, PAGE, ROWS_MAX, type Sort } from "./list.svelte";
import { boundsOf, filledRange, logMarks, nearest, placeOf, pointsOf, rangeOf } from "./picture";
import { setLanguage } from "../prefs.svelte";
import { scrolledTo, visible } from "./rows";
import { shares, ticks, waterfall } from "./waterfall";
import { count, isClientBound, isSubstituted, millis, outcomeName, outputTokens } from "./words";

const row = (change: Partial<Exchange> = {}): Exchange => ({ id: "a", time: 1_000, outcome: "ok", ...change });
const NEWEST: Sort = { by: "time", isDescending: true };

describe("address", () => {
  test.each<[string, Partial<Asked>]>([
    ["#/requests", {}],
    ["#/requests?q=model%3A%22a+b%22+%E6%B8%A9&range=6h&sort=-ttft&live=off&picture=heatmap&measure=e2e&by=key&id=x%2F1", {
      filter: 'model:"a b" 温', range: "6h", sort: { by: "ttft", isDescending: true }, isLive: false, picture: "heatmap", measure: "e2e", by: "key", id: "x/1",
    }],
    ["#/requests?from=1000&to=20000&sort=total", { span: { start: 1000, end: 20000 }, isLive: false, sort: { by: "total", isDescending: false } }],
  ])("%s is read and written", (hash, state) => {
    expect(read(hash)).toEqual({ ...USUAL, ...state });
    expect(address({ ...USUAL, ...state })).toBe(hash);
  });

  test.each(["#/requests?range=9y&sort=-beauty&picture=pie&measure=x&by=y&from=2&to=1&id=", "#/requests?from=x&to=7"])("%s is as if it said nothing", (hash) => {
    expect(read(hash)).toEqual(USUAL);
  });

  test("what it takes has limits", () => {
    expect(read(`#/requests?q=${"x".repeat(9_000)}`).filter).toHaveLength(4_096);
    expect(read(`#/requests?id=${"x".repeat(9_000)}`).id).toHaveLength(256);
  });

  test("a range ends now, a span where it says", () => {
    expect(spanNow({ span: null, range: "5m" }, 1e9)).toEqual({ start: 1e9 - 300_000, end: 1e9 });
    expect(spanNow({ span: { start: 1, end: 2 }, range: "5m" }, 1e9)).toEqual({ start: 1, end: 2 });
  });
});

describe("filter", () => {
  test.each([
    ["llama-3.1:8b", "llama-3.1:8b"],
    ["10.0.0.1", "10.0.0.1"],
    ["a b", '"a b"'],
    ['say "x"\\', '"say \\"x\\"\\\\"'],
    ["qwen*", '"qwen*"'],
    ["not", '"not"'],
    ["-x", '"-x"'],
    ["", '""'],
    ["模型", "模型"],
  ])("%s is written as %s", (value, expected) => expect(quoted(value)).toBe(expected));

  test.each([
    ["", []],
    ["  a  b:c ", ["a", "b:c"]],
    ['x:"a b" (c or d) e', ['x:"a b"', "(c or d)", "e"]],
    ['"open (never', ['"open (never']],
    ['a:"(" b', ['a:"("', "b"]],
    ["body:/a b\\/ (c/ d", ["body:/a b\\/ (c/", "d"]],
    ["path:/v1/chat x", ["path:/v1/chat", "x"]],
  ])("%s has its terms", (filter, expected) => {
    expect(terms(filter).map(({ start, end }) => filter.slice(start, end))).toEqual(expected);
  });

  test.each([
    ["", "model", "a", false, "model:a"],
    ["slow model:b x", "model", "a", false, "slow x model:a"],
    ["model:a x", "model", "a", false, "x"],
    ["-model:a x", "model", "a", false, "x model:a"],
    ["model:a", "model", "a", true, "-model:a"],
    ["-model:a", "model", "b", true, "-model:a -model:b"],
    ["not model:b", "model", "a", false, "not model:b model:a"],
    ["model:a or model:b", "outcome", "ok", false, "(model:a or model:b) outcome:ok"],
    ["(model:a or b)", "key_name", "x y", false, '(model:a or b) key_name:"x y"'],
  ])("%s with %s %s", (filter, field, value, isExcluded, expected) => {
    expect(withTerm(filter, field, value, isExcluded)).toBe(expected);
  });

  test("proposes fields, then values", () => {
    const rows = [row({ model: "b c" }), row({ model: "b c" }), row({ model_asked: "a" }), row({ status: 429 })];
    const texts = (filter: string) => proposals(filter, filter.length, rows).map(({ text }) => text);
    expect(texts("x tt")).toEqual(["ttft_ms:"]);
    expect(texts("-out")).toEqual(["-outcome:", "-tokens_output:"]);
    expect(texts("model:")).toEqual(['model:"b c" ', "model:a "]);
    expect(texts("(outcome:tim")).toEqual(["outcome:timeout "]);
    expect(texts("status:")).toEqual(["status:429 "]);
    expect(texts("ttft_ms:")).toEqual([]);
    expect(texts("nothing:")).toEqual([]);
    expect(texts("")).toHaveLength(10);
    expect(wordAt("ab cd", 4)).toEqual({ start: 3, end: 4, text: "c" });
  });

  test("each field has its meaning", () => {
    for (const field of FIELDS) expect(requestTexts[`field_${field}`].en).not.toBe("");
  });
});

describe("order", () => {
  const rows = [row({ id: "n" }), row({ id: "s", ttft_ms: 5 }), row({ id: "l", ttft_ms: 50 }), row({ id: "z", ttft_ms: 0 })];
  test.each<[boolean, string]>([[true, "lszn"], [false, "zsln"]])("what is not known is last, descending %s", (isDescending, expected) => {
    expect([...rows].sort((a, b) => compare(a, b, { by: "ttft", isDescending })).map(({ id }) => id).join("")).toBe(expected);
  });

  test("new rows replace what is known of them, and old ones leave", () => {
    const known = [row({ id: "c", time: 30 }), row({ id: "b", time: 20 }), row({ id: "a", time: 10 })];
    const merged = merge(known, [row({ id: "d", time: 40 }), row({ id: "b", time: 20, status: 200 })], NEWEST, 15);
    expect(merged.map(({ id }) => id)).toEqual(["d", "c", "b"]);
    expect(merged[2]?.status).toBe(200);
  });

  test("there is a limit", () => {
    const many = Array.from({ length: ROWS_MAX + 5 }, (_, index) => row({ id: String(index), time: index }));
    expect(merge(many, [], NEWEST, 0)).toHaveLength(ROWS_MAX);
  });
});

describe("list", () => {
  afterEach(() => vi.unstubAllGlobals());
  const wanted = { start: 0, end: 9e9, filter: "x" };
  const many = (from: number, length: number) => Array.from({ length }, (_, index) => row({ id: String(from - index), time: from - index }));

  /** A stand-in for the server: answers in turn, and says what it was asked. */
  function answers(...pages: [number, unknown][]): URLSearchParams[] {
    const asked: URLSearchParams[] = [];
    vi.stubGlobal("fetch", async (path: string) => {
      asked.push(new URL(path, "http://x").searchParams);
      const [status, body] = pages.shift() ?? [500, null];
      return new Response(JSON.stringify(body), { status });
    });
    return asked;
  }

  test("loads page after page", async () => {
    const asked = answers([200, { requests: many(2_000, PAGE), next: "c1", total: 700 }], [200, { requests: many(1_501, 201), next: null, total: 700 }]);
    const list = new List();
    await list.load(wanted, NEWEST);
    expect([list.rows.length, list.total, list.hasMore]).toEqual([PAGE, 700, true]);
    await list.more();
    expect([list.rows.length, list.hasMore]).toEqual([700, false]);
    await list.more();
    expect(asked.map((parameters) => parameters.get("cursor"))).toEqual([null, "c1"]);
    expect(Object.fromEntries(asked[0] ?? [])).toEqual({ start: "0", end: "9000000000", filter: "x", sort: "-time", limit: String(PAGE) });
  });

  test("a poll adds to what was scrolled to, unless something lies between", async () => {
    answers(
      [200, { requests: many(2_000, PAGE), next: "c1", total: 9_000 }],
      [200, { requests: many(1_500, PAGE), next: "c2", total: 9_000 }],
      [200, { requests: many(2_003, PAGE), next: "c1", total: 9_003 }],
      [200, { requests: many(9_000, PAGE), next: "c1", total: 16_000 }],
    );
    const list = new List();
    await list.load(wanted, NEWEST);
    await list.more();
    await list.poll(wanted);
    expect([list.rows.length, list.rows[0]?.id, list.total, list.hasMore]).toEqual([1_003, "2003", 9_003, true]);
    await list.poll(wanted);
    expect([list.rows.length, list.rows[0]?.id]).toEqual([PAGE, "9000"]);
  });

  test("a glance asks for less, and only where the newest are first", async () => {
    const asked = answers(
      [200, { requests: many(2_000, 150), next: null, total: 150 }],
      [200, { requests: many(2_001, 100), next: "c1", total: 151 }],
      [200, { requests: many(2_001, 151), next: null, total: 151 }],
      [200, { requests: many(2_001, 151), next: null, total: 151 }],
    );
    const list = new List();
    await list.load(wanted, NEWEST);
    await list.poll(wanted, true);
    expect([list.rows.length, list.rows[0]?.id, list.hasMore]).toEqual([151, "2001", false]);
    await list.load(wanted, { by: "ttft", isDescending: true });
    await list.poll(wanted, true);
    expect(asked.map((parameters) => parameters.get("limit"))).toEqual(["500", "100", "500", "500"]);
  });

  test("an empty page is the last", async () => {
    answers([200, { requests: [], next: "again", total: 5 }]);
    const list = new List();
    await list.load(wanted, NEWEST);
    expect(list.hasMore).toBe(false);
  });

  test("what the server does not understand is said, and what was there stays", async () => {
    answers([200, { requests: many(9, 2), next: null, total: 2 }], [400, { error: "there is no field x" }], [200, { requests: [], next: null, total: 0 }]);
    const list = new List();
    await list.load(wanted, NEWEST);
    await list.load(wanted, NEWEST);
    expect([list.failure?.kind, list.failure?.message, list.rows.length]).toEqual(["server", "there is no field x", 2]);
    await list.load(wanted, NEWEST);
    expect([list.failure, list.rows.length]).toEqual([null, 0]);
  });

  test("only the last question counts", async () => {
    const waiting: ((answer: Response) => void)[] = [];
    vi.stubGlobal("fetch", () => new Promise<Response>((resolve) => waiting.push(resolve)));
    const list = new List();
    const [first, second] = [list.load(wanted, NEWEST), list.load(wanted, NEWEST)];
    const answer = (id: string) => new Response(JSON.stringify({ requests: [row({ id })], next: null, total: 1 }));
    waiting[1]?.(answer("new"));
    await second;
    waiting[0]?.(answer("old"));
    await first;
    expect([list.rows[0]?.id, list.isLoading, list.failure]).toEqual(["new", false, null]);
  });

  test("a filter that is not understood is explained in the reader's language", async () => {
    const told = { error: "there is no field x, at character 1 of the filter", code: "filter.unknown_field", params: { field: "x", at: "1" } };
    const failure = async (body: unknown) => {
      answers([400, body]);
      return (await ask("requests", {}).catch((error: unknown) => error)) as Failure;
    };
    setLanguage("zh");
    expect(whyOf(await failure(told))).toBe("没有字段 x（筛选条件第 1 个字符）");
    expect(whyOf(await failure({ ...told, code: "filter.of_tomorrow" }))).toBe(told.error);
    setLanguage("en");
    expect(whyOf(await failure({ error: "no code" }))).toBe("no code");
  });

  test.each<[number, unknown, Failure["kind"]]>([[404, { error: "no" }, "missing"], [503, null, "server"], [200, null, "unreadable"]])("status %s is a failure", async (status, body, kind) => {
    answers([status, body]);
    await expect(ask("gateway", { a: null, b: "" })).rejects.toMatchObject({ kind });
  });
});

describe("waterfall", () => {
  const full = row({
    request_read_ms: 2, queued_ms: 1, connect_ms: 3, headers_ms: 10, ttft_ms: 100, e2e_ms: 500, total_ms: 520, client_blocked_ms: 40,
    engine_load_ms: 5, engine_prefill_ms: 80, engine_tpot_ms: 10, tokens_output: 41, tpot_ms: 10,
  });
  const spans = (phases: ReturnType<typeof waterfall>["phases"]) => Object.fromEntries(phases.map(({ name, span }) => [name, span && [span.start, span.end]]));

  test("phases follow one another", () => {
    const drawn = waterfall(full);
    expect(spans(drawn.phases)).toEqual({
      phase_request_read: [-2, 0], phase_queued: [0, 1], phase_connect: [1, 4], phase_headers: [4, 10], phase_prefill: [10, 100],
      phase_decode: [100, 500], phase_rest: [500, 520], phase_client_blocked: [10, 50],
    });
    expect(spans(drawn.engine)).toEqual({ phase_engine_load: [4, 9], phase_engine_prefill: [9, 89], phase_engine_decode: [89, 489] });
    expect([drawn.start, drawn.end, drawn.ttft]).toEqual([-2, 520, 100]);
  });

  test("what is not known has no span, and an open connection is no time", () => {
    const drawn = waterfall(row({ queued_ms: 1, headers_ms: 10, total_ms: 30, client_blocked_ms: 0 }));
    expect(spans(drawn.phases)).toEqual({ phase_request_read: null, phase_queued: [0, 1], phase_connect: null, phase_headers: [1, 10], phase_answer: [10, 30] });
    expect(drawn.phases[2]?.note).toBe("reused");
    expect(drawn.engine).toEqual([]);
    expect(drawn.ttft).toBeNull();
  });

  test("one that was refused has nothing but its arrival", () => {
    expect(spans(waterfall(row({ outcome: "refused", total_ms: 0.4 })).phases)).toEqual({ phase_request_read: null, phase_queued: null });
    expect(shares(row({ outcome: "refused", total_ms: 0.4 }))).toEqual([]);
  });

  test("shares fill the bar", () => {
    const parts = shares({ ...full, client_blocked_ms: 0 });
    expect(parts.map(({ hue }) => hue)).toEqual(["queue", "connect", "wait", "prefill", "decode", "rest"]);
    expect(parts.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
  });

  test.each([[0, 10, [0, 5, 10]], [-3, 100, [0, 50, 100]], [0, 0, [0]], [0, 0.7, [0, 0.2, 0.4, 0.6]]])("marks from %s to %s", (start, end, expected) => {
    expect(ticks(start, end).map((mark) => Number(mark.toPrecision(6)))).toEqual(expected);
  });
});

describe("picture", () => {
  test("points are requests that have the measure, in the span", () => {
    const rows = [row({ ttft_ms: 5 }), row({ ttft_ms: null }), row({}), row({ ttft_ms: 7, time: 9_000 }), row({ ttft_ms: 0 })];
    expect(pointsOf(rows, "ttft", { start: 0, end: 2_000 }).map(({ value }) => value)).toEqual([5]);
  });

  test("an axis has room around its values", () => {
    const { low, high } = rangeOf([100, 1_000]);
    expect(low).toBeLessThan(100);
    expect(high).toBeGreaterThan(1_000);
    expect(placeOf(low, { low, high })).toBe(0);
    expect(placeOf(high, { low, high })).toBeCloseTo(1);
    const one = rangeOf([50]);
    expect(one.high / one.low).toBeCloseTo(10);
    expect(rangeOf([])).toEqual({ low: 1, high: 10_000 });
  });

  test.each([
    [{ low: 50, high: 600 }, 8, [50, 100, 200, 500]],
    [{ low: 8, high: 40_000 }, 8, [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000]],
    [{ low: 1, high: 1e6 }, 7, [1, 10, 100, 1_000, 1e4, 1e5, 1e6]],
  ])("marks of %o", (range, most, expected) => expect(logMarks(range, most)).toEqual(expected));

  test("the nearest point is found, if one is near", () => {
    const points = pointsOf([row({ id: "a", total_ms: 10 }), row({ id: "b", total_ms: 20 })], "total", { start: 0, end: 2_000 });
    const placed = ({ value }: { value: number }): [number, number] => [0, value];
    expect(nearest(points, 0, 18, placed, 5)?.row.id).toBe("b");
    expect(nearest(points, 40, 18, placed, 5)).toBeNull();
  });

  const map: HeatMap = { measure: "ttft", start: 0, step_ms: 10, bounds_ms: [1, 2, 4, 8], counts: [[0, 0, 1, 0], [0, 3, 0, 0]] };
  test("cells have two ends and only full ones count", () => {
    expect(boundsOf(map, 0)).toEqual({ low: 0.5, high: 1 });
    expect(boundsOf(map, 2)).toEqual({ low: 2, high: 4 });
    const range = filledRange(map);
    expect(range?.low).toBeLessThan(1);
    expect(range?.high).toBeGreaterThan(4);
    expect(filledRange({ ...map, counts: [[0, 0, 0, 0]] })).toBeNull();
  });
});

describe("rows", () => {
  test("only those in sight are made", () => {
    expect(visible(10_000, 30_000, 600, 30)).toEqual({ first: 988, end: 1_032 });
    expect(visible(3, 0, 600, 30)).toEqual({ first: 0, end: 3 });
    expect(visible(0, 500, 600, 30)).toEqual({ first: 0, end: 0 });
    // The list became shorter than what was scrolled to.
    expect(visible(10, 90_000, 600, 30)).toEqual({ first: 10, end: 10 });
  });

  test.each([[0, 300, 0], [5, 100, 100], [20, 0, 330], [10, 100, 100]])("row %s from %s", (index, scrolled, expected) => {
    expect(scrolledTo(index, scrolled, 300, 30)).toBe(expected);
  });
});

describe("words", () => {
  test("what is not known is never a zero", () => {
    expect([millis(null), millis(undefined), count(null), outputTokens(row())]).toEqual(["–", "–", "–", "–"]);
    expect([millis(0), count(0), outputTokens(row({ tokens_output: 0, is_exact: true }))]).toEqual(["0 ms", "0", "0"]);
  });

  test("counted tokens have a sign", () => {
    expect(outputTokens(row({ tokens_output: 1_234, is_exact: false }))).toBe("~1,234");
    expect(outputTokens(row({ tokens_output: 1_234, is_exact: true }))).toBe("1,234");
  });

  test.each([["a", "b", true], ["a:latest", "a", false], ["a", "a", false], [null, "a", false]])("%s answered by %s", (model_asked, model, expected) => {
    expect(isSubstituted(row({ model_asked, model }))).toBe(expected);
  });

  test("a slow client is told", () => {
    expect([isClientBound(row({ client_blocked_ms: 6, e2e_ms: 100 })), isClientBound(row({ client_blocked_ms: 5, e2e_ms: 100 })), isClientBound(row())]).toEqual([true, false, false]);
  });

  test("an outcome of a newer server is shown as it is called", () => {
    expect([outcomeName("ok"), outcomeName("melted")]).toEqual(["OK", "melted"]);
  });
});
