// What `cargo xtask bench page` measures in a real browser. Arguments: minutes of a soak, or 0 for everything else, and the file into which the
// figures go as JSON, `[{table, row, column, value}, ...]`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { openPage, startBrowser, startProduct, until } from "./world.mjs";

const [CHARTS, LINES, SECONDS] = [40, 4, 3_600];
const [SOAK_MINUTES, FIGURES] = [Number(process.argv[2]), process.argv[3]];
/** Pages that are built from `ui/bench`. */
const PAGES = resolve(process.env.MODELWATCH_BENCH_PAGE);
const SIMULATED = process.env.MODELWATCH_TEST_SIMULATED;
const LIGHTHOUSE = process.env.MODELWATCH_LIGHTHOUSE;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

const figures = [];
function figure(table, row, column, value) {
  figures.push({ table, row, column, value });
  console.log(`${table}: ${row} [${column}]: ${value.toFixed(2)}`);
}
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Values that move, the same at each run. */
const valueAt = (chart, line, second) =>
  50 + 30 * Math.sin(second / (40 + 3 * chart) + line) + (((second * 2_654_435_761 + chart * 97 + line * 31) >>> 0) % 1_000) / 50;

function exposition(second, extra, stamp) {
  let text = "";
  for (let chart = 0; chart < CHARTS; chart += 1) {
    for (let line = 0; line < LINES; line += 1) {
      text += `bench_value{chart="${chart}",line="${line}"${extra}} ${valueAt(chart, line, second)}${stamp}\n`;
    }
  }
  return text;
}

/** Something to read every second. */
async function startTarget() {
  const server = createServer((_, answer) => answer.end(exposition(Math.floor(Date.now() / 1_000), "", "")));
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { address: `127.0.0.1:${server.address().port}`, end: () => server.close() };
}

/** Stores the hour before now, as the scrapes go on with it. */
async function fillHour(product, target) {
  const folder = mkdtempSync(join(tmpdir(), "modelwatch-hour-"));
  const file = join(folder, "hour.txt");
  const now = Math.floor(Date.now() / 1_000);
  const lines = [];
  for (let second = now - SECONDS - 60; second < now; second += 1) {
    lines.push(exposition(second, `,instance="${target.address}",job="bench"`, ` ${second * 1_000}`));
  }
  writeFileSync(file, lines.join(""));
  const child = spawn(process.env.MODELWATCH_BIN, ["import", "--url", product.url, file], { stdio: ["ignore", "ignore", "inherit"] });
  const code = await new Promise((done) => child.once("exit", done));
  rmSync(folder, { recursive: true });
  if (code !== 0) throw new Error("the hour could not be stored");
}

/** A page of `ui/bench` under the product's own address, so that its API and its live socket are the real ones. */
async function openBench(browser, product, show, hash = "") {
  const opened = await openPage(browser, { viewport: { width: 1_860, height: 2_100 } });
  await opened.page.route("**/bench/**", (route) => {
    const name = new URL(route.request().url()).pathname.replace(/^\/bench\//, "") || "index.html";
    const file = join(PAGES, name);
    if (!existsSync(file)) return route.fulfill({ status: 404 });
    return route.fulfill({ body: readFileSync(file), contentType: TYPES[extname(file)] });
  });
  await opened.page.goto(`${product.url}/bench/?show=${show}${hash}`);
  return opened;
}

/** The main thread's CPU time, and the heap after what nobody needs was thrown away. */
async function meter(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return {
    cpu: async () => {
      const { metrics } = await session.send("Performance.getMetrics");
      return 1e3 * metrics.find(({ name }) => name === "TaskDuration").value;
    },
    heap: async () => {
      await session.send("HeapProfiler.collectGarbage");
      return (await session.send("Runtime.getHeapUsage")).usedSize;
    },
  };
}

/** CPU time of a process in milliseconds. */
function processCpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

async function updates(browser, product, show, hash, row) {
  const { page } = await openBench(browser, product, show, hash);
  await until("the drawings", 60, async () => (await page.locator(".u-over").count()) === CHARTS);
  if (show === "points") {
    await until("all points", 60, async () => {
      const held = await page.locator("[data-points]").evaluateAll((all) => all.map((one) => Number(one.dataset.points)));
      return held.every((count) => count > 0.98 * SECONDS);
    });
  }
  const { cpu, heap } = await meter(page);
  await pause(5_000);
  const SPAN = 30;
  const [before, server, from] = [await cpu(), processCpu(product.child.pid), Date.now()];
  await pause(SPAN * 1_000);
  const seconds = (Date.now() - from) / 1_000;
  figure("charts", "main thread, ms per update of all 40", row, ((await cpu()) - before) / seconds);
  figure("charts", "server, ms of CPU per second", row, (processCpu(product.child.pid) - server) / seconds);
  figure("charts", "heap of the page, MB", row, (await heap()) / 1e6);
  await page.context().close();
}

/** What one frame of scrolling through 10,000 rows takes. */
async function rows(browser, product) {
  const { page } = await openBench(browser, product, "rows");
  await page.locator("tbody tr").first().waitFor();
  const seen = await page.evaluate(async () => {
    const box = [...document.querySelectorAll("*")].find((one) => one.scrollHeight > 100_000 && getComputedStyle(one).overflowY !== "visible");
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const gaps = [];
    let last = await frame();
    for (let at = 0; at < 200; at += 1) {
      box.scrollTop += 1_571;
      const now = await frame();
      gaps.push(now - last);
      last = now;
    }
    return { gaps, rows: document.querySelectorAll("tbody tr").length };
  });
  const sorted = seen.gaps.toSorted((a, b) => a - b);
  figure("others", "10,000 rows: frame while scrolling, p50, ms", 0, sorted[100]);
  figure("others", "10,000 rows: frame while scrolling, p99, ms", 0, sorted[197]);
  figure("others", "10,000 rows: rows that are made", 0, seen.rows);
  await page.context().close();
}

/** What the first look at the overview loads. */
async function firstLoad(browser, product) {
  const { page } = await openPage(browser);
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  const kinds = new Map();
  let bytes = 0;
  session.on("Network.responseReceived", ({ requestId, type }) => kinds.set(requestId, type));
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (["Script", "Stylesheet"].includes(kinds.get(requestId))) bytes += encodedDataLength;
  });
  await page.goto(product.url);
  await page.locator('[data-panel="cpu"] canvas').waitFor();
  await pause(2_000);
  figure("others", "first load: script and style as sent, kB", 0, bytes / 1e3);
  await page.context().close();
}

async function tabs(browser, product) {
  const costs = async () => {
    const [before, from] = [processCpu(product.child.pid), Date.now()];
    await pause(10_000);
    return (1_000 * (processCpu(product.child.pid) - before)) / (Date.now() - from);
  };
  const opened = [];
  const open = async () => {
    const { page } = await openPage(browser);
    await page.goto(`${product.url}/#/overview?range=5m`);
    await page.locator('[data-connection="live"]').waitFor();
    opened.push(page);
  };
  figure("others", "server, ms of CPU per second: no page", 0, await costs());
  await open();
  await pause(3_000);
  figure("others", "server, ms of CPU per second: one tab with the overview", 0, await costs());
  for (let tab = 1; tab < 10; tab += 1) await open();
  await pause(3_000);
  figure("others", "server, ms of CPU per second: ten tabs", 0, await costs());
  for (const page of opened) await page.context().close();
}

/** The time from a click until everything that it asked for is drawn. */
async function month(browser) {
  const { page } = await openPage(browser);
  await page.addInitScript(() => {
    const asked = { pending: 0, ended: 0 };
    const plain = globalThis.fetch;
    globalThis.fetch = async (...question) => {
      asked.pending += 1;
      try {
        const answer = await plain(...question);
        const whole = await answer.clone().arrayBuffer();
        return new Response(whole, answer);
      } finally {
        asked.pending -= 1;
        requestAnimationFrame(() => requestAnimationFrame((time) => (asked.ended = time)));
      }
    };
    globalThis.asked = asked;
  });

  const product = await startProduct("retention = \"90d\"\n[collect]\ndiscover = false\n", join(SIMULATED, "data"));
  try {
    const { end_ms: end } = JSON.parse(readFileSync(join(SIMULATED, "simulated.json"), "utf8"));
    const span = (hours) => `from=${end - hours * 3_600_000}&to=${end}`;
    const times = [];
    for (let round = 0; round < 5; round += 1) {
      await page.goto(`${product.url}/#/overview?${span(1)}`);
      await page.reload();
      await page.locator(".u-over").first().waitFor();
      await pause(3_000);
      const begun = await page.evaluate((hash) => {
        const now = performance.now();
        location.hash = hash;
        return now;
      }, `/overview?${span(720)}`);
      await pause(300);
      await until("all answers", 30, () => page.evaluate(() => globalThis.asked.pending === 0));
      await pause(500);
      assert.match(await page.locator("main").innerText(), /node-4/);
      times.push((await page.evaluate(() => globalThis.asked.ended)) - begun);
    }
    console.log(`30 days: ${times.map((time) => time.toFixed(0)).join(", ")} ms`);
    figure("others", "overview over 30 days of 28 accelerators: click until drawn, ms", 0, median(times));
    figure("others", "the slowest of 5, ms", 0, Math.max(...times));
  } finally {
    await page.context().close();
    await product.end();
  }
}

async function lighthouse(product) {
  const folder = mkdtempSync(join(tmpdir(), "modelwatch-lighthouse-"));
  const file = join(folder, "report.json");
  const flags = "--headless=new --no-sandbox --disable-gpu";
  const options = ["--preset=desktop", "--quiet", "--output=json", `--output-path=${file}`, `--chrome-flags=${flags}`];
  const child = spawn(process.execPath, [LIGHTHOUSE, product.url, ...options], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, CHROME_PATH: process.env.CHROMIUM },
  });
  await new Promise((done) => child.once("exit", done));
  const { categories, audits } = JSON.parse(readFileSync(file, "utf8"));
  for (const [name, { score }] of Object.entries(categories)) figure("others", `Lighthouse: ${name}`, 0, Math.round(100 * score));
  figure("others", "Lighthouse: largest contentful paint, ms", 0, audits["largest-contentful-paint"].numericValue);
  for (const [id, { score, scoreDisplayMode }] of Object.entries(audits)) {
    if (score !== null && score < 1 && scoreDisplayMode !== "informative") console.log(`lighthouse: ${id} ${score}`);
  }
  rmSync(folder, { recursive: true });
}

/** Two pages that live on: forty drawings with every second of an hour, and the overview. */
async function soak(browser, product) {
  const { page: drawings } = await openBench(browser, product, "points", "#/?range=1h");
  const { page: overview } = await openPage(browser);
  await overview.goto(`${product.url}/#/overview?range=5m`);
  const pages = [["forty drawings", drawings], ["overview", overview]];
  const meters = await Promise.all(pages.map(([, page]) => meter(page)));
  // Until the overview's five minutes are full it grows because it has more to show.
  await pause(6 * 60_000);
  const before = await Promise.all(meters.map(({ heap }) => heap()));
  for (let minute = 1; minute <= SOAK_MINUTES; minute += 1) {
    await pause(60_000);
    if (minute % 5 === 0) console.log(`soak, minute ${minute}: ${(await Promise.all(meters.map(({ heap }) => heap()))).map((bytes) => (bytes / 1e6).toFixed(2)).join(", ")} MB`);
  }
  const after = await Promise.all(meters.map(({ heap }) => heap()));
  pages.forEach((_, at) => {
    figure("soak", "heap before, MB", at, before[at] / 1e6);
    figure("soak", `heap after ${SOAK_MINUTES} minutes, MB`, at, after[at] / 1e6);
    figure("soak", "growth, %", at, 100 * (after[at] / before[at] - 1));
  });
}

const target = await startTarget();
// The hour before the scrapes comes last.
const scrape = `accept_old = true\n[collect]\ndiscover = false\n[[scrape]]\njob = "bench"\ninterval = "1s"\ntargets = ["${target.address}"]\n`;
const product = await startProduct(scrape);
// The pages of ui/bench come from nowhere, in the eyes of the browser, which would keep them from a local address.
const browser = await startBrowser(["LocalNetworkAccessChecks"]);
try {
  await fillHour(product, target);
  if (SOAK_MINUTES > 0) {
    console.log(`a soak of ${SOAK_MINUTES} minutes`);
    await soak(browser, product);
  } else {
    console.log("forty live charts");
    await updates(browser, product, "charts", "#/?range=10m", 0);
    await updates(browser, product, "points", "#/?range=1h", 1);
    console.log("rows, first load and tabs");
    await rows(browser, product);
    await firstLoad(browser, product);
    await tabs(browser, product);
    if (LIGHTHOUSE) await lighthouse(product);
    console.log("30 days");
    await month(browser);
  }
  writeFileSync(FIGURES, JSON.stringify(figures));
} finally {
  await browser.close();
  await product.end();
  target.end();
}
