/** The font of PDFs and pictures: Noto Sans SC (OFL), cut to the characters of GB 2312 when the page is built. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import subsetFont from "subset-font";
import type { Plugin } from "vite";

const PACKAGE = "node_modules/@expo-google-fonts/noto-sans-sc";

/** Latin, Greek, Cyrillic, signs, and the 6,763 characters that GB 2312 has in two bytes. */
function characters(): string {
  const ranges = [[0x20, 0x7e], [0xa0, 0x17f], [0x370, 0x3ff], [0x400, 0x45f], [0x2010, 0x2027], [0x2030, 0x205e], [0x20a0, 0x20bf],
    [0x2100, 0x214f], [0x2190, 0x21ff], [0x2200, 0x22ff], [0x2460, 0x249b], [0x2500, 0x257f], [0x25a0, 0x25ff], [0x3000, 0x30ff],
    [0xff01, 0xff5e], [0xfffd, 0xfffd]];
  const single = ranges.flatMap(([from = 0, to = 0]) => Array.from({ length: to - from + 1 }, (_, at) => String.fromCodePoint(from + at)));
  const bytes = [];
  for (let row = 0xa1; row <= 0xf7; row++) for (let cell = 0xa1; cell <= 0xfe; cell++) bytes.push(row, cell);
  return single.join("") + new TextDecoder("gb2312").decode(Uint8Array.from(bytes));
}

export function fonts(): Plugin {
  let root = "";
  return {
    name: "fonts",
    apply: "build",
    configResolved: (config) => {
      root = config.root;
    },
    async generateBundle() {
      const whole = readFileSync(join(root, PACKAGE, "400Regular/NotoSansSC_400Regular.ttf"));
      const source = await subsetFont(whole, characters(), { targetFormat: "truetype" });
      this.emitFile({ type: "asset", fileName: "fonts/report.ttf", source });
      const licence = readFileSync(join(root, PACKAGE, "LICENSE_FONT"));
      this.emitFile({ type: "asset", fileName: "fonts/OFL.txt", source: licence });
    },
  };
}
