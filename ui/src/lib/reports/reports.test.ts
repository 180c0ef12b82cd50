import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import Reports from "../../pages/Reports.svelte";
import { setZone } from "../prefs.svelte";
import { address, read, spanOf } from "./address";
import { filePath, previewPath, type Report, type Schedule } from "./ask";
import { newSchedule, readSchedule } from "./schedule";

const NOW = Date.parse("2026-11-28T12:00:30Z");

describe("address", () => {
  test.each([
    ["#/reports", { period: "7d", span: null, language: "zh", model: "", shown: null }],
    ["#/reports?last=30d&lang=en&model=q&shown=preview", { period: "30d", language: "en", model: "q", shown: "preview" }],
    ["#/reports?from=1000000&to=2000000&last=24h", { period: "custom", span: { start: 1_000_000, end: 2_000_000 } }],
    ["#/reports?last=99y&from=5", { period: "7d", span: null }],
  ])("%s is read", (hash, expected) => expect(read(hash, "zh")).toMatchObject(expected));

  test("what changes leaves the rest alone", () => {
    const hash = "#/reports?from=1000000&to=2000000&model=q";
    expect(address(hash, { period: "30d" })).toBe("#/reports?model=q&last=30d");
    expect(address(hash, { period: "7d", shown: "preview" })).toBe("#/reports?model=q&shown=preview");
    expect(address("#/reports?last=30d", { span: { start: 1.5, end: 2.5 } })).toBe("#/reports?from=1&to=3");
    expect(address(hash, { model: "" })).toBe("#/reports?from=1000000&to=2000000");
  });

  test("a period that ends now ends at a whole minute", () => {
    expect(spanOf({ period: "24h", span: null }, NOW)).toEqual({ start: NOW - 30_000 - 86_400_000, end: NOW - 30_000 });
  });
  test("files and previews have addresses", () => {
    expect(filePath("a/b", "pdf")).toBe("/api/mw/v1/reports/a%2Fb/file?format=pdf");
    expect(previewPath({ start: 1, end: 2, language: "zh", model: "a&b", zone: "Asia/Shanghai" })).toBe("/api/mw/v1/reports/preview?start=1&end=2&language=zh&zone=Asia%2FShanghai&model=a%26b");
  });
});

describe("schedules", () => {
  const fields = { ...newSchedule("Asia/Shanghai", "zh"), name: "weekly" };
  test("are what the server takes", () => {
    expect(readSchedule({ ...fields, folder: " /srv/reports ", channels: ["team"] }).schedule).toEqual({ name: "weekly", every: "weekly", at: "08:00", zone: "Asia/Shanghai", language: "zh", model: "", formats: ["html", "pdf"], folder: "/srv/reports", channels: ["team"] });
  });
  test.each([[{ name: "" }, "name_missing"], [{ at: "24:00" }, "at_wrong"], [{ zone: "Mars/Base" }, "zone_wrong"], [{ formats: [] }, "formats_missing"], [{ folder: "reports" }, "folder_wrong"]])("%j is refused: %s", (change, wrong) => {
    expect(readSchedule({ ...fields, ...change }).wrong).toBe(wrong);
  });
});

describe("the page", () => {
  const report: Report = { id: "r1", title: "Week 48", start: NOW - 604_800_000, end: NOW, first_day: "2026-11-21", last_day: "2026-11-27", created: NOW, language: "zh", model: null, files: [{ format: "html", bytes: 240_000 }, { format: "pdf", bytes: 380_000 }], schedule: "weekly" };
  const schedule: Schedule = { name: "weekly", every: "weekly", at: "08:00", zone: "Asia/Shanghai", language: "zh", model: "", formats: ["html", "pdf"], folder: "/srv/reports", channels: ["team"], origin: "page", next: NOW, last: null, last_error: "the folder cannot be written" };
  let answers: Record<string, unknown>;
  let asked: { method: string; path: string; body: unknown }[];
  let page: Record<string, unknown>;
  const text = () => document.body.textContent!.replace(/\s+/g, " ");
  const shown = (what: RegExp) => vi.waitFor(() => { flushSync(); expect(text()).toMatch(what); }, { timeout: 3_000 });
  const click = (selector: string) => { document.querySelector<HTMLElement>(selector)!.click(); flushSync(); };
  const open = (hash: string) => { page = mount(Reports, { target: document.body, props: { hash } }); };

  beforeEach(() => {
    // Frames stay empty: there is no server.
    Object.assign((window as unknown as { happyDOM: { settings: Record<string, boolean> } }).happyDOM.settings, { disableIframePageLoading: true, handleDisabledFileLoadingAsSuccess: true });
    asked = [];
    answers = { "GET reports": { reports: [report] }, "GET reports/schedules": { schedules: [schedule] }, "GET channels": { channels: [] } };
    vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
      const [method, bare] = [init.method ?? "GET", path.replace("/api/mw/v1/", "").replace(/\?.*$/, "")];
      asked.push({ method, path, body: typeof init.body === "string" ? JSON.parse(init.body) : null });
      const answer = answers[`${method} ${bare}`];
      return answer === undefined ? new Response('{"error":"nothing there"}', { status: 404 }) : new Response(JSON.stringify(answer));
    });
  });
  afterEach(async () => {
    await unmount(page);
    document.body.replaceChildren();
    location.hash = "";
    setZone("");
    vi.unstubAllGlobals();
  });

  test("lists what there is, with its files and what went wrong", async () => {
    open("#/reports?lang=en");
    await shown(/Week 48.*HTML 234 KiB.*PDF 371 KiB/);
    await shown(/weekly.*every week 08:00.*Asia\/Shanghai.*team, \/srv\/reports.*▲ the folder cannot be written/);
    expect(document.querySelector("iframe")).toBeNull();
  });

  test("shows a report in a frame without scripts", async () => {
    open("#/reports?shown=r1");
    await shown(/Open in a tab/);
    const frame = document.querySelector("iframe")!;
    expect(frame.getAttribute("src")).toBe("/api/mw/v1/reports/r1/file?format=html&inline=true");
    expect(frame.getAttribute("sandbox")).toBe("allow-same-origin");
  });

  test("offers the channels that there are and those that a schedule names", async () => {
    answers["GET channels"] = { channels: [{ name: "mail" }] };
    open("#/reports");
    await shown(/weekly/);
    click('[data-action="edit-schedule"]');
    await shown(/mail/);
    expect([...document.querySelectorAll<HTMLInputElement>('[data-form="schedule"] [type=checkbox]')].map(({ value, checked }) => [value, checked])).toEqual([["html", true], ["pdf", true], ["csv", false], ["mail", false], ["team", true]]);
  });

  test("makes one of the period that is chosen", async () => {
    answers["POST reports"] = report;
    setZone("Asia/Shanghai");
    open("#/reports?from=1000000&to=99000000&lang=zh&model=q");
    await shown(/Week 48/);
    click('[data-action="create"]');
    await shown(/Done: it is in the list below/);
    expect(asked.find(({ method }) => method === "POST")?.body).toEqual({ start: 1_000_000, end: 99_000_000, language: "zh", zone: "Asia/Shanghai", model: "q", formats: ["html", "pdf"] });
  });

  test("deletes one after asking", async () => {
    answers["DELETE reports/r1"] = null;
    open("#/reports");
    await shown(/Week 48/);
    click('[data-action="delete-report"]');
    await shown(/Really\?/);
    expect(asked.some(({ method }) => method === "DELETE")).toBe(false);
    click('[data-action="delete-report"]');
    await vi.waitFor(() => expect(asked.filter(({ method }) => method === "DELETE").map(({ path }) => path)).toEqual(["/api/mw/v1/reports/r1"]));
  });

  test("without any it says how to get one, and a server without reports is told of", async () => {
    answers["GET reports"] = { reports: [] };
    delete answers["GET reports/schedules"];
    open("#/reports");
    await shown(/No report has been made yet.*does not offer it/);
  });
});
