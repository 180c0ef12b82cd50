// Requests through the gateway to the real engine, on the pages that show them.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { freePort, openPage, startBrowser, startEngine, startProduct, until, violations } from "./world.mjs";

const OUT = new URL("../out/", import.meta.url).pathname;
const HOSTILE = "<img src=x onerror=alert(1)>";
let engine, product, browser, gateway, key;

const ask = (body, headers = {}) =>
  fetch(`${gateway}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
const messages = [{ role: "user", content: "Tell me of the sea." }];

before(async () => {
  mkdirSync(OUT, { recursive: true });
  [engine, browser] = await Promise.all([startEngine(), startBrowser()]);
  const port = await freePort();
  gateway = `http://127.0.0.1:${port}`;
  product = await startProduct(
    `[gateway]\nlisten = "127.0.0.1:${port}"\nanonymous = "allow"\n[[gateway.upstream]]\nname = "local"\nurl = "${engine.url}"\n`,
  );
  const words = ["key", "create", "team a", "--tokens-per-day", "100000", "--config", product.config];
  key = execFileSync(process.env.MODELWATCH_BIN, words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  await until("the key", 20, async () => {
    const answer = await ask({ max_tokens: 8, stream: true, messages }, { authorization: `Bearer ${key}` });
    await answer.text();
    return answer.ok;
  });
  // A model's name comes from outside and is shown.
  await (await ask({ model: HOSTILE, max_tokens: 4, messages })).text();
  assert.equal((await fetch(`${gateway}/slots`)).status, 403);
});

after(() => Promise.all([browser?.close(), product?.end(), engine?.end()]));

test("requests are listed, filtered and opened, and nothing of them executes", async () => {
  const { page, problems } = await openPage(browser);
  await page.goto(`${product.url}/#/requests`);
  const rows = page.locator("[data-row]");
  await until("the list", 20, async () => (await rows.count()) >= 3);
  assert.match(await rows.allTextContents().then((all) => all.join("\n")), /team a/);
  await page.screenshot({ path: `${OUT}requests-light-en.png` });
  assert.deepEqual(await violations(page), []);

  const filter = page.locator('[data-action="filter"]');
  await filter.fill('key_name:"team a" outcome:ok ');
  await page.locator('[data-action="search"]').click();
  await until("the filter", 20, async () => (await rows.count()) > 0 && (await rows.allTextContents()).every((text) => text.includes("team a")));
  await rows.first().locator(".col-time a").click();
  await page.locator('[data-action="close"]').waitFor();
  assert.match(await page.locator("main").textContent(), /smollm2-135m/);
  assert.match(page.url(), /team(%20|\+)a/, "the address does not say what is shown");
  await page.screenshot({ path: `${OUT}requests-detail.png` });
  assert.deepEqual(await violations(page), []);

  await page.goto(`${product.url}/#/requests`);
  await page.locator('[data-action="filter"]').fill("nonsense:1 ");
  await page.locator('[data-action="search"]').click();
  await page.locator("#filter-failure").waitFor();
  assert.match(await page.locator("#filter-failure").textContent(), /no field nonsense/);
  assert.equal(await page.locator("img[src=x]").count(), 0, "a name became a part of the page");
  // The browser itself says of the refused filter that it was refused.
  assert.deepEqual(problems.filter((problem) => !problem.includes("400")), []);
  await page.context().close();
});

test("keys and what they used are shown in both languages", async () => {
  const { page, problems } = await openPage(browser, { locale: "zh-CN", colorScheme: "dark" });
  await page.goto(`${product.url}/#/keys`);
  const row = page.locator("[data-key]");
  await row.waitFor();
  assert.match(await row.textContent(), /team a.*100,000/s);
  assert.ok(!(await page.content()).includes(key), "the key itself is on the page");
  await page.screenshot({ path: `${OUT}keys-dark-zh.png` });
  assert.deepEqual(await violations(page), []);
  await page.locator('[data-action="language"]').click();
  await page.getByRole("heading", { name: "Keys", exact: true }).waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(problems, []);
  await page.context().close();
});

test("without a gateway the page says how to have one", async () => {
  const plain = await startProduct();
  const { page, problems } = await openPage(browser);
  await page.goto(`${plain.url}/#/requests`);
  await page.getByText("[[gateway.upstream]]").waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(problems, []);
  await page.context().close();
  await plain.end();
});
