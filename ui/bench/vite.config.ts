import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "/bench/",
  plugins: [svelte()],
  build: { target: "es2022", assetsInlineLimit: 0, outDir: "../../target/bench-page", emptyOutDir: true },
});
