// The page Logs over the simulated deployment of `cargo xtask simulate`, whose logs tell of its incident.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { dress, openPage, settled, startBrowser, startProduct, until, violations, wrong } from "./world.mjs";

const FOLDER = process.env.MODELWATCH_TEST_SIMULATED;
const { end_ms: END } = JSON.parse(readFileSync(join(FOLDER, "simulated.json"), "utf8"));
const MINUTE = 60_000;
const RANGE = `from=${END - 60 * MINUTE}&to=${END}`;
const COUNT = /([\d,]+) lines?$/;
let product, browser;

before(async () => {
  [browser, product] = await Promise.all([
    startBrowser(),
    startProduct("retention = \"90d\"\n[collect]\ndiscover = false\n", join(FOLDER, "data")),
  ]);
});

after(() => Promise.all([browser?.close(), product?.end()]));

async function open(query, look = { language: "en", theme: "light" }, options = {}) {
  const opened = await openPage(browser, { viewport: { width: 1280, height: 900 }, ...options });
  await dress(opened.page, look);
  await opened.page.goto(`${product.url}/#/logs?${query}`);
  await settled(opened.page);
  return opened;
}

const rows = (page) => page.locator("[data-row]");
const found = (page) => until("a count", 20, async () => COUNT.exec(await page.locator("section.lines h2").innerText())?.[1]);
const number = (text) => Number(text.replaceAll(",", ""));

test("lines are listed, narrowed by chips, facets and words, and the address says so", async () => {
  const { page, problems } = await open(RANGE);
  const all = number(await found(page));
  assert.ok(all > 5_000, `${all} lines`);
  assert.ok((await rows(page).count()) < 100, "rows out of sight are made");

  await page.locator('[data-severity="error"]').click();
  await until("errors only", 20, async () => number(await found(page)) < all);
  assert.match(page.url(), /severity%3Aerror/);
  await until("errors only", 20, async () => (await rows(page).allInnerTexts()).every((text) => text.includes("error")));
  await page.locator('[data-severity="warn"]').click();
  await until("two severities", 20, () => page.url().includes("error+OR+warn"));
  await page.goBack();
  await page.goBack();
  await until("all lines again", 20, async () => number(await found(page)) === all);

  await page.locator('[data-facet="host"] .facet-value').filter({ hasText: "node-3" }).click();
  await until("one host", 20, async () => (await rows(page).count()) > 0 && (await rows(page).allInnerTexts()).every((text) => text.includes("node-3")));
  await page.locator('[data-facet="host"] .facet-value').filter({ hasText: "node-3" }).click({ modifiers: ["Alt"] });
  await until("all other hosts", 20, async () => /-host%3Anode-3/.test(page.url()) && !(await rows(page).allInnerTexts()).some((text) => text.includes("node-3:")));

  await page.locator('main [data-action="filter"]').fill("转发超时 ");
  await page.keyboard.press("Enter");
  await until("a word in Chinese", 20, async () => (await page.locator("[data-row] mark").count()) > 0);
  assert.equal(await page.locator("[data-row] mark").first().innerText(), "转发超时");
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("ten thousand lines are reached by scrolling, and the keyboard opens one", async () => {
  const { page, problems } = await open(RANGE);
  const all = number(await found(page));
  const box = page.locator(".rows-of-logs .scrolled");
  const wanted = Math.min(all, 10_000);
  await until("the last line", 60, async () => {
    await box.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    return (await rows(page).last().getAttribute("aria-posinset")) === String(wanted);
  });
  assert.ok((await rows(page).count()) < 100, "rows out of sight are made");
  await box.evaluate((element) => element.scrollTo(0, 0));
  await until("the first line", 20, async () => (await rows(page).first().getAttribute("aria-posinset")) === "1");
  await page.locator("h1").click({ force: true });
  for (let at = 0; at < 3; at += 1) await page.keyboard.press("j");
  await page.keyboard.press("k");
  const place = () => page.evaluate(() => document.activeElement.closest("[data-row]")?.getAttribute("aria-posinset"));
  await until("the second line", 5, async () => (await place()) === "2");
  await page.keyboard.press("ArrowDown");
  await until("the third line", 5, async () => (await place()) === "3");
  await page.keyboard.press("Enter");
  await page.locator("[data-row] .whole").waitFor();
  assert.match(page.url(), /id=\d+&time=\d+/);
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press("Escape");
  await page.locator("[data-row] .whole").waitFor({ state: "detached" });
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("a traceback is folded, known, and opened by its link", async () => {
  const { page, problems } = await open(`${RANGE}&filter=${encodeURIComponent('"out of memory"')}`);
  const row = rows(page).first();
  await row.waitFor();
  assert.match(await row.innerText(), /EngineCore encountered a fatal error.*OutOfMemoryError: CUDA out of memory/s);
  assert.match(await row.innerText(), /\+ 8 lines/);
  await row.locator(".time").click();
  await page.locator(".whole pre").waitFor();
  assert.match(await page.locator(".whole pre").innerText(), /Traceback \(most recent call last\)/);
  assert.match(await page.locator(".whole .known").first().innerText(), /What it means.*What to do/s);
  await page.locator(".whole").getByRole("button", { name: "torch.OutOfMemoryError", exact: true }).waitFor();
  const link = await page.locator('[data-action="permalink"]').getAttribute("href");
  assert.deepEqual(await violations(page), []);
  await page.locator('[data-action="moment"]').click();
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.deepEqual(wrong(problems), []);
  await page.context().close();

  const other = await open(link.slice(link.indexOf("?") + 1), { language: "zh", theme: "dark" });
  await other.page.locator(".whole .known").first().getByText("处理办法").waitFor();
  assert.deepEqual(await violations(other.page), []);
  assert.deepEqual(wrong(other.problems), []);
  await other.page.context().close();
});

test("the histogram is a brush", async () => {
  const { page, problems } = await open(RANGE);
  const all = number(await found(page));
  const box = await page.locator(".histogram .bars").boundingBox();
  await page.mouse.move(box.x + box.width * 0.25, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 30, { steps: 5 });
  await page.mouse.up();
  await until("a quarter of the time", 20, async () => number(await found(page)) < all / 2);
  const [, from, to] = /from=(\d+)&to=(\d+)/.exec(page.url()) ?? [];
  assert.ok(Math.abs(Number(to) - Number(from) - 15 * MINUTE) < MINUTE, page.url());
  await page.keyboard.press("Escape");
  await until("the whole hour", 20, async () => number(await found(page)) === all);
  await page.locator('[data-action="histogram-table"]').click();
  const column = page.locator(".bar-table tbody tr td:last-child");
  await until("a row for each bar", 10, async () => (await column.count()) > 50);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("a filter that is not understood is told of at its place, in the reader's language", async () => {
  const { page, problems } = await open(`${RANGE}&filter=${encodeURIComponent("host:node-1 a) b")}`, { language: "zh", theme: "light" });
  const failure = page.locator("#filter-failure");
  await failure.waitFor();
  assert.match(await failure.innerText(), /无法识别/);
  assert.equal(await failure.locator("mark").innerText(), ")");
  assert.deepEqual(await violations(page), []);
  // The browser itself says of the refused filter that it was refused.
  assert.deepEqual(problems.filter((problem) => !problem.includes("400")), []);
  await page.context().close();
});

test("that the server does not answer is said, and the lines that were there stay", async () => {
  const { page } = await open(RANGE, { language: "zh", theme: "dark" });
  await rows(page).first().waitFor();
  await page.route("**/api/mw/v1/logs?*", (route) => route.abort());
  await page.locator('[data-severity="error"]').click();
  await page.getByRole("alert").filter({ hasText: "服务器没有响应" }).waitFor();
  assert.ok((await rows(page).count()) > 0);
  await page.context().close();
});

test("files have the lines of the question", async () => {
  const { page } = await open(`${RANGE}&filter=${encodeURIComponent("severity:error")}`);
  await rows(page).first().waitFor();
  const load = async (format) => {
    await page.locator('[data-action="export"]').click();
    const [file] = await Promise.all([page.waitForEvent("download"), page.locator(`[data-export="${format}"]`).click()]);
    return readFileSync(await file.path(), "utf8");
  };
  assert.ok((await load("ndjson")).split("\n").filter(Boolean).every((line) => JSON.parse(line)));
  assert.match(await load("csv"), /time.*severity.*\n.*OutOfMemoryError/s);
  await page.context().close();
});

test("patterns lead to their lines", async () => {
  const { page, problems } = await open(`${RANGE}&view=patterns`, { language: "zh", theme: "dark" });
  const pattern = page.locator("[data-pattern]").filter({ hasText: "Package temperature above threshold" });
  await pattern.waitFor();
  assert.deepEqual(await violations(page), []);
  const count = Number(await pattern.locator("td.number").innerText());
  await pattern.locator("button").click();
  await until("its lines", 20, async () => (await rows(page).count()) === count);
  assert.ok((await rows(page).allInnerTexts()).every((text) => text.includes("cpu clock throttled")));
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("what the logs say is said in both languages, with what to do and the lines", async () => {
  const { page, problems } = await open(`${RANGE}&view=findings`);
  const finding = page.locator('[data-finding="vllm.engine_fatal"]');
  await finding.waitFor();
  assert.match(await page.locator(".finding").first().innerText(), /fatal.*What it means.*What to do.*Restart vLLM/s);
  await finding.locator("summary").click();
  await finding.locator(".evidence-lines").getByText("EngineCore encountered a fatal error").waitFor();
  assert.deepEqual(await violations(page), []);
  await page.locator('[data-action="language"]').click();
  await finding.getByText("重启 vLLM").waitFor();
  await finding.getByRole("link", { name: "相关日志" }).click();
  await until("its lines", 20, async () => (await rows(page).count()) === 1);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();

  const engine = await openPage(browser);
  await engine.page.goto(`${product.url}/#/engines?engine=node-1%3A8000&${RANGE}`);
  await engine.page.locator('[data-card="findings"] [data-finding="vllm.engine_fatal"]').waitFor();
  await until("its last lines", 20, async () => (await engine.page.locator('[data-card="logs"] li').count()) > 5);
  assert.deepEqual(wrong(engine.problems), []);
  await engine.page.context().close();
});

test("the drawer of a moment has its logs, and leads to them", async () => {
  const { page, problems } = await openPage(browser);
  await page.goto(`${product.url}/#/overview?${RANGE}&at=${END - 10 * MINUTE}`);
  const logs = page.getByRole("dialog").locator('[aria-labelledby="moment-logs"]');
  await logs.getByText("EngineCore encountered a fatal error").waitFor();
  await logs.getByRole("link", { name: "Open in Logs" }).click();
  await rows(page).first().waitFor();
  const [, from, to] = /from=(\d+)&to=(\d+)/.exec(page.url()) ?? [];
  assert.equal(Number(to) - Number(from), 2 * MINUTE);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("searches are saved for all, and deleted", async () => {
  const { page, problems } = await open(`${RANGE}&filter=${encodeURIComponent("severity:warn")}`);
  await page.locator('[data-action="saved"]').click();
  await page.locator("[data-saved-name]").fill("warnings <b>");
  await page.keyboard.press("Enter");
  await page.locator('[data-search="warnings <b>"]').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.context().close();

  const other = await open(RANGE);
  await other.page.locator('[data-action="saved"]').click();
  await other.page.locator('[data-search="warnings <b>"]').click();
  await until("the filter", 20, () => other.page.url().includes("severity%3Awarn"));
  await other.page.locator('[data-action="saved"]').click();
  await other.page.getByRole("button", { name: "Delete warnings <b>" }).click();
  await other.page.locator('[data-search="warnings <b>"]').waitFor({ state: "detached" });
  assert.deepEqual(wrong([...problems, ...other.problems]), []);
  await other.page.context().close();
});

/** Lines as a shipper of logs sends them. */
async function push(url, bodies) {
  const values = bodies.map((body, at) => [String((BigInt(Date.now()) * 1_000n + BigInt(at)) * 1_000n), body]);
  const answer = await fetch(`${url}/loki/api/v1/push`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ streams: [{ stream: { service_name: "pushed" }, values }] }),
  });
  assert.ok(answer.ok, `${answer.status}`);
}

test("lines appear as they come, wait for who reads, are never more than text, and too many are counted", async () => {
  const { page, problems } = await open("");
  await page.locator('[data-tail="on"]').waitFor();
  await push(product.url, ["one \u001b[31mred <img src=x onerror=alert(1)> \u202eevil"]);
  const first = rows(page).filter({ hasText: "<img src=x" });
  await first.waitFor();
  assert.equal(await page.locator("img[src=x]").count(), 0, "a line became a part of the page");
  assert.match(await first.innerText(), /one red.*\\u202eevil/);

  await push(product.url, Array.from({ length: 60 }, (_, at) => `fill ${at}`));
  await until("all of them", 20, async () => (await rows(page).first().innerText()).includes("fill 59"));
  await page.locator(".rows-of-logs .scrolled").evaluate((element) => element.scrollTo(0, 26 * 30));
  await until("another place", 5, async () => (await page.locator(".rows-of-logs .scrolled").evaluate((element) => element.scrollTop)) > 700);
  const seen = () => page.evaluate(() => {
    const box = document.querySelector(".rows-of-logs .scrolled").getBoundingClientRect();
    return document.elementFromPoint(box.left + 60, box.top + 40).closest("[data-row]").innerText;
  });
  const before = await seen();
  await push(product.url, ["late 1", "late 2"]);
  await page.locator('[data-action="to-top"]').getByText("2 new lines").waitFor();
  assert.equal(await seen(), before, "what was read moved away");
  await page.locator('[data-action="to-top"]').click();
  await until("the newest", 10, async () => (await rows(page).first().innerText()).includes("late 2"));

  // A line that has just come is opened, and its number is looked up.
  await rows(page).first().locator(".time").click();
  await page.locator('.whole [data-action="permalink"]').waitFor();
  await page.locator('.whole [data-action="context"]').click();
  await page.locator(".context").getByText("late 1").waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press("Escape");

  for (let batch = 0; batch < 5; batch += 1) await push(product.url, Array.from({ length: 400 }, (_, at) => `flood ${batch} ${at}`));
  await page.getByText(/lines came too fast/).waitFor();

  await page.keyboard.press(".");
  await page.locator('[data-tail="off"]').waitFor();
  assert.match(page.url(), /from=\d+&to=\d+/);
  assert.deepEqual(wrong(problems), []);
  await page.context().close();
});

test("without any logs the page says why, and how to have some", async () => {
  for (const look of [{ language: "en", theme: "light" }, { language: "zh", theme: "dark" }]) {
    const { page, problems } = await openPage(browser);
    await dress(page, look);
    // Every machine has messages of its kernel: the empty answer is a stand-in.
    await page.route("**/api/mw/v1/logs?*", (route) => route.fulfill({ json: { lines: [], next: null, total: 0, damaged: 0 } }));
    await page.goto(`${product.url}/#/logs`);
    await page.getByRole("heading", { name: look.language === "zh" ? "尚无日志" : "No logs yet" }).waitFor();
    await page.getByText("[[log_file]]").waitFor();
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(wrong(problems), []);
    await page.context().close();
  }
});
