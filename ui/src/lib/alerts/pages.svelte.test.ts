/** The page Alerts with answers from `fixtures.ts`: what a reader sees and does. */
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import Alerts from "../../pages/Alerts.svelte";
import { setLanguage } from "../prefs.svelte";
import { setAuthor } from "./author.svelte";
import { channels, dead, findings, groups, incident, incidents, lanes, objectives, preview, resolved, routing, silences, windows } from "./fixtures";

// A wide window, as the page finds it when it is loaded.
vi.hoisted(() => vi.stubGlobal("matchMedia", () => ({ matches: true, addEventListener: () => undefined, removeEventListener: () => undefined })));
// CodeMirror needs a browser; the tests of Explore in one use it.
vi.mock("../explore/editor", () => ({ Editor: class { text = ""; destroy(): void {} focus(): void {} say(): void {} mark(): void {} } }));

const NOW = Date.now();
let answers: Record<string, unknown>;
let asked: { method: string; path: string; body: unknown }[];
let page: Record<string, unknown> | null = null;
const address = $state({ hash: "" });
/** What nobody answers is refused. */
class Refusal { constructor(readonly status: number, readonly body: unknown) {} }

const root = () => document.body;
const text = () => root().textContent!.replace(/\s+/g, " ");
const find = <T extends HTMLElement>(selector: string): T => {
  const found = root().querySelector<T>(selector);
  if (!found) throw new Error(`no ${selector} in ${text().slice(0, 400)}`);
  return found;
};
const told = (path: string) => asked.filter(({ method, path: one }) => method !== "GET" && one.startsWith(path));
const write = (selector: string, value: string) => {
  const field = find<HTMLInputElement>(selector);
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
};
const click = (selector: string) => { find(selector).click(); flushSync(); };
const shown = (what: RegExp) => vi.waitFor(() => { flushSync(); expect(text()).toMatch(what); }, { timeout: 3_000 });

async function open(hash: string, seen: RegExp): Promise<void> {
  address.hash = hash;
  page = mount(Alerts, { target: root(), props: address });
  await shown(seen);
}

beforeEach(() => {
  // What is being drawn has no place here.
  vi.stubGlobal("ResizeObserver", class { observe(): void {} unobserve(): void {} disconnect(): void {} });
  asked = [];
  answers = {
    "GET incidents": { incidents: incidents(NOW), next: null },
    "GET incidents/7f3a": incident(NOW),
    "GET incidents/history": { lanes: lanes(NOW), omitted: 1 },
    "POST incidents/7f3a/acknowledge": incident(NOW, { state: "acknowledged", acknowledged_by: "Mei" }),
    "GET rules": { groups: groups(NOW), problems: [{ file: "ours.yml", line: 3, column: 5, reason: "unknown field expresion" }] },
    "POST rules/preview": preview(NOW, 3),
    "GET objectives": { objectives },
    "GET maintenance": { windows: windows(NOW) },
    "GET channels": { channels: channels(NOW) },
    "GET channels/oncall/dead": { dead: dead(NOW) },
    "GET routes": routing,
    "GET /api/v2/silences": silences(NOW),
  };
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const method = init.method ?? "GET";
    const bare = path.replace("/api/mw/v1/", "").replace(/\?.*$/, "");
    asked.push({ method, path: path.replace("/api/mw/v1/", ""), body: typeof init.body === "string" ? JSON.parse(init.body) : init.body });
    const answer = answers[`${method} ${bare}`];
    if (answer instanceof Refusal) return new Response(JSON.stringify(answer.body), { status: answer.status });
    return answer === undefined ? new Response('{"error":"nothing there"}', { status: 404 }) : new Response(JSON.stringify(answer));
  });
  setAuthor("");
});
afterEach(async () => {
  if (page) await unmount(page);
  page = null;
  document.body.replaceChildren();
  location.hash = "";
  setLanguage("en");
  vi.unstubAllGlobals();
});

test("what fires is told with its cause and what to do, in both languages", async () => {
  await open("#/alerts", /Look for Xid errors/);
  expect(find("[data-detail]").dataset.detail).toBe("7f3a");
  expect(text()).toMatch(/has made no token.*Likely cause.*collective.*What to do/);
  expect(text()).toMatch(/Notifies team, oncall \(route all\)/);
  expect(root().querySelectorAll("[data-incident]")).toHaveLength(5);
  expect(find('a[href*="llm_requests_running"]').getAttribute("href")).toMatch(/^#\/explore\?q=llm_requests_running/);
  // A value that is not known is no zero.
  expect(find('[data-alert="a1b2c3d4e5f60719"]').textContent).toMatch(/–/);
  setLanguage("zh");
  await shown(/没有产出 Token.*可能原因.*掉线的设备.*处理办法/);
});

test("an incident is acknowledged by somebody, who need not say who it is", async () => {
  await open("#/alerts", /Acknowledge/);
  click('[data-action="acknowledge"]');
  await vi.waitFor(() => expect(told("incidents/7f3a/acknowledge").map(({ body }) => body)).toEqual([{ author: "" }]));
  write('[data-field="author"]', "Mei");
  await vi.waitFor(() => { flushSync(); expect(find<HTMLButtonElement>('[data-action="acknowledge"]').disabled).toBe(false); });
  answers["GET incidents/7f3a"] = answers["POST incidents/7f3a/acknowledge"];
  click('[data-action="acknowledge"]');
  await shown(/Acknowledged by Mei/);
  expect(told("incidents/7f3a/acknowledge").map(({ body }) => body)).toEqual([{ author: "" }, { author: "Mei" }]);
});

test("alerts that joined after somebody acknowledged can be acknowledged as well", async () => {
  answers["GET incidents/7f3a"] = incident(NOW, { state: "firing", acknowledged_by: "Li" });
  setAuthor("Mei");
  await open("#/alerts", /Acknowledged by Li, but not the alerts that joined since/);
  expect(root().querySelectorAll('[data-action="unacknowledge"]')).toHaveLength(1);
  answers["GET incidents/7f3a"] = answers["POST incidents/7f3a/acknowledge"];
  click('[data-action="acknowledge"]');
  await shown(/Acknowledged by Mei: no more repeats/);
  expect(root().querySelectorAll('[data-action="acknowledge"]')).toHaveLength(0);
});

test("why something was not done is said", async () => {
  answers["POST incidents/7f3a/acknowledge"] = new Refusal(409, { error: "it has ended" });
  setAuthor("Mei");
  await open("#/alerts", /Acknowledge/);
  click('[data-action="acknowledge"]');
  await shown(/Not done: it has ended/);
});

test("what is not as usual is told beside what fires, with what shows it", async () => {
  answers["GET findings"] = { findings: findings(NOW), omitted: 2 };
  await open("#/alerts", /decode speed of qwen3 \(10\.0\.0\.1:8000\) changed by -22 % since 0\.32\.0 became 0\.33\.0/);
  expect(find('[data-finding="change"] a').getAttribute("href")).toBe("#/explore?q=llm_inter_token_latency_seconds&range=2d");
  setLanguage("zh");
  await shown(/偏离常态.*解码速度变化 -22%/);
});

test("chips narrow the list down by the address", async () => {
  await open("#/alerts?severity=info", /The certificate of llm/);
  expect(root().querySelectorAll("[data-incident]")).toHaveLength(1);
  click('[data-severity="info"]');
  expect(location.hash).toBe("#/alerts");
});

test("what is being typed survives a click, which asks for nothing anew", async () => {
  await open("#/alerts", /Acknowledge/);
  write("[data-filter]", 'model="Qw');
  const lists = () => asked.filter(({ path }) => path.startsWith("incidents?")).length;
  const before = lists();
  address.hash = "#/alerts?incident=7f3a&range=6h";
  flushSync();
  expect(find<HTMLInputElement>("[data-filter]").value).toBe('model="Qw');
  expect(lists()).toBe(before);
});

test.each<[string, () => void, RegExp]>([
  ["rules watch", () => undefined, /All quiet\..*None of the enabled rules \(4\) is firing.*▲ Rules that cannot be evaluated \(1\): Broken/],
  ["no rule watches", () => { answers["GET rules"] = { groups: [], problems: [] }; }, /No rule is enabled/],
])("nothing fires while %s", async (_, change, seen) => {
  answers["GET incidents"] = { incidents: [], next: null };
  change();
  await open("#/alerts", seen);
});

test("a server without incidents is no healthy one", async () => {
  delete answers["GET incidents"];
  await open("#/alerts", /does not offer it/);
});

test("a list that did not come is no quiet one, also beside an incident", async () => {
  answers["GET incidents"] = new Refusal(500, { error: "the disk is full" });
  await open("#/alerts?incident=7f3a", /Look for Xid errors/);
  await shown(/could not be loaded: the disk is full/);
  expect(text()).not.toMatch(/Nothing is firing|All quiet/);
});

test("an incident that is gone is told of", async () => {
  await open("#/alerts?incident=old", /There is no such incident any more/);
});

test("history shows lanes, and what has ended with its length", async () => {
  answers["GET incidents"] = { incidents: [resolved(NOW)], next: null };
  await open("#/alerts?view=history&range=24h", /KvCachePressure/);
  expect(root().querySelectorAll("[data-lane]")).toHaveLength(3);
  await shown(/lasted 1 hr/);
  expect(text()).toMatch(/1 further lanes are not drawn/);
});

test("rules are listed with why one fails; files that were not taken are told of with their place", async () => {
  await open("#/alerts?view=rules", /many|KvCachePressure/);
  expect(text()).toMatch(/ours.yml, line 3, column 5: unknown field expresion/);
  expect(root().querySelectorAll("[data-rule]")).toHaveLength(6);
  write("[data-filter]", "queue");
  expect(root().querySelectorAll("[data-rule]")).toHaveLength(1);
  write("[data-filter]", "");
  click('[data-kind="failing"]');
  expect([...root().querySelectorAll<HTMLElement>("[data-rule]")].map(({ dataset }) => dataset.rule)).toEqual(["ours/Broken/0"]);
});

test("a threshold is tried before it is saved, and what makes no sense is not", async () => {
  setAuthor("Mei");
  answers["POST rules/change"] = groups(NOW)[0]!.rules[0];
  await open("#/alerts?view=rules&rule=KvCachePressure", /It would have fired 3 times/);
  expect(find<HTMLButtonElement>('[data-action="save-rule"]').disabled).toBe(true);
  write('[data-threshold="0"]', "0.9x");
  expect(find<HTMLButtonElement>('[data-action="save-rule"]').disabled).toBe(true);
  answers["POST rules/preview"] = preview(NOW, 0);
  write('[data-threshold="0"]', "0.99");
  await shown(/It would not have fired/);
  expect(asked.filter(({ path }) => path === "rules/preview").at(-1)?.body).toMatchObject({ id: "engine/KvCachePressure/0", thresholds: [0.99, 0.1], for_ms: 300_000 });
  click('[data-action="save-rule"]');
  await vi.waitFor(() => expect(told("rules/change")).toHaveLength(1));
  expect(told("rules/change")[0]!.body).toMatchObject({ thresholds: [0.99, 0.1], severity: null, is_enabled: null, author: "Mei" });
});

test("a rule of one's own is written, tried and saved", async () => {
  answers["POST rules/page"] = { name: "NodeLoad1" };
  await open("#/alerts?view=rules&q=node_load1&edit=", /A new rule/);
  expect(find<HTMLInputElement>('[data-field="name"]').value).toBe("NodeLoad1");
  expect(text()).toMatch(/There is no threshold yet/);
  write('[data-field="threshold"]', "8");
  write('[data-field="summary"]', "Load of {{ $labels.instance }} is {{ $value }}");
  await shown(/It would have fired 3 times/);
  click('[data-action="save-rule"]');
  await vi.waitFor(() => expect(told("rules/page")).toHaveLength(1));
  expect(told("rules/page")[0]!.body).toEqual({ yaml: "- alert: NodeLoad1\n  expr: 'node_load1 > 8'\n  for: 5m\n  labels:\n    severity: warning\n  annotations:\n    summary: 'Load of {{ $labels.instance }} is {{ $value }}'", author: "" });
  await vi.waitFor(() => expect(location.hash).toContain("rule=NodeLoad1"));
});

test("a copy of a built-in rule is a new one; a rule of one's own keeps one name", async () => {
  await open("#/alerts?view=rules&edit=engine%2FKvCachePressure%2F0", /A new rule/);
  const own = groups(NOW).find(({ origin }) => origin === "page")!.rules[0]!;
  answers["POST rules/page"] = { name: "Renamed" };
  answers["DELETE rules/page"] = { name: own.name };
  address.hash = `#/alerts?${new URLSearchParams({ view: "rules", edit: own.id })}`;
  await shown(new RegExp(`Edit ${own.name}`));
  write('[data-field="name"]', "Renamed");
  await shown(/It would have fired 3 times/);
  click('[data-action="save-rule"]');
  await vi.waitFor(() => expect(told("rules/page").map(({ method, path }) => `${method} ${path}`)).toEqual(["POST rules/page", `DELETE rules/page?name=${own.name}&author=`]));
  await vi.waitFor(() => expect(location.hash).toContain("rule=Renamed"));
});

test("problems of a rule stand where it is written, and keep it from being saved", async () => {
  answers["POST rules/preview"] = { rules: [], problems: [{ line: 2, column: 9, reason: "parse error: unexpected end of input" }], step_ms: 15_000, is_whole: true };
  await open("#/alerts?view=rules&q=node_load1&edit=", /A new rule/);
  write('[data-field="threshold"]', "8");
  await shown(/Line 2, column 9: parse error/);
  expect(find<HTMLButtonElement>('[data-action="save-rule"]').disabled).toBe(true);
});

test("an objective is set in units that people use", async () => {
  answers["POST objectives"] = {};
  await open("#/alerts?view=objectives", /at most 1.50 s.*at most 50 ms/);
  click('[data-objective="Qwen3-32B"] [data-action="edit-objective"]');
  write('[data-field="tpot"]', "0");
  click('[data-action="save-objective"]');
  await shown(/a number above 0/);
  write('[data-field="tpot"]', "40");
  click('[data-action="save-objective"]');
  await vi.waitFor(() => expect(told("objectives")).toHaveLength(1));
  expect(told("objectives")[0]!.body).toEqual({ model: "Qwen3-32B", ttft_seconds: 1.5, tpot_seconds: 0.04, success_ratio: null, ratio: 0.9, author: "" });
});

test("a list that cannot be asked for again says so above what it had", async () => {
  answers["POST objectives"] = {};
  await open("#/alerts?view=objectives", /at most 1.50 s/);
  click('[data-objective="Qwen3-32B"] [data-action="edit-objective"]');
  answers["GET objectives"] = new Refusal(500, { error: "the disk is full" });
  click('[data-action="save-objective"]');
  await shown(/the disk is full.*at most 1.50 s/);
});

test("a silence is begun from an incident's labels, and ended", async () => {
  answers["POST /api/v2/silences"] = { silenceID: "new" };
  answers["DELETE /api/v2/silence/5f1c-now"] = {};
  await open(`#/alerts?view=silences&silence=${encodeURIComponent('model="Qwen3-32B"')}`, /Matches 5 of the incidents/);
  click('[data-action="save-silence"]');
  await shown(/Say why, for those who come after you/);
  write('[data-field="comment"]', "drivers");
  write('[data-field="author"]', "Mei");
  click('[data-action="save-silence"]');
  await vi.waitFor(() => expect(told("/api/v2/silences")).toHaveLength(1));
  expect(told("/api/v2/silences")[0]!.body).toMatchObject({ matchers: [{ name: "model", value: "Qwen3-32B", isRegex: false, isEqual: true }], comment: "drivers", createdBy: "Mei" });
  await vi.waitFor(() => { flushSync(); expect(root().querySelector('[data-form="silence"]')).toBeNull(); });
  // What cannot be taken back is asked once more, which is forgotten when the button is left.
  click('[data-silence="5f1c-now"] [data-action="end-silence"]');
  find('[data-action="new-silence"]').focus();
  click('[data-silence="5f1c-now"] [data-action="end-silence"]');
  expect(find('[data-silence="5f1c-now"] [data-action="end-silence"]').textContent).toMatch(/^Really\?/);
  expect(told("/api/v2/silence/")).toHaveLength(0);
  click('[data-silence="5f1c-now"] [data-action="end-silence"]');
  await vi.waitFor(() => expect(told("/api/v2/silence/5f1c-now").map(({ method }) => method)).toEqual(["DELETE"]));
});

test("a silence that has not begun says from when, and is no pending alert", async () => {
  const [one] = silences(NOW);
  answers["GET /api/v2/silences"] = [{ ...one, status: { state: "pending" }, startsAt: new Date(NOW + 60_000).toISOString(), endsAt: new Date(NOW + 120_000).toISOString() }];
  await open("#/alerts?view=silences", /not begun.*from \d/);
  expect(find("[data-silence]").textContent).not.toMatch(/pending|since/);
});

test("a form takes the focus and gives it back to the button that opened it", async () => {
  await open("#/alerts?view=objectives", /at most 1.50 s/);
  find('[data-action="new-objective"]').focus();
  click('[data-action="new-objective"]');
  expect((document.activeElement as HTMLElement).dataset.field).toBe("model");
  find('[data-form="objective"] [type=button]').click();
  await vi.waitFor(() => { flushSync(); expect((document.activeElement as HTMLElement).dataset.action).toBe("new-objective"); });
});

test("a silence that is half written survives another range", async () => {
  await open("#/alerts?view=silences&silence=a%3D%22b%22", /Matches 0|Matches none/);
  write('[data-field="comment"]', "half a sent");
  address.hash = "#/alerts?view=silences&silence=a%3D%22b%22&range=6h";
  flushSync();
  expect(find<HTMLInputElement>('[data-field="comment"]').value).toBe("half a sent");
});

test("open incidents are asked for while a silence is written, and then only", async () => {
  const lists = () => asked.filter(({ path }) => path.startsWith("incidents?") && path.includes("limit=500")).length;
  await open("#/alerts?view=silences", /drivers|left/);
  expect(lists()).toBe(0);
  click('[data-action="new-silence"]');
  await vi.waitFor(() => expect(lists()).toBe(1));
});

test("a channel is tested and says what came of it; what it gave up is sent again", async () => {
  answers["POST channels/team/test"] = { is_ok: true, seconds: 0.31, error: null };
  answers["POST channels/hook/test"] = { is_ok: false, seconds: 0.1, error: "the address is private" };
  answers["POST channels/oncall/dead/1/retry"] = {};
  await open("#/alerts?view=channels", /connection refused.*quiet/);
  click('[data-channel="team"] [data-action="test"]');
  click('[data-channel="hook"] [data-action="test"]');
  await shown(/Delivered in 310 ms.*Not delivered: the address is private/);
  click('[data-channel="oncall"] [data-action="dead"]');
  await shown(/550 no such user/);
  click('[data-action="retry"]');
  await vi.waitFor(() => expect(told("channels/oncall/dead/1/retry")).toHaveLength(1));
});
