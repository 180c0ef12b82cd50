// What pages look like, against pictures of them in snapshots/, over the simulated deployment: it ends at the same time
// of each day, and the page's clock and calendar stand at its end. What belongs to this machine or this moment is left
// out. MODELWATCH_SNAPSHOTS=write, which `cargo xtask screenshots` sets, makes the pictures anew.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { dress, openPage, settled, startBrowser, startProduct } from "./world.mjs";

const FOLDER = process.env.MODELWATCH_TEST_SIMULATED;
const IS_WRITING = process.env.MODELWATCH_SNAPSHOTS === "write";
const SNAPSHOTS = fileURLToPath(new URL("./snapshots/", import.meta.url));
/** Another major version draws letters and edges a little differently, so its pages are compared less strictly. */
const MAJOR_FILE = join(SNAPSHOTS, "chromium");
const ANEW = "`cargo xtask screenshots` makes the pictures anew; look at them before you commit them";
/**
 * A pixel is another one where a colour, of 0 to 255, is further away than `away`; so many percent of all pixels may
 * be others. The second row is for another major version.
 */
const LIMITS = { same: { away: 4, percent: 0.1 }, other: { away: 64, percent: 5 } };
/** A page that still changes after so many looks does not come to rest. */
const LOOKS_MAX = 20;

const { end_ms: END } = JSON.parse(readFileSync(join(FOLDER, "simulated.json"), "utf8"));
const HOUR = 3_600_000;
/** The day that all dates are shown as. */
const SHOWN_END = Date.UTC(2026, 0, 15, 12);
const RANGE = `from=${END - HOUR}&to=${END}`;
const LIGHT = { name: "light-en", language: "en", theme: "light" };
const DARK = { name: "dark-zh", language: "zh", theme: "dark" };
/** `shown` is what has to be there before the picture is taken; `isEnd` is one of the page's end. */
const PAGES = [
  { name: "overview", look: LIGHT, hash: `#/overview?${RANGE}`, shown: /node-2\/gpu3/, height: 970 },
  { name: "overview", look: DARK, hash: `#/overview?${RANGE}`, shown: /node-2\/gpu3/, height: 970 },
  { name: "engines", look: LIGHT, hash: `#/engines?${RANGE}`, shown: /node-1:8000/, height: 860 },
  { name: "engine", look: LIGHT, hash: `#/engines?engine=node-1%3A8000&${RANGE}`, shown: /--max-num-seqs/, height: 1_000 },
  { name: "requests", look: LIGHT, hash: `#/requests?${RANGE}`, shown: /1\d,\d{3}/, height: 1_000 },
  { name: "gpus", look: LIGHT, hash: `#/gpus?${RANGE}`, shown: /node-4\/gpu3/, height: 900 },
  { name: "hosts", look: LIGHT, hash: `#/gpus?${RANGE}`, shown: /node-4\/gpu3/, height: 500, isEnd: true },
  { name: "network", look: LIGHT, hash: `#/network?${RANGE}`, shown: /node-3:30000/, height: 740 },
  { name: "moment", look: LIGHT, hash: `#/overview?${RANGE}&at=${END - HOUR / 2}`, shown: /KV/, width: 1_280, height: 840 },
];
/** The verdict and the footer are of this process, the last section of the overview is of this machine. */
const STYLE = `
  *, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent !important; }
  .verdict, footer, section[aria-labelledby="machine-title"] { display: none !important; }
  .connection { visibility: hidden !important; }
`;

let product, browser, major, paper, kept;

before(async () => {
  // Whatever else is installed, and whatever a person set up for the fonts of the desktop.
  const fonts = { FONTCONFIG_FILE: join(SNAPSHOTS, "fonts.conf") };
  [browser, product] = await Promise.all([
    startBrowser([], fonts),
    startProduct("retention = \"90d\"\n[collect]\ndiscover = false\n", join(FOLDER, "data")),
  ]);
  [major] = browser.version().split(".");
  paper = await browser.newPage();
});

after(async () => {
  await Promise.all([browser?.close(), product?.end()]);
});

/** Sets the page's clock to the end of the data, and moves all dates that it shows by whole days. */
const stopTime = (page) =>
  page.addInitScript(([now, moved]) => {
    const offset = now - Date.now();
    const Real = Date;
    globalThis.Date = class extends Real {
      constructor(...parts) {
        super(...(parts.length === 0 ? [Real.now() + offset] : parts));
      }
      static now() {
        return Real.now() + offset;
      }
    };
    const { prototype } = Intl.DateTimeFormat;
    const { get } = Object.getOwnPropertyDescriptor(prototype, "format");
    Object.defineProperty(prototype, "format", {
      get() {
        const format = get.call(this);
        return (time = Date.now()) => format(Number(time) + moved);
      },
    });
    const { formatToParts } = prototype;
    prototype.formatToParts = function (time = Date.now()) {
      return formatToParts.call(this, Number(time) + moved);
    };
  }, [END, SHOWN_END - END]);

const styled = (page) =>
  page.addInitScript((style) => {
    // A style sheet of the document, because the page's policy forbids style elements.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    document.adoptedStyleSheets = [sheet];
  }, STYLE);

/** Looks until nothing changes any more. */
async function picture(page) {
  let last = await page.screenshot({ scale: "device" });
  for (let looks = 1; looks < LOOKS_MAX; looks += 1) {
    const next = await page.screenshot({ scale: "device" });
    if (next.equals(last)) return next;
    last = next;
  }
  throw new Error(`the page still changed after ${LOOKS_MAX} looks at it`);
}

/** How many pixels of two pictures differ, within which box, and a picture with those in red. */
const compare = (one, other, away) =>
  paper.evaluate(
    async ([one, other, away]) => {
      const pixels = async (base64) => {
        const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
        const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
        const context = canvas.getContext("2d");
        context.drawImage(bitmap, 0, 0);
        return { canvas, context, image: context.getImageData(0, 0, bitmap.width, bitmap.height) };
      };
      const [a, b] = await Promise.all([pixels(one), pixels(other)]);
      const { width, height, data } = a.image;
      if (width !== b.image.width || height !== b.image.height) {
        return { sizes: `${width}×${height} instead of ${b.image.width}×${b.image.height}` };
      }
      let [count, furthest, left, top, right, bottom] = [0, 0, width, height, 0, 0];
      const shown = new ImageData(width, height);
      for (let at = 0; at < data.length; at += 4) {
        const distance = Math.max(...[0, 1, 2].map((channel) => Math.abs(data[at + channel] - b.image.data[at + channel])));
        furthest = Math.max(furthest, distance);
        // What did not change is there palely, so that one sees where one is.
        shown.data.set([0, 1, 2].map((channel) => 190 + data[at + channel] / 4), at);
        shown.data[at + 3] = 255;
        if (distance <= away) continue;
        shown.data.set([220, 0, 0], at);
        count += 1;
        const [x, y] = [(at / 4) % width, Math.floor(at / 4 / width)];
        [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
      }
      a.context.putImageData(shown, 0, 0);
      const bytes = new Uint8Array(await (await a.canvas.convertToBlob()).arrayBuffer());
      let text = "";
      for (const byte of bytes) text += String.fromCharCode(byte);
      return { count, all: width * height, furthest, box: { left, top, right, bottom }, difference: btoa(text) };
    },
    [one.toString("base64"), other.toString("base64"), away],
  );

/** Writes what failed to where a person finds it: one folder of all pages. */
const keep = (name, pictures) => {
  kept ??= mkdtempSync(join(tmpdir(), "modelwatch-snapshots-"));
  for (const [kind, bytes] of Object.entries(pictures)) writeFileSync(join(kept, `${name}-${kind}.png`), bytes);
  return kept;
};

for (const { name, look, hash, shown, width = 1_440, height, isEnd = false } of PAGES) {
  const file = `${name}-${look.name}`;
  test(`${file} looks as before`, async (context) => {
    const madeBy = existsSync(MAJOR_FILE) ? readFileSync(MAJOR_FILE, "utf8").trim() : "none";
    const limit = madeBy === major ? LIMITS.same : LIMITS.other;
    if (limit === LIMITS.other) context.diagnostic(`the pictures are of Chromium ${madeBy}, and this is ${major}: compared less strictly; ${ANEW}`);
    const { page } = await openPage(browser, {
      viewport: { width, height },
      deviceScaleFactor: 0.5,
      timezoneId: "UTC",
      reducedMotion: "reduce",
      colorScheme: look.theme,
    });
    await Promise.all([dress(page, look), stopTime(page), styled(page)]);
    await page.goto(`${product.url}/${hash}`);
    await settled(page, shown);
    if (isEnd) {
      await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
      await settled(page, shown);
    }
    const found = await picture(page);
    await page.context().close();
    const path = join(SNAPSHOTS, `${file}.png`);
    if (IS_WRITING) {
      mkdirSync(SNAPSHOTS, { recursive: true });
      writeFileSync(path, found);
      writeFileSync(MAJOR_FILE, `${major}\n`);
      return;
    }
    assert.ok(existsSync(path), `there is no ${path}; ${ANEW}`);
    const { count, all, furthest, box, sizes, difference } = await compare(found, readFileSync(path), limit.away);
    if (sizes) assert.fail(`${file}: it is ${sizes} pixels; the new picture is in ${keep(file, { new: found })}; ${ANEW}`);
    context.diagnostic(`${count} of ${all} pixels differ; a colour by ${furthest} at most`);
    if (count <= (all * limit.percent) / 100) return;
    const folder = keep(file, { new: found, difference: Buffer.from(difference, "base64") });
    const where = `from ${box.left},${box.top} to ${box.right},${box.bottom} (at half size)`;
    assert.fail(`${file}: ${count} pixels of ${all} differ, ${((100 * count) / all).toFixed(2)} %, ${where}; the new picture and the difference are in ${folder}; ${ANEW}`);
  });
}
