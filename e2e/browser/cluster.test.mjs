// Every page over the simulated deployment of `cargo xtask simulate`: 4 nodes, 28 accelerators, an incident. With
// MODELWATCH_SCREENSHOTS=FOLDER the pictures of the pages are written there.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { dress, openPage, settled, startBrowser, startProduct, until, violations } from "./world.mjs";

const FOLDER = process.env.MODELWATCH_TEST_SIMULATED;
const PICTURES = process.env.MODELWATCH_SCREENSHOTS;
const { end_ms: END } = JSON.parse(readFileSync(join(FOLDER, "simulated.json"), "utf8"));
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The whole hour, with the incident in its middle. */
const RANGE = `from=${END - HOUR}&to=${END}`;
const LOOKS = [
  { name: "light-en", language: "en", theme: "light" },
  { name: "dark-zh", language: "zh", theme: "dark" },
  { name: "light-zh-contrast", language: "zh", theme: "light", contrast: "high" },
  { name: "dark-en-contrast", language: "en", theme: "dark", contrast: "high" },
  { name: "light-zh", language: "zh", theme: "light" },
  { name: "dark-en", language: "en", theme: "dark" },
];
/** A screen full of lines makes a larger file than the repository takes, so that only its upper part is in the picture. */
const CLIPS = { logs: { x: 0, y: 0, width: 1440, height: 600 } };
/** The looks of which pictures are kept. */
const PICTURED = 2;
/** What each page has to show, because an empty one has nothing wrong with it either. */
const SHOWN = {
  overview: /node-2\/gpu3/,
  engines: /node-1:8000/,
  requests: /12,\d{3}|1\d,\d{3}/,
  gpus: /node-4\/gpu3/,
  logs: /Qwen3-32B/,
  network: /node-3:30000/,
  alerts: /\(\d{3}\)|\d{3} 条规则/,
  reports: /A new report|新建报告/,
  explore: /PromQL|node_|up/,
  keys: /assistant/,
  sources: /storage/,
  settings: /MIT|Apache/,
  engine: /--max-num-seqs/,
  moment: /KV/,
};
/** Pages with something chosen on them. */
const DETAILS = [
  { name: "engine", hash: `#/engines?engine=node-1%3A8000&${RANGE}` },
  { name: "moment", hash: `#/overview?${RANGE}&at=${END - 30 * MINUTE}`, size: { width: 1280, height: 800 } },
];
const nameOf = (hash) => hash.replace("#/", "").split("?")[0];

let product, browser, routes;

before(async () => {
  if (PICTURES) mkdirSync(PICTURES, { recursive: true });
  [browser, product] = await Promise.all([
    startBrowser(),
    startProduct("retention = \"90d\"\n[collect]\ndiscover = false\n", join(FOLDER, "data")),
  ]);
  const { page } = await open("#/overview", LOOKS[0]);
  routes = await page.locator("header nav a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  await page.context().close();
});

after(async () => {
  await Promise.all([browser?.close(), product?.end()]);
});

async function open(hash, look, size = { width: 1440, height: 900 }, name = undefined) {
  const opened = await openPage(browser, { viewport: size });
  await dress(opened.page, look);
  await opened.page.goto(`${product.url}/${hash}`);
  await settled(opened.page, SHOWN[name]);
  return opened;
}

/**
 * Sentences in English that a Chinese page shows: three words in a row that begin with small letters. What comes from
 * outside is marked as such, by its language or as code.
 */
const untranslated = (page) =>
  page.evaluate(() => {
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const { parentElement, textContent } = texts.currentNode;
      if (parentElement.closest('[lang="en"], code, pre, .code, script, style, .cm-editor')) continue;
      if (/\b[A-Za-z]?[a-z]{2,} [a-z]+ [a-z]{2,}\b/.test(textContent)) found.push(textContent.trim());
    }
    for (const one of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
      if (one.closest('[lang="en"], code, pre, .code, .cm-editor')) continue;
      for (const name of ["aria-label", "title", "placeholder"]) {
        const text = one.getAttribute(name) ?? "";
        if (/\b[A-Za-z]?[a-z]{2,} [a-z]+ [a-z]{2,}\b/.test(text) && !/[({]/.test(text)) found.push(`${name}: ${text}`);
      }
    }
    return [...new Set(found)];
  });

const isWide = (page) => page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);

test("there are pages to look at, and it is known what they show", () => {
  assert.ok(routes.length >= 9, routes.join(" "));
  for (const hash of routes) assert.ok(SHOWN[nameOf(hash)], hash);
});

for (const [place, look] of LOOKS.entries()) {
  test(`every page, ${look.name}: no violations, nothing on the console, nothing beside the screen`, async (context) => {
    for (const route of [...routes.map((hash) => ({ name: nameOf(hash), hash: `${hash}?${RANGE}` })), ...DETAILS]) {
      await context.test(route.name, async () => {
        const { page, problems } = await open(route.hash, look, route.size, route.name);
        if (PICTURES && place < PICTURED) {
          await page.screenshot({ path: join(PICTURES, `${route.name}-${look.name}.png`), clip: CLIPS[route.name] });
        }
        assert.equal(await page.locator("main [role=alert]").count(), 0);
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(problems, []);
        assert.equal(await isWide(page), false);
        if (look.language === "zh") assert.deepEqual(await untranslated(page), []);
        await page.context().close();
      });
    }
  });
}

test("every page fits a telephone", async () => {
  for (const hash of routes) {
    const { page } = await open(`${hash}?${RANGE}`, LOOKS[0], { width: 390, height: 844 }, nameOf(hash));
    assert.equal(await isWide(page), false, hash);
    await page.context().close();
  }
});

test("all accelerators are shown, and what is not told is no zero", async () => {
  const { page } = await open(`#/gpus?${RANGE}`, LOOKS[0]);
  const text = await page.locator("main").innerText();
  for (const [node, cards] of [["node-1", 8], ["node-2", 8], ["node-3", 8], ["node-4", 4]]) {
    for (let index = 0; index < cards; index += 1) assert.ok(text.includes(`${node}/gpu${index}`), `${node}/gpu${index}`);
  }
  assert.match(text, /n\/a/);
  await page.context().close();
});

test("a moment of the incident names its likely cause", async () => {
  const { page } = await open(`#/overview?${RANGE}&at=${END - 30 * MINUTE}`, LOOKS[0]);
  const drawer = page.getByRole("dialog");
  await drawer.waitFor();
  await until("a cause", 20, async () => /KV cache/i.test(await drawer.innerText()));
  await page.keyboard.press("Escape");
  await drawer.waitFor({ state: "detached" });
  assert.ok(!page.url().includes("at="));
  await page.context().close();
});

test("the keyboard moves the cursor of all charts, and looks into a moment", async () => {
  const { page, problems } = await open(`#/overview?${RANGE}`, LOOKS[0], undefined, "overview");
  const chart = page.locator('[data-panel="ttft"] [role=slider]');
  await chart.focus();
  await page.keyboard.press("Home");
  for (let at = 0; at < 20; at += 1) await page.keyboard.press("Shift+ArrowRight");
  const [, minute] = await until("what is read out", 5, async () => /(\d\d:\d\d): p95 \d/.exec(await chart.getAttribute("aria-valuetext")));
  // Of one row and of several, each over points of its own.
  for (const panel of ["queue", "tokens", "gpus"]) {
    await until(`the cursor of ${panel} at ${minute}`, 5, async () => (await page.locator(`[data-panel="${panel}"] header .note`).innerText()).startsWith(minute));
  }
  // What is closed before it is answered counts as one.
  assert.deepEqual(problems, []);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  assert.match(page.url(), /at=\d+/);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.context().close();
});

for (const [panel, column] of [["ttft_map", /^\ufefftime,20 ms to 40 ms/], ["ttft", /^\ufefftime,p95,p50,p99/], ["tokens", /^\ufefftime,prefill,decode/], ["gpus", /^\ufefftime,"utilisation, highest"/]]) {
  test(`${panel} is a picture, a file and a table`, async () => {
    const { page, problems } = await open(`#/overview?${RANGE}`, LOOKS[0], undefined, "overview");
    const choose = async (item) => {
      await page.locator(`[data-panel="${panel}"] [data-action="chart-menu"]`).click();
      await page.locator(`[data-panel="${panel}"] [data-item="${item}"]`).click();
    };
    const [picture] = await Promise.all([page.waitForEvent("download"), choose("png")]);
    assert.equal(readFileSync(await picture.path()).subarray(1, 4).toString(), "PNG");
    const [file] = await Promise.all([page.waitForEvent("download"), choose("csv")]);
    assert.match(readFileSync(await file.path(), "utf8"), column);
    await choose("table");
    await page.locator(`[data-panel="${panel}"] .numbers td.number`).first().waitFor();
    assert.equal(await page.locator(`[data-panel="${panel}"] canvas`).count(), 0);
    assert.deepEqual(problems, []);
    await page.context().close();
  });
}

test("that the server does not answer is said in the reader's language, on each chart", async () => {
  const { page } = await open(`#/overview?${RANGE}`, LOOKS[1], undefined, "overview");
  await page.route("**/api/mw/v1/range", (route) => route.abort());
  await page.evaluate((hash) => { location.hash = hash; }, `#/overview?from=${END - 2 * HOUR}&to=${END - HOUR}`);
  await page.locator('[data-panel="queue"]').getByText("服务器没有响应。").waitFor();
  assert.equal((await page.locator("main").innerText()).includes("Failed to fetch"), false);
  await page.context().close();
});

test("names with HTML in them are text", async () => {
  const hash = `#/explore?q=${encodeURIComponent('label_replace(vector(1), "x", "<img src=x onerror=alert(1)>", "", "")')}`;
  const { page, problems } = await open(hash, LOOKS[0]);
  await page.getByRole("region", { name: "Series" }).locator("tbody").getByText("<img src=x").waitFor();
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  assert.deepEqual(problems, []);
  await page.context().close();
});

test("addresses that make no sense are survived", async () => {
  for (const [hash, route] of [["#/nowhere", "overview"], ["#/engines?engine=%F0%9F", "engines"], ["#/gpus?device=nobody", "gpus"], ["#/network?engine=nobody", "network"]]) {
    const { page, problems } = await open(hash, LOOKS[0]);
    await page.locator(`main[data-route="${route}"] h1`).waitFor();
    assert.deepEqual(problems, [], hash);
    await page.context().close();
  }
});

test("ranges that make no sense are said", async () => {
  for (const hash of ["#/overview?from=9&to=1", "#/overview?range=99y", "#/gpus?from=x&to=y", "#/overview?at=soon"]) {
    const { page, problems } = await open(hash, LOOKS[0]);
    await page.getByRole("alert").filter({ hasText: "makes no sense" }).waitFor();
    assert.deepEqual(problems, [], hash);
    await page.context().close();
  }
});

test("a browser whose clock is wrong shows the server's time, and is told", async () => {
  for (const [minutes, said] of [[10, "10\\.0+ min ahead"], [-10, "10\\.0+ min behind"]]) {
    const { page, problems } = await openPage(browser);
    await page.addInitScript((offset) => {
      const [Real, now] = [Date, Date.now];
      globalThis.Date = class extends Real {
        constructor(...parts) {
          super(...(parts.length === 0 ? [now() + offset] : parts));
        }
        static now() {
          return now() + offset;
        }
      };
    }, minutes * MINUTE);
    const asked = page.waitForResponse((response) => response.url().includes("/api/mw/v1/range"));
    await page.goto(`${product.url}/#/overview?range=5m`);
    const { now } = await (await asked).json();
    await page.locator("[data-skew]").waitFor();
    assert.match(await page.locator("[data-skew]").innerText(), new RegExp(said));
    // What is asked for afterwards goes by the server's clock.
    const again = page.waitForRequest((request) => request.url().includes("/api/mw/v1/range"));
    await page.keyboard.press("]");
    await page.keyboard.press(".");
    const end = Number(new URLSearchParams((await again).postData()).get("end"));
    assert.ok(Math.abs(end - now) < MINUTE, `${end - now} ms`);
    // What was being asked for the former range is no longer wanted.
    assert.deepEqual(problems.filter((problem) => !problem.endsWith("ERR_ABORTED")), []);
    await page.context().close();
  }
});
