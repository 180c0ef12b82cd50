import { afterEach, describe, expect, test } from "vitest";
import { setLanguage, setZone } from "../prefs.svelte";
import { incidentAddress, newRuleAddress, newSilenceAddress, read, viewAddress } from "./address";
import { incident, incidents, routing, rule, silences } from "./fixtures";
import { readWindow } from "./maintenance";
import { matchersText, matching, readMatchers } from "./matchers";
import { readObjective } from "./objectives";
import { attention } from "./order";
import { tree } from "./routing";
import { fitting, ordered, readSilence } from "./silences";
import { durationOf, durationText, levelOf, ownLabels, queryOf, sentenceOf, webLink, wordOf } from "./words";
import { draftOf, exprOf, missingOf, nameFor, newDraft, scalar, yamlOf, type Draft } from "./yaml";

const NOW = Date.parse("2026-11-28T12:00:00Z");
afterEach(() => { setLanguage("en"); setZone(""); });

describe("address", () => {
  test.each([
    ["#/alerts", { view: "now", incident: null, rule: null, edit: null, query: "", filter: "", severity: null, state: null, silence: null }],
    ["#/alerts?view=rules&q=up+%3D%3D+0&edit=", { view: "rules", query: "up == 0", edit: "" }],
    ["#/alerts?view=silences&silence=a%3D%22b%22", { view: "silences", silence: 'a="b"' }],
    ["#/alerts?view=pie&severity=fatal&state=firing", { view: "now", severity: null, state: "firing" }],
    [`#/alerts?incident=${"x".repeat(600)}`, { incident: null }],
    [`#/alerts?filter=${"x".repeat(4_096)}&silence=${"y".repeat(600)}`, { filter: "x".repeat(4_096), silence: "y".repeat(600) }],
    [`#/alerts?filter=${"x".repeat(4_097)}`, { filter: "" }],
  ])("%s is read", (hash, expected) => expect(read(hash)).toMatchObject(expected));

  test("another view forgets what only the former one had, and keeps the time", () => {
    expect(viewAddress("#/alerts?range=6h&incident=1&filter=a&edit=", "rules")).toBe("#/alerts?range=6h&view=rules");
    expect(viewAddress("#/alerts?view=rules", "now")).toBe("#/alerts");
  });

  test("links lead back to what they say", () => {
    expect(read(newRuleAddress("a > 1"))).toMatchObject({ view: "rules", query: "a > 1", edit: "" });
    expect(read(newSilenceAddress('a="&"'))).toMatchObject({ view: "silences", silence: 'a="&"' });
    expect(read(incidentAddress("a b"))).toMatchObject({ view: "now", incident: "a b" });
  });
});

describe("matchers", () => {
  test.each([
    ['severity="critical"', 'severity="critical"'],
    [' { a = "b" ,c=~"d.*", e!="f" g!~"h" } ', 'a="b", c=~"d.*", e!="f", g!~"h"'],
    ["alertname=EngineDown", 'alertname="EngineDown"'],
    ['a="x\\"y\\\\z"', 'a="x\\"y\\\\z"'],
    ['"模型"="千问"', '"模型"="千问"'],
    ["", ""],
  ])("%s is %s", (text, expected) => {
    const found = readMatchers(text);
    expect(found.wrong).toBeNull();
    expect(matchersText(found.matchers)).toBe(expected);
  });

  test.each([["a", "a"], ['a="b', 'a="b'], ['a="b", 7', "7"], ['a=="b"', 'a=="b"'], ["{", "{"], ['a="b"c="d"', 'c="d"'], ['a="b" }', "}"]])("%s is not understood from %s", (text, wrong) => {
    expect(readMatchers(text).wrong).not.toBeNull();
    expect(text).toContain(wrong);
  });

  test("what is written is read back, whatever it is", () => {
    // A simple generator with a fixed seed: the same texts every time.
    let seed = 7;
    const next = (most: number) => (seed = (seed * 48_271) % 2_147_483_647) % most;
    const letters = ['"', "\\", "{", "}", ",", "=", "~", "!", " ", "a", "Z", "模", "\n", "😀", "."];
    const word = () => Array.from({ length: next(8) }, () => letters[next(letters.length)]).join("");
    for (let round = 0; round < 2_000; round += 1) {
      const matchers = Array.from({ length: 1 + next(3) }, () => ({ name: `a${word().replace(/\W/g, "_")}`, value: word(), isRegex: next(2) === 1, isEqual: next(2) === 1 }));
      expect(readMatchers(matchersText(matchers))).toEqual({ matchers, wrong: null });
      expect(() => readMatchers(word() + word() + word())).not.toThrow();
    }
  });

  test("labels are matched exactly", () => expect(matching({ a: "b.c", d: "" })).toBe('a="b.c", d=""'));
});

describe("words", () => {
  test.each([[0, "0s"], [90_000, "1m30s"], [300_000, "5m"], [5_400_000, "1h30m"], [1_500, "1s500ms"]])("%i ms are written %s", (ms, expected) => {
    expect(durationText(ms)).toBe(expected);
    expect(durationOf(expected)).toBe(ms);
  });
  test.each([["", 0], ["0", 0], ["1w", 604_800_000], ["500ms", 500], ["5", null], ["m", null], ["5m 3s", null], ["1s1m", null], ["-5m", null], ["9999d", null]])("%j is a length of %j", (text, expected) => expect(durationOf(text)).toBe(expected));

  test("texts are in the reader's language, else in what there is", () => {
    const one = incident(NOW);
    expect(sentenceOf(one)).toContain("has made no token");
    setLanguage("zh");
    expect(sentenceOf(one)).toContain("没有产出 Token");
    expect(sentenceOf({ name: "X", annotations: { description: "d" } })).toBe("d");
    expect(sentenceOf({ name: "X", annotations: {} })).toBe("X");
    // Alerts with texts of their own have none in common.
    expect(sentenceOf({ name: "X", annotations: {}, alerts: one.alerts.map((alert) => ({ ...alert, annotations: { summary: alert.fingerprint } })) })).toBe("a1b2c3d4e5f60718");
    expect(wordOf("state", "silenced")).toBe("已静默");
    expect(wordOf("state", "toString")).toBe("toString");
  });

  test("a severity that is none of the usual is neither good nor bad", () => {
    expect(["critical", "warning", "info", "page", "", null].map((severity) => levelOf(severity))).toEqual(["crit", "warn", "info", "muted", "muted", "muted"]);
  });

  test("the expression is taken from the sender's link, and only web links are links", () => {
    expect(queryOf("http://h:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1")).toBe("up == 0");
    expect(queryOf("http://h:9640/#/explore?q=up")).toBe("up");
    expect([queryOf(""), queryOf("nonsense"), queryOf("http://h/")]).toEqual([null, null, null]);
    expect([webLink("https://a/b"), webLink("javascript:alert(1)"), webLink(undefined)]).toEqual(["https://a/b", null, null]);
    expect(ownLabels({ alertname: "A", a: "1", b: "2" }, { a: "1" })).toEqual({ b: "2" });
  });
});

test("what needs somebody comes first", () => {
  expect(attention(incidents(NOW)).map(({ id }) => id)).toEqual(["7f3a", "9d20", "bb42", "8c11", "aa31"]);
});

describe("rules", () => {
  const draft = (change: Partial<Draft>): Draft => ({ ...newDraft(""), name: "A", expr: "up == 0", ...change });

  test.each([
    [{ expr: "up", comparison: ">" as const, threshold: "1" }, "up > 1"],
    [{ expr: 'x{a="b"}[5m]', comparison: "<=" as const, threshold: "0.5" }, 'x{a="b"}[5m] <= 0.5'],
    [{ expr: "a + b", comparison: ">" as const, threshold: "1e3" }, "(a + b) > 1e3"],
    [{ expr: " a or b ", comparison: "" as const, threshold: "9" }, "a or b"],
  ])("%j is %s", (change, expected) => expect(exprOf(change)).toBe(expected));

  test.each<[Partial<Draft>, string | null]>([
    [{}, null], [{ name: "" }, "name"], [{ name: " " }, "name"], [{ name: "延迟 过高" }, null], [{ expr: " " }, "expr"],
    [{ comparison: ">", threshold: "" }, "threshold"], [{ comparison: ">", threshold: "1O" }, "threshold"], [{ comparison: ">", threshold: "-.5e-3" }, null],
  ])("%j lacks %s", (change, expected) => expect(missingOf(draft(change))).toBe(expected));

  test.each([
    ["warning", "warning"], ["5m", "5m"], ["yes", "'yes'"], ["null", "'null'"], ["it's", "'it''s'"], ["a: b", "'a: b'"], ["a #b", "'a #b'"], ["{{ $value }}", "'{{ $value }}'"],
    ["1.5", "'1.5'"], ["", "''"], ["a\tb", '"a\\tb"'], ["- x", "'- x'"], ["超时", "'超时'"],
  ])("%s is written %s", (text, expected) => expect(scalar(text)).toBe(expected));

  test("a draft is a rule as rule files have it", () => {
    expect(yamlOf(draft({
      name: "QueueGrows", expr: "deriv(llm_requests_waiting[10m])", comparison: ">", threshold: "0.05", for: "5m", keepFiringFor: "10m", severity: "warning",
      labels: { team: "infra" }, annotations: { summary: "{{ $labels.model }} waits", cause: "", remedy: "one\ntwo" },
    }))).toBe([
      "- alert: QueueGrows", "  expr: '(deriv(llm_requests_waiting[10m])) > 0.05'", "  for: 5m", "  keep_firing_for: 10m",
      "  labels:", "    severity: warning", "    team: infra", "  annotations:", "    summary: '{{ $labels.model }} waits'", "    remedy: |-", "      one", "      two",
    ].join("\n"));
    expect(yamlOf(draft({ expr: "a\n  or b", for: "", severity: "" }))).toBe("- alert: A\n  expr: |-\n    a\n      or b");
  });

  test("a rule becomes a draft and the same rule again", () => {
    const one = rule(NOW, { labels: { severity: "warning", team: "x" } });
    const text = yamlOf(draftOf(one));
    expect(text).toContain("expr: 'llm_kv_cache_usage_ratio > 0.95 and rate(llm_preemptions_total[5m]) > 0.1'");
    expect(text).toContain("  for: 5m");
    expect(text).toContain("    team: x");
    expect(text.match(/severity/g)).toHaveLength(1);
  });

  test.each([
    ["sum by (model) (rate(llm_generation_tokens_total[1m]))", "LlmGenerationTokensTotal"],
    ['avg(node_load1{instance="a_b"})', "NodeLoad1"], ["1 + 1", ""],
  ])("%s may be called %s", (query, expected) => expect(nameFor(query)).toBe(expected));
});

describe("silences", () => {
  const fields = { id: null, matchers: 'a="b"', start: "", end: "2026-11-28T16:00", comment: "why" };

  test("what is written is what Alertmanager takes", () => {
    setZone("Europe/Berlin");
    expect(readSilence(fields, " Mei ", NOW)).toEqual({ wrong: null, silence: { matchers: [{ name: "a", value: "b", isRegex: false, isEqual: true }], comment: "why", createdBy: "Mei", startsAt: "2026-11-28T12:00:00.000Z", endsAt: "2026-11-28T15:00:00.000Z" } });
  });
  test.each([
    [{ matchers: "" }, "matchers_missing"], [{ matchers: "a" }, "matchers_missing"], [{ matchers: 'a=~".*"' }, "matchers_all"], [{ matchers: 'a!="b"' }, "matchers_all"],
    [{ end: "2026-11-28T11:00" }, "end_wrong"], [{ start: "2026-11-29T11:00" }, "end_wrong"], [{ end: "" }, "end_wrong"], [{ comment: " " }, "comment_missing"],
  ])("%j is refused: %s", (change, wrong) => {
    setZone("UTC");
    expect(readSilence({ ...fields, ...change }, "Mei", NOW).wrong).toBe(wrong);
  });
  test("nobody has to say who it is", () => expect(readSilence(fields, " ", NOW)).toMatchObject({ wrong: null, silence: { createdBy: "" } }));

  test("it is told how much fits", () => {
    const count = (text: string) => fitting(readMatchers(text).matchers, incidents(NOW));
    expect([count('model="Qwen3-32B"'), count('instance="10.0.0.6:8000"'), count('model=~"Qwen.*", instance!~"10.*"'), count('absent=""')]).toEqual([5, 1, 0, 5]);
  });
  test("those that hold come first", () => expect(ordered(silences(NOW)).map(({ id }) => id)).toEqual(["5f1c-now", "5f1c-old"]));
});

test("maintenance is planned, or what is missing is said", () => {
  setZone("UTC");
  const fields = { name: "Kernel", matchers: 'host=~"node-.*"', start: "2026-11-28T14:00", end: "2026-11-28T16:00", repeat: "weekly" as const };
  expect(readWindow(fields, "Mei", "UTC", NOW).window).toEqual({ name: "Kernel", matchers: ['host=~"node-.*"'], start: NOW + 7_200_000, end: NOW + 14_400_000, repeat: "weekly", zone: "UTC", author: "Mei" });
  expect([{ name: "" }, { matchers: "" }, { end: fields.start }].map((change) => readWindow({ ...fields, ...change }, "Mei", "UTC", NOW).wrong)).toEqual(["name_missing", "matchers_missing", "end_wrong"]);
  expect(readWindow({ ...fields, start: "2026-11-01T14:00", end: "2026-11-01T16:00" }, "Mei", "UTC", NOW).wrong).toBeNull();
  expect(readWindow({ ...fields, start: "2026-11-01T14:00", end: "2026-11-01T16:00", repeat: "none" }, "Mei", "UTC", NOW).wrong).toBe("end_wrong");
});

describe("objectives", () => {
  const fields = { model: "m", ttft: "1.5", tpot: "50", success: "99.9", ratio: "95" };
  test("seconds, milliseconds and percent are what people write", () => {
    expect(readObjective(fields).objective).toEqual({ model: "m", ttft_seconds: 1.5, tpot_seconds: 0.05, success_ratio: 0.999, ratio: 0.95 });
    expect(readObjective({ ...fields, ttft: "", tpot: "", success: "99,5%", ratio: "" }).objective).toEqual({ model: "m", ttft_seconds: null, tpot_seconds: null, success_ratio: 0.995, ratio: 0.95 });
  });
  test.each([[{ model: " " }, "model"], [{ ttft: "0" }, "ttft"], [{ ttft: "x" }, "ttft"], [{ success: "100" }, "success"], [{ ratio: "-5" }, "ratio"], [{ ttft: "", tpot: "", success: "" }, "empty"]])("%j is refused: %s", (change, wrong) => {
    expect(readObjective({ ...fields, ...change }).wrong).toBe(wrong);
  });
});

test("routes are a tree, also where their parents make no sense", () => {
  const [all, quiet] = routing.routes;
  const named = (name: string, parent: string | null) => ({ ...all!, name, parent });
  expect(tree([quiet!, all!]).map(({ route, depth }) => [route.name, depth])).toEqual([["all", 0], ["quiet", 1]]);
  expect(tree([named("a", "b"), named("b", "a"), named("c", "gone"), named("d", "d")]).map(({ route }) => route.name).sort()).toEqual(["a", "b", "c", "d"]);
});
