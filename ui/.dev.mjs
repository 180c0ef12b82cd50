import { createServer } from "vite";
const s = await createServer({ root: "/work/wt-pages/ui", server: { port: 9668, strictPort: true, hmr: false, watch: null, proxy: { "/api": { target: "http://127.0.0.1:9667", ws: true, changeOrigin: true, headers: { origin: "http://127.0.0.1:9667" } } } }, logLevel: "warn" });
await s.listen();
