import { describe, expect, test } from "vitest";

type Table = Record<string, { en: string; zh: string }>;

/** All catalogues of this folder, also one that comes tomorrow; the help of metrics is in one language per table. */
const tables = Object.entries(import.meta.glob<Record<string, unknown>>(["./*.ts", "!./*.test.ts", "!./metrics.gen.ts"], { eager: true })).map(([path, exported]) => {
  const [table] = Object.values(exported).filter((value) => typeof value === "object");
  return [path, table as Table] as const;
});
const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

test("the catalogues are found", () => expect(tables.length).toBeGreaterThanOrEqual(11));

describe.each(tables)("%s", (_, table) => {
  test("says the same in both languages", () => {
    expect(Object.keys(table).length).toBeGreaterThan(0);
    for (const [key, { en, zh }] of Object.entries(table)) {
      expect([key, en === "", zh === ""]).toEqual([key, false, false]);
      // `NAME_zh` is the Chinese of `NAME`, as texts of alerts have it.
      expect([key, holes(zh).map((name) => name?.replace(/_zh$/, ""))]).toEqual([key, holes(en)]);
    }
  });
});
