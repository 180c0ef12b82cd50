/** The libraries in the page and in the program, listed when the page is built: `virtual:licences`. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";
import { cargoLibraries, npmLibraries, type Library } from "./src/lib/settings/config.ts";

const NAME = "virtual:licences";
/** What only builds or tests the page is not in it. */
const TOOLS = /^(vite|vitest|typescript|svelte-check|happy-dom|subset-font|@sveltejs\/vite-plugin-svelte)$/;

function program(root: string): Library[] {
  try {
    const options = ["tree", "--offline", "--locked", "--package", "modelwatch", "--edges", "normal", "--prefix", "none", "--format", "{p}|{l}"];
    return cargoLibraries(execFileSync("cargo", options, { cwd: join(root, ".."), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  } catch {
    return []; // Without cargo the page can be built all the same; it says that these are missing.
  }
}

export function licences(): Plugin {
  let root = "";
  return {
    name: "licences",
    configResolved: (config) => {
      root = config.root;
    },
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load: (id) => {
      if (id !== `\0${NAME}`) return undefined;
      const read = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8"));
      const roots = Object.keys(read("package.json").devDependencies).filter((name) => !TOOLS.test(name));
      return `export const libraries = ${JSON.stringify([...npmLibraries(read("package-lock.json"), roots), ...program(root)])};`;
    },
  };
}
