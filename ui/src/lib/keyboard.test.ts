import { beforeEach, describe, expect, test, vi } from "vitest";
import { Keyboard, SHORTCUTS, stepTo } from "./keyboard";
import { texts } from "./i18n/texts";
import { range } from "./range.svelte";
import { routeNamed, ROUTES } from "./routes";

describe("keys", () => {
  const help = vi.fn();
  let keyboard: Keyboard;
  const press = (key: string, target: EventTarget = document.body, more: KeyboardEventInit = {}) => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, ...more });
    Object.defineProperty(event, "target", { value: target });
    return keyboard.press(event);
  };

  beforeEach(() => {
    help.mockReset();
    keyboard = new Keyboard({ help });
    location.hash = "#/overview?range=1h";
    range.hash = location.hash;
  });

  test("g and a letter lead to a page, and the range goes along", () => {
    press("g");
    expect(press("x")).toBe(true);
    expect(location.hash).toBe("#/explore?range=1h");
  });

  test("a letter alone leads nowhere", () => {
    expect(press("x")).toBe(false);
    expect(location.hash).toBe("#/overview?range=1h");
  });

  test("what is typed is text, and with Ctrl it is the browser's", () => {
    expect(press("?", document.createElement("input"))).toBe(false);
    expect(press("?", document.body, { ctrlKey: true })).toBe(false);
    expect(help).not.toHaveBeenCalled();
    expect(press("?")).toBe(true);
    expect(help).toHaveBeenCalledOnce();
  });

  test("keys one after the other go by each other's range, before the browser tells of a new address", () => {
    press(".");
    const still = location.hash;
    expect(still).toMatch(/from=\d+&to=\d+/);
    press("[");
    expect(location.hash).not.toBe(still);
    press(".");
    expect(location.hash).toBe("#/overview?range=1h");
  });
});

test("a step begins at the current link and stops at the ends", () => {
  document.body.innerHTML = '<a href="#1">1</a><a href="#2" aria-current="true">2</a><a href="#3">3</a>';
  const links = [...document.querySelectorAll<HTMLElement>("a")];
  const steps = ([1, 1, 1, -1, -1, -1] as const).map((by) => { stepTo(links, by); return document.activeElement?.textContent; });
  expect(steps).toEqual(["2", "3", "3", "2", "1", "1"]);
  stepTo([], 1);
  document.body.replaceChildren();
});

test("every page and every key has a name, and no two the same key", () => {
  for (const { says } of SHORTCUTS) expect(texts[says].zh).not.toBe("");
  for (const { title } of ROUTES) expect(texts[title].zh).not.toBe("");
  expect(new Set(ROUTES.map(({ key }) => key)).size).toBe(ROUTES.length);
  expect(routeNamed("<script>").id).toBe("overview");
});
