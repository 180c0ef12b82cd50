import { afterEach, expect, test, vi } from "vitest";
import { asFailure, detailOf, Failure, reach, reachJson, whyOf } from "./failure";
import { setLanguage } from "./prefs.svelte";

afterEach(() => {
  setLanguage("en");
  vi.unstubAllGlobals();
});

test.each<[Failure, string, string, string]>([
  [new Failure("unreachable", "TypeError: Failed to fetch"), "The server does not answer.", "服务器没有响应。", "TypeError: Failed to fetch"],
  [asFailure(new SyntaxError("Unexpected token '<'")), "The server's answer cannot be read: it broke off, or something in between answered in its place.", "无法读取服务器的响应：响应不完整，或由中间代理返回。", "SyntaxError: Unexpected token '<'"],
  [new Failure("server", "502 Bad Gateway"), "The server refused with status 502 Bad Gateway.", "服务器拒绝了请求，状态码 502 Bad Gateway。", ""],
  [new Failure("server", "parse error"), "parse error", "parse error", ""],
])("%s is said in the reader's language", (failure, en, zh, detail) => {
  expect([whyOf(failure), detailOf(failure)]).toEqual([en, detail]);
  setLanguage("zh");
  expect(whyOf(failure)).toBe(zh);
});

test("what nobody answers, and what is refused", async () => {
  const { signal } = new AbortController();
  vi.stubGlobal("fetch", vi.fn(async () => Promise.reject(new TypeError("Load failed"))));
  await expect(reach("/x")).rejects.toMatchObject({ kind: "unreachable", message: "TypeError: Load failed" });
  vi.stubGlobal("fetch", vi.fn(async () => new Response('{"error":"too much"}', { status: 422 })));
  await expect(reachJson("/x", signal)).rejects.toMatchObject({ kind: "server", message: "too much" });
  vi.stubGlobal("fetch", vi.fn(async () => new Response("", { status: 404, statusText: "Not Found" })));
  await expect(reachJson("/x", signal)).rejects.toMatchObject({ kind: "missing", message: "404 Not Found" });
});

test("an abort is no failure", async () => {
  const stop = new AbortController();
  stop.abort();
  vi.stubGlobal("fetch", vi.fn(async () => Promise.reject(stop.signal.reason)));
  await expect(reach("/x", { signal: stop.signal })).rejects.not.toBeInstanceOf(Failure);
});
