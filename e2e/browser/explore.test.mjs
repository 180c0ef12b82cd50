import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { openPage, startBrowser, startProduct, until, violations, wrong } from "./world.mjs";

const OUT = new URL("../out/", import.meta.url).pathname;
/** What the browser itself notes of an answer that says "bad request". */
const NOTED = "Failed to load resource: the server responded with a status of 400 (Bad Request)";

let product, browser;

before(async () => {
  mkdirSync(OUT, { recursive: true });
  [product, browser] = await Promise.all([startProduct(), startBrowser()]);
  const stored = async () => (await (await fetch(`${product.url}/api/v1/query?query=count_over_time(node_load1[5m])`)).json()).data.result[0]?.value[1] > 5;
  await until("some samples", 30, stored);
});

after(() => Promise.all([browser?.close(), product?.end()]));

async function open(hash, options) {
  const opened = await openPage(browser, options);
  await opened.page.addInitScript(() => {
    globalThis.refused = [];
    addEventListener("securitypolicyviolation", (event) => globalThis.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await opened.page.goto(`${product.url}/${hash}`);
  return opened;
}

const editor = (page, letter = "A") => page.locator(`[data-query="${letter}"]`).getByRole("textbox");
const lines = (page) => page.getByRole("region", { name: "Series" }).locator("tbody tr");
const chosen = (page) => new URLSearchParams(new URL(page.url()).hash.split("?")[1]);
/** Takes one of the ranges that end now. */
async function last(page, range) {
  await page.locator('[data-action="range"]').click();
  await page.locator(`[data-range="${range}"]`).click();
}
/** The editor takes the place of a plain field once it is loaded. */
const loaded = (page) => page.locator(".cm-content").first().waitFor();

test("a query is typed with proposals, drawn, listed and shared", async () => {
  const { page, problems } = await open("#/explore", { permissions: ["clipboard-read", "clipboard-write"] });
  await loaded(page);
  await editor(page).click();
  await page.keyboard.type("sum by (mode) (rate(node_cpu_sec");
  await page.getByRole("option", { name: "node_cpu_seconds_total" }).waitFor();
  // Proposals that have only just come are not taken by mistake.
  await page.waitForTimeout(150);
  await page.keyboard.press("Enter");
  await page.keyboard.type('{mode!="idle"}[5s');
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+Enter");
  await lines(page).filter({ hasText: '{mode="user"}' }).waitFor();
  await page.locator("canvas").waitFor();
  const query = 'sum by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[5s]))';
  assert.equal(chosen(page).get("q"), query);
  const read = await (await fetch(`${product.url}/api/v1/query?query=count(node_cpu_seconds_total{mode!="idle"})`)).json();
  assert.match(await page.locator(".cost").textContent(), new RegExp(`^${read.data.result[0].value[1]} series.*\\d ms`, "s"));

  await page.locator('[data-view="table"]').click();
  await last(page, "1h");
  await page.getByRole("cell", { name: "softirq" }).waitFor();
  assert.deepEqual(Object.fromEntries(chosen(page)), { q: query, range: "1h", view: "table" });

  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const other = await openPage(browser);
  await other.page.goto(link);
  await other.page.getByRole("cell", { name: "softirq" }).waitFor();
  await loaded(other.page);
  assert.equal(await editor(other.page).textContent(), query);
  assert.equal(await other.page.locator('[data-range="1h"]').getAttribute("aria-pressed"), "true");
  assert.deepEqual(wrong([...problems, ...other.problems]), []);
  await Promise.all([page.context().close(), other.page.context().close()]);
});

test("an error is shown where it is", async () => {
  const { page, problems } = await open("#/explore");
  await loaded(page);
  await editor(page).click();
  await page.keyboard.type("node_load5 +");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("rate(node_load1");
  await page.keyboard.press("Escape");
  await page.locator('[data-action="run"]').click();
  const alert = page.getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.textContent(), /Line 2, column 6:.*expected type range vector/s);
  assert.equal(await page.locator(".cm-wrong").textContent(), "node_load1");
  assert.equal(await editor(page).getAttribute("aria-invalid"), "true");
  assert.deepEqual(await violations(page), []);

  // It goes when the text changes.
  await editor(page).click();
  await page.keyboard.press("End");
  await page.keyboard.type(" ");
  assert.equal(await alert.count(), 0);
  assert.equal(await page.locator(".cm-wrong").count(), 0);
  assert.deepEqual(wrong(problems), [NOTED]);
  await page.context().close();
});

test("an empty answer says why", async () => {
  const { page, problems } = await open("#/explore?q=node_laod1");
  await page.getByText("There is no metric node_laod1 here.").waitFor();
  await page.getByRole("button", { name: "node_load1", exact: true }).click();
  await page.locator("canvas").waitFor();
  assert.equal(chosen(page).get("q"), "node_load1");
  await page.goto(`${product.url}/#/explore?q=node_load1%7Ba%3D%22b%22%7D`);
  await page.getByText("The query is valid, but nothing matched between").waitFor();
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("metrics are found by what they mean, in the reader's language", async () => {
  const { page, problems } = await open("#/explore");
  await page.locator(".metrics h2").first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("MemAvail /proc/meminfo");
  await page.getByText("Metrics: 1", { exact: true }).waitFor();
  assert.match(await page.locator("[data-metric]").textContent(), /node_memory_MemAvailable_bytes\s*gauge · bytes/);
  await page.keyboard.press("Escape");
  await page.locator(".metrics h2").first().waitFor();
  await page.locator('[data-action="language"]').click();
  await page.locator('[data-action="find"]').fill("平均负载 1 分钟");
  await page.getByText("共 2 个指标").waitFor(); // of 1 and of 15 minutes
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.locator("canvas").waitFor();
  assert.equal(chosen(page).get("q"), "node_load1");
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("metrics are taken from the list one after the other", async () => {
  const { page, problems } = await open("#/explore");
  await page.locator(".metrics h2").first().waitFor();
  await page.locator('[data-action="find"]').fill("MemAvail");
  await page.keyboard.press("Enter");
  await page.locator("canvas").waitFor();
  assert.equal(chosen(page).get("q"), "node_memory_MemAvailable_bytes");

  // The next one takes its place; into an expression it is put where the cursor is.
  await loaded(page);
  await page.locator('[data-action="find"]').fill("node_load15");
  await page.keyboard.press("Enter");
  await until("the next metric", 10, () => chosen(page).get("q") === "node_load15");
  await editor(page).click();
  await page.keyboard.press("End");
  await page.keyboard.type(" + ");
  await page.locator('[data-action="find"]').fill("node_load5");
  await page.keyboard.press("Enter");
  assert.equal(await editor(page).textContent(), "node_load15 + node_load5");
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("several queries, a part of the time, and the way back", async () => {
  const { page, problems } = await open("#/explore?q=node_load1&range=5m");
  await loaded(page);
  await page.locator('[data-action="add"]').click();
  await page.locator('[data-query="B"] .cm-content').waitFor();
  await editor(page, "B").click();
  await page.keyboard.type("node_load5");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+Enter");
  await until("both lines", 10, async () => (await lines(page).count()) === 2);
  assert.deepEqual(chosen(page).getAll("q"), ["node_load1", "node_load5"]);

  const { x, y, width, height } = await page.locator(".u-over").boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width - 10, y + height / 2, { steps: 5 });
  await page.mouse.up();
  await until("a part of the time", 10, () => chosen(page).has("from"));
  const seconds = (chosen(page).get("to") - chosen(page).get("from")) / 1000;
  assert.ok(seconds > 60 && seconds < 160, `${seconds} s`);
  await page.goBack();
  await until("the whole time", 10, () => !chosen(page).has("from"));

  await page.getByRole("button", { name: "Remove query A" }).click();
  await until("one query", 10, () => chosen(page).getAll("q").join() === "node_load5");
  await until("one line", 10, async () => (await lines(page).count()) === 1);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("the keyboard alone asks, leaves the editor and finds earlier queries", async () => {
  const { page, problems } = await open("#/explore");
  await loaded(page);
  await page.locator('[data-action="history"]').focus();
  await until("the editor", 5, async () => {
    await page.keyboard.press("Tab");
    return page.evaluate(() => document.activeElement.shadowRoot !== null);
  });
  await page.keyboard.type("node_load15");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.locator("canvas").waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.dataset.action), "add");
  await page.locator('[data-action="history"]').focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "node_load15");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.dataset.action), "history");
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("a query that is given up ends at once", async () => {
  const { page, problems } = await open("#/explore");
  await loaded(page);
  let release;
  const held = new Promise((resolve) => (release = resolve));
  await page.route("**/api/v1/query_range", async (route) => {
    await held;
    await route.abort().catch(() => undefined);
  });
  const given = () => problems.filter((problem) => problem.includes("query_range") && problem.includes("ERR_ABORTED")).length;
  await page.goto(`${product.url}/#/explore?q=node_load1`);
  await page.locator('[data-action="cancel"]').click();
  await page.getByText("The query was cancelled.").waitFor();
  await until("the first given up", 5, () => given() === 1);
  await page.locator('[data-action="run"]').click();
  await page.locator('[data-action="cancel"]').waitFor();
  await last(page, "6h");
  await until("the second given up for the third", 5, () => given() === 2);
  await page.getByRole("link", { name: "Overview" }).click();
  await until("the third given up", 5, () => given() === 3);
  release();
  await page.context().close();
});

// A stand-in answers what the test's own server cannot have: many metrics, a large store, histograms.
const said = (data, more = {}) => ({ json: { status: "success", data, ...more } });

test("ten thousand metrics do not stop the page", async () => {
  const { page, problems } = await openPage(browser);
  const names = Array.from({ length: 10_000 }, (_, index) => `app${index % 40}_requests_${index}_total`);
  await page.route("**/api/v1/label/__name__/values*", (route) => route.fulfill(said(names)));
  await page.goto(`${product.url}/#/explore`);
  await page.getByText("Metrics: 10,000").waitFor();
  assert.equal(await page.locator("[data-metric]").count(), 0);
  await page.locator('[data-action="find"]').fill("requests_77");
  await page.getByText("Metrics: 111").waitFor();
  await page.locator('[data-action="find"]').fill("requests");
  await page.getByText("Metrics: 10,000").waitFor();
  assert.equal(await page.locator("[data-metric]").count(), 200);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("histograms, notes, costs and many series", async () => {
  const { page, problems } = await openPage(browser);
  const now = Math.floor(Date.now() / 1000);
  const stats = { timings: { execTotalTime: 0.0125 }, samples: { totalQueryableSamples: 4321, series: 7 } };
  const histogram = { metric: { __name__: "latency" }, histogram: [now, { count: "125", sum: "31.5", buckets: [[3, "-0.1", "0.1", "5"], [0, "1", "2", "120"]] }] };
  const notes = { warnings: ["a warning"], infos: ["a note"] };
  await page.route("**/api/v1/query", (route) => route.fulfill(said({ resultType: "vector", result: [histogram], stats }, notes)));
  const many = Array.from({ length: 10_000 }, (_, index) => ({ metric: { pod: String(index) }, values: [[now - 60, "1"], [now - 58, String(index)]] }));
  await page.route("**/api/v1/query_range", (route) => route.fulfill(said({ resultType: "matrix", result: many })));
  await page.goto(`${product.url}/#/explore?q=latency&view=table`);
  await page.getByText("count 125, sum 31.5").click();
  assert.match(await page.locator(".buckets").innerText(), /\[-0\.1, 0\.1\]\s*5\s*\(1, 2\]\s*120/);
  assert.match(await page.locator(".status").textContent(), /7 series.*4,321 samples.*12\.5 ms.*Warning a warning.*Note a note/s);
  await page.locator('[data-view="graph"]').click();
  await page.getByText("Showing 100 of 10,000 series").waitFor();
  assert.equal(await lines(page).count(), 100);
  assert.match(await page.locator(".cost").textContent(), /10,000 series/);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("what makes the store large is shown, or that it is not known", async () => {
  const { page } = await openPage(browser);
  let status = { status: 404, json: { status: "error", errorType: "not_found", error: "none" } };
  await page.route("**/api/v1/status/tsdb*", (route) => route.fulfill(status));
  await page.goto(`${product.url}/#/explore?view=cardinality`);
  await page.getByText("This server does not tell its cardinality").waitFor();
  status = said({
    headStats: { numSeries: 4000, numLabelPairs: 900, chunkCount: 5000, minTime: Date.now() - 7_200_000 },
    seriesCountByMetricName: [{ name: "node_load1", value: 1000 }],
    labelValueCountByLabelName: [{ name: "device", value: 21 }],
    memoryInBytesByLabelName: [{ name: "device", value: 2048 }],
    seriesCountByLabelValuePair: [{ name: "job=node", value: 3000 }],
  });
  await page.getByRole("button", { name: "Try again" }).click();
  assert.match(await page.getByRole("region", { name: "Metrics with the most series" }).textContent(), /node_load1\s*1,000\s*25%/);
  assert.match(await page.getByRole("region", { name: "Labels that take the most memory" }).textContent(), /device\s*2 KiB/);
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${OUT}explore-cardinality.png` });
  // Also where a query is already.
  await loaded(page);
  await editor(page).click();
  await page.keyboard.insertText("node_load1");
  await page.getByRole("button", { name: "job=node" }).click();
  await page.locator("canvas").waitFor();
  assert.equal(chosen(page).get("q"), '{job="node"}');
  await page.context().close();
});

test("both languages, both themes and a small window, without violations", async () => {
  const address = "#/explore?q=node_load1&q=sum+by+(mode)+(rate(node_cpu_seconds_total%5B5s%5D))&range=5m";
  for (const [width, height] of [[1440, 900], [360, 800]]) {
    const { page, problems } = await open(address, { viewport: { width, height } });
    for (const action of ["theme", "language", "theme"]) {
      for (const view of ["graph", "table"]) {
        await page.locator(`[data-view="${view}"]`).click();
        await page.locator(view === "graph" ? ".lines td" : ".found td").first().waitFor();
        await page.locator(".shown.waiting").waitFor({ state: "detached" });
        assert.deepEqual(await violations(page), []);
        const [theme, lang] = await page.evaluate(() => [document.documentElement.dataset.theme, document.documentElement.lang]);
        await page.screenshot({ path: `${OUT}explore-${view}-${theme}-${lang}-${width}.png` });
        const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(inner <= outer, `${view}: ${inner} px wide in a window of ${outer}`);
      }
      await page.locator(`[data-action="${action}"]`).click();
    }
    await page.getByRole("heading", { name: "指标探索" }).waitFor({ state: "attached" });
    assert.deepEqual(wrong(problems), []);
    await page.context().close();
  }
});

test("the content policy refuses nothing of the editor", async () => {
  const { page, problems } = await open("#/explore");
  await loaded(page);
  await editor(page).click();
  await page.keyboard.type("rate(node_load1) + node_load5{");
  await page.locator(".cm-tooltip-autocomplete").getByRole("option").first().waitFor();
  await page.waitForTimeout(1_500); // the editor's own marks come after a pause
  assert.equal(await page.locator(".cm-lintRange").first().count(), 1);
  assert.deepEqual(await page.evaluate(() => globalThis.refused), []);
  assert.deepEqual(wrong(problems), []);
  const colours = await page.locator(".cm-line span").evaluateAll((spans) => spans.map((span) => getComputedStyle(span).color));
  assert.ok(new Set(colours).size > 2, `the query has colours: ${colours}`);

  // The listener hears what is refused: styles in the document, where editors commonly put them.
  await page.evaluate(() => document.head.append(Object.assign(document.createElement("style"), { textContent: "a{}" })));
  await until("a refusal", 5, async () => (await page.evaluate(() => globalThis.refused)).some((text) => text.startsWith("style-src")));
  await page.context().close();
});

test("without the editor's code a plain field does its work", async () => {
  const { page } = await openPage(browser);
  await page.route("**/assets/editor-*.js", (route) => route.abort());
  await page.goto(`${product.url}/#/explore`);
  await editor(page).fill("node_load1");
  await page.keyboard.press("Enter");
  await page.locator("canvas").waitFor();
  assert.equal(chosen(page).get("q"), "node_load1");
  assert.equal(await page.locator(".cm-content").count(), 0);
  assert.deepEqual(await violations(page), []);
  await page.context().close();
});

test("what is typed while a query begins is kept", async () => {
  const { page, problems } = await open("#/explore");
  await loaded(page);
  await editor(page).click();
  await page.keyboard.insertText("node_load1");
  // Both within one task, before the address has changed.
  await page.evaluate(() => {
    document.querySelector('[data-action="run"]').click();
    const root = document.querySelector(".editor > div").shadowRoot;
    root.querySelector(".cm-content").focus();
    document.execCommand("insertText", false, " + 1");
  });
  await page.locator("canvas").waitFor();
  assert.equal(await editor(page).textContent(), "node_load1 + 1");
  assert.equal(chosen(page).get("q"), "node_load1");
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("a chart of the overview opens here with its queries", async () => {
  const { page, problems } = await open("#/overview?range=5m");
  await page.locator('[data-panel="memory"] [data-action="chart-menu"]').click();
  await page.locator('[data-panel="memory"] a[role="menuitem"][href*="explore"]').click();
  await lines(page).first().waitFor();
  assert.equal(chosen(page).get("range"), "5m");
  assert.equal(chosen(page).getAll("q").length, 2);
  assert.match(chosen(page).get("q"), /node_memory_MemAvailable_bytes/);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});
