// What the browser tests stand on: the real engine, the real product, a real browser. Each ends with
// the test that started it.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { chromium } from "playwright-core";

/** Asks until there is an answer; the last error tells why there was none. */
export async function until(what, seconds, ask) {
  const end = Date.now() + seconds * 1000;
  let last;
  while (Date.now() < end) {
    try {
      const found = await ask();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    await pause(50);
  }
  throw new Error(`${what}: not within ${seconds} s${last ? `: ${last.message}` : ""}`);
}

export async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((done) => child.once("exit", done));
  child.kill("SIGTERM");
  await Promise.race([exit, pause(6_000)]);
  child.kill("SIGKILL");
}

export async function startEngine() {
  const server = process.env.MODELWATCH_TEST_SERVER;
  const port = await freePort();
  const options = ["--alias", "smollm2-135m", "--host", "127.0.0.1", "--port", String(port), "--metrics", "-c", "4096", "-np", "2", "-t", "1", "-ngl", "0"];
  const child = spawn(server, ["--model", process.env.MODELWATCH_TEST_MODEL, ...options], {
    stdio: "ignore",
    env: { ...process.env, LD_LIBRARY_PATH: dirname(server) },
  });
  const url = `http://127.0.0.1:${port}`;
  await until("the engine", 120, async () => (await fetch(`${url}/health`)).ok);
  return { url, end: () => ended(child) };
}

/** Chats gently until it is told to stop. An answer that the engine fails to give ends nothing. */
export function chat(url) {
  let running = true;
  const one = async (number) => {
    const body = { messages: [{ role: "user", content: `Tell me story number ${number} about the sea.` }], max_tokens: 90 };
    const answer = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    await answer.text();
  };
  const all = (async () => {
    for (let number = 0; running; number += 1) {
      await one(number);
      await pause(150);
    }
  })();
  return async () => {
    running = false;
    return all;
  };
}

/** `more` is added to its configuration; `data` is a data directory that it gets a copy of. */
export async function startProduct(more = "", data = undefined) {
  const folder = mkdtempSync(join(tmpdir(), "modelwatch-browser-"));
  const config = join(folder, "modelwatch.toml");
  if (data) cpSync(data, join(folder, "data"), { recursive: true });
  writeFileSync(config, `[server]\nlisten = "127.0.0.1:0"\n[storage]\npath = "${join(folder, "data")}"\n${more}`);
  const startedAt = Date.now();
  const child = spawn(process.env.MODELWATCH_BIN, ["serve", "--config", config], { env: { ...process.env, LC_ALL: "C.UTF-8" } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const url = await until("the product", 30, () => {
    if (child.exitCode !== null) throw new Error(output);
    // Engines that were found may be told first, with their addresses.
    return output.match(/page +(http:\/\/127\.0\.0\.1:\d+)/)?.[1];
  });
  const end = async () => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, config, startedAt, child, output: () => output, end };
}

/** `features` are those of Chromium that are turned off; `environment` is added to that of the tests. */
export async function startBrowser(features = [], environment = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    env: { ...process.env, ...environment },
    args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none", "--force-color-profile=srgb", `--disable-features=${features.join(",")}`],
  });
}

/** A page that remembers everything that went wrong in it. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, locale: "en-GB", colorScheme: "light", ...options });
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("requestfailed", (request) => problems.push(`${request.url()}: ${request.failure()?.errorText}`));
  return { page, problems };
}

/** The language, theme and contrast that a page is opened with. */
export const dress = (page, look) =>
  page.addInitScript(({ language, theme, contrast }) => {
    localStorage.setItem("language", language);
    localStorage.setItem("theme", theme);
    localStorage.setItem("contrast", contrast ?? "normal");
  }, look);

/** Waits until the page shows what it has to, no request is under way and what came is drawn. */
export async function settled(page, shown = undefined) {
  await page.locator("main").waitFor();
  if (shown) {
    // What is out of sight asks for nothing, and much is on a telephone: its reader scrolls until it is there.
    const isLong = page.viewportSize().height > page.viewportSize().width;
    await until(`${page.url()} with ${shown}`, 30, async () => {
      if (shown.test(await page.locator("body").innerText())) return true;
      if (isLong) await page.mouse.wheel(0, 200);
      return false;
    });
    if (isLong) await page.evaluate(() => scrollTo(0, 0));
  }
  await page.waitForLoadState("networkidle");
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
}

/** What went wrong, without the questions that the page itself gave up because nobody waits for them any more. */
export const wrong = (problems) => problems.filter((problem) => !problem.endsWith("net::ERR_ABORTED"));

const axeSource = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/** What axe finds wrong with a page for people who use it by keyboard or hear it. */
export async function violations(page) {
  // The page's own policy forbids scripts from elsewhere; this one comes through the debugger.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join(" ")}`);
}
