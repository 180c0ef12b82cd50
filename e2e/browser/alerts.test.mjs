// The pages Alerts and Reports over the real program: alerts that are sent to it as Prometheus does, rules that are written
// on the page, a channel that is tested, a report that is seen before it is made.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { dress, openPage, settled, startBrowser, startProduct, until, violations, wrong } from "./world.mjs";

const OUT = new URL("../out/", import.meta.url).pathname;
let product, browser, hook;
/** What the stand-in for somebody's webhook was sent. */
const received = [];

before(async () => {
  mkdirSync(OUT, { recursive: true });
  hook = createServer((request, answer) => {
    let body = "";
    request.on("data", (data) => (body += data));
    request.on("end", () => {
      received.push(body);
      answer.end("ok");
    });
  });
  await new Promise((ready) => hook.listen(0, "127.0.0.1", ready));
  const { port } = hook.address();
  const config = [
    "[collect]", "discover = false",
    "[alerts]", 'evaluation_interval = "1s"',
    "[[channel]]", 'name = "team"', 'kind = "webhook"', `url = "http://127.0.0.1:${port}/hook"`, "allow_private_addresses = true",
    "[[channel]]", 'name = "nobody"', 'kind = "webhook"', 'url = "http://127.0.0.1:1/"', "allow_private_addresses = true",
    "[[route]]", 'name = "all"', 'channels = ["team"]', 'group_by = ["alertname"]',
  ].join("\n");
  [product, browser] = await Promise.all([startProduct(`${config}\n`), startBrowser()]);
  await until("the load of this machine", 30, async () => (await (await fetch(`${product.url}/api/v1/query?query=node_load1`)).json()).data.result.length > 0);
});

after(async () => {
  await Promise.all([browser?.close(), product?.end()]);
  hook?.close();
});

async function open(hash, look = { language: "en", theme: "light" }, options = {}) {
  const opened = await openPage(browser, { viewport: { width: 1440, height: 900 }, ...options });
  await dress(opened.page, look);
  await opened.page.goto(`${product.url}/${hash}`);
  await settled(opened.page);
  return opened;
}

/** As Prometheus does; what it says goes on firing for ten minutes. */
async function send(...alerts) {
  const answer = await fetch(`${product.url}/api/v2/alerts`, {
    method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify(alerts.map(({ labels, annotations = {} }) => ({
      labels, annotations, startsAt: new Date(Date.now() - 60_000).toISOString(), endsAt: new Date(Date.now() + 600_000).toISOString(), generatorURL: "http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
    }))),
  });
  assert.ok(answer.ok, `${answer.status} ${await answer.text()}`);
}

const STALLED = {
  labels: { alertname: "TestStalled", severity: "critical", model: "Qwen3-32B", instance: "10.0.0.5:8000" },
  annotations: { summary: "Qwen3-32B makes no tokens.", summary_zh: "Qwen3-32B 没有产出 Token。", cause: "The engine hangs.", cause_zh: "引擎挂起。", remedy: "Restart it.", remedy_zh: "重启引擎。" },
};
const incident = (page, text) => page.locator("[data-incident]").filter({ hasText: text });

test("what was sent is an incident that somebody acknowledges, notes and silences", async () => {
  await send(STALLED, { ...STALLED, labels: { ...STALLED.labels, instance: "10.0.0.6:8000" } });
  const { page, problems } = await open("#/alerts");
  await incident(page, "makes no tokens").click();
  const detail = page.locator("[data-detail]");
  await detail.getByText("The engine hangs.").waitFor();
  assert.match(await detail.innerText(), /2 alerts/);
  assert.match(page.url(), /incident=/);
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${OUT}alerts-light-en.png` });

  await detail.locator('[data-field="author"]').fill("Mei");
  await detail.locator('[data-action="acknowledge"]').click();
  await detail.getByText("Acknowledged by Mei").waitFor();
  await detail.getByText("Assign, note, resolve").click();
  await detail.locator('[data-field="note"]').fill("I look at node-2");
  await detail.locator('[data-action="note"]').click();
  await detail.getByText("I look at node-2").first().waitFor();
  await detail.locator('[data-field="assignee"]').fill("Ada");
  await detail.locator('[data-action="assign"]').click();
  await detail.getByText("Assigned to Ada").waitFor();

  await detail.locator('[data-action="silence"]').click();
  const form = page.locator('[data-form="silence"]');
  await form.getByText("Matches 1 of the incidents").waitFor();
  await form.locator('[data-action="save-silence"]').click();
  await form.getByText("Say why").waitFor();
  await form.locator('[data-field="comment"]').fill("known");
  await form.locator('[data-action="save-silence"]').click();
  const silence = page.locator('[data-silence][data-state="active"]');
  await silence.filter({ hasText: "known" }).waitFor();
  assert.deepEqual(await violations(page), []);
  const silences = await (await fetch(`${product.url}/api/v2/silences`)).json();
  assert.equal(silences[0].createdBy, "Mei");
  await page.goto(`${product.url}/#/alerts`);
  await page.locator("[data-detail]").getByText("Silenced: no notifications are sent.").waitFor();
  await page.goto(`${product.url}/#/alerts?view=silences`);
  await silence.locator('[data-action="end-silence"]').click();
  await silence.getByText("Really?").click();
  await page.getByText("Nothing is silenced.").waitFor();
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("the same in Chinese and dark; history has its lane; Overview says what fires", async () => {
  await send({ ...STALLED, labels: { ...STALLED.labels, alertname: "TestOther", severity: "warning" } });
  const { page, problems } = await open("#/alerts?severity=warning", { language: "zh", theme: "dark" });
  await incident(page, "没有产出 Token").first().click();
  await page.locator("[data-detail]").getByText("重启引擎。").waitFor();
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${OUT}alerts-dark-zh.png` });
  await page.locator('[data-view="history"]').click();
  await page.locator("[data-lane]").first().waitFor();
  assert.deepEqual(await violations(page), []);
  await page.goto(`${product.url}/#/overview`);
  await page.locator(".verdict-firing").getByText("没有产出 Token").first().waitFor();
  await until("a number beside the navigation", 20, async () => Number(await page.locator("nav .count").first().innerText()) >= 1);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("a rule begins at a chart, is tried, saved, and fires", async () => {
  const { page, problems } = await open("#/overview");
  const menu = page.locator('[data-panel="cpu"] [data-action="chart-menu"]');
  await menu.scrollIntoViewIfNeeded();
  await menu.click();
  await page.locator("[role=menu]:popover-open").getByText("Alert on this").click();
  const editor = page.locator("[data-editor]");
  await editor.getByText("There is no threshold yet").waitFor();
  await editor.locator('[data-field="name"]').fill("TestCpu");
  await editor.locator('[data-field="comparison"]').selectOption(">=");
  await editor.locator('[data-field="threshold"]').fill("0");
  await editor.locator('[data-field="for"]').fill("0s");
  await editor.locator('[data-field="severity"]').selectOption("critical");
  await editor.locator('[data-field="summary"]').fill("The CPU is at {{ $value | humanizePercentage }}");
  await editor.locator('[data-tried="done"] [data-fired]').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${OUT}rule-light-en.png` });
  await editor.locator('[data-action="save-rule"]').click();
  await page.locator("[data-rule-detail]").getByRole("heading", { name: "TestCpu" }).waitFor();
  await page.locator('[data-rule-state="firing"]').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.goto(`${product.url}/#/alerts?severity=critical`);
  await incident(page, /The CPU is at \d/).waitFor();
  await until("the webhook is told", 20, () => received.some((body) => body.includes("TestCpu")));

  await page.goto(`${product.url}/#/alerts?view=rules&rule=TestCpu`);
  const detail = page.locator("[data-rule-detail]");
  await detail.locator('[data-field="author"]').fill("Mei");
  await detail.locator('[data-action="delete-rule"]').click();
  await detail.getByText("Really?").click();
  await page.locator('[data-rule^="page/TestCpu"]').waitFor({ state: "detached" });
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("built-in rules are found, their thresholds tried, changed and restored", async () => {
  const { page, problems } = await open("#/alerts?view=rules");
  await page.locator("[data-rule]").first().waitFor();
  const all = await page.locator("[data-rule]").count();
  assert.ok(all >= 70, `${all} rules`);
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press("/");
  await page.keyboard.type("disk");
  await until("fewer rules, but some", 5, async () => {
    const left = await page.locator("[data-rule]").count();
    return left > 0 && left < all;
  });
  const rules = await (await fetch(`${product.url}/api/mw/v1/rules`)).json();
  const rule = rules.groups.flatMap(({ rules }) => rules).find(({ thresholds, kind }) => thresholds.length > 0 && kind === "alerting");
  await page.goto(`${product.url}/#/alerts?view=rules&rule=${encodeURIComponent(rule.id)}`);
  const detail = page.locator("[data-rule-detail]");
  await detail.locator('[data-tried="done"]').waitFor();
  await detail.locator('[data-threshold="0"]').fill("123456");
  await detail.locator('[data-tried="asking"]').waitFor();
  await detail.locator('[data-tried="done"]').waitFor();
  await detail.locator('[data-field="author"]').fill("Mei");
  await detail.locator('[data-action="save-rule"]').click();
  await detail.locator('[data-action="restore-rule"]').waitFor();
  assert.equal(await detail.locator('[data-threshold="0"]').inputValue(), "123456");
  assert.deepEqual(await violations(page), []);
  await detail.locator('[data-action="restore-rule"]').click();
  await until("the value that it had", 10, async () => Number(await detail.locator('[data-threshold="0"]').inputValue()) === rule.thresholds[0].value);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("an objective is set, and a channel is tested", async () => {
  const { page, problems } = await open("#/alerts?view=objectives");
  await page.locator('[data-action="new-objective"]').click();
  await page.locator('[data-field="ttft"]').fill("1.5");
  await page.locator('[data-action="save-objective"]').click();
  await page.locator('[data-objective="*"]').getByText("at most 1.50 s").waitFor();
  assert.deepEqual(await violations(page), []);
  await page.locator('[data-action="delete-objective"]').click();
  await page.locator("[data-objective]").getByText("Really?").click();
  await page.getByText("No objective is set").waitFor();

  await page.locator('[data-view="channels"]').click();
  const told = received.length;
  await page.locator('[data-channel="team"] [data-action="test"]').click();
  await page.locator('[data-channel="team"] [data-test="ok"]').waitFor();
  assert.ok(received.length > told);
  await page.locator('[data-channel="nobody"] [data-action="test"]').click();
  await page.locator('[data-channel="nobody"] [data-test="failed"]').waitFor();
  await page.locator('[data-route="all"]').waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("a report is seen before it is made, kept, shown and deleted", async () => {
  const { page, problems } = await open("#/reports?last=24h");
  await page.locator('[data-action="preview"]').click();
  await page.locator('[data-frame="shown"]').waitFor();
  const frame = page.frameLocator("iframe");
  await frame.locator("h1").first().waitFor();
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${OUT}reports-light-en.png` });
  await page.locator('[data-action="create"]').click();
  await page.getByText("Done: it is in the list below").waitFor();
  const row = page.locator("[data-report]").first();
  const [download] = await Promise.all([page.waitForEvent("download"), row.getByRole("link", { name: /HTML/ }).click()]);
  assert.match(download.suggestedFilename(), /\.html$/);
  await row.locator('[data-action="show"]').click();
  await page.locator('[data-frame="shown"]').waitFor();
  await page.locator('[data-action="new-schedule"]').click();
  await page.locator('[data-form="schedule"] [data-field="name"]').fill("mine");
  await page.locator('[data-action="save-schedule"]').click();
  await page.locator('[data-schedule="mine"]').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.locator('[data-schedule="mine"] [data-action="delete-schedule"]').click();
  await page.locator('[data-schedule="mine"]').getByText("Really?").click();
  await page.getByText("No report is planned").waitFor();
  await row.locator('[data-action="delete-report"]').click();
  await row.getByText("Really?").click();
  await page.getByText("No report has been made yet").waitFor();
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("a telephone shows everything without scrolling sideways", async () => {
  const { page, problems } = await open("#/alerts", { language: "en", theme: "light" }, { viewport: { width: 360, height: 800 } });
  for (const hash of ["#/alerts", "#/alerts?view=history", "#/alerts?view=rules", "#/alerts?view=rules&edit=", "#/alerts?view=silences&silence=", "#/alerts?view=channels", "#/reports"]) {
    await page.goto(`${product.url}/${hash}`);
    await page.locator("main h1").waitFor({ state: "attached" });
    await settled(page);
    const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(inner <= outer, `${hash}: ${inner} px wide in a window of ${outer}`);
    assert.deepEqual(await violations(page), [], hash);
  }
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});
