import { describe, expect, test } from "vitest";
import { clock, format, timeMark, when, zoneShift } from "../format";
import { prefs } from "../prefs.svelte";
import { cargoLibraries, licencesOf, npmLibraries, settingsOf, valueOf } from "./config";

describe("configuration", () => {
  const yaml = 'global:\n  scrape_interval: 5s\n# In force, as TOML:\n# collect.discover = true\n# storage.path = "/a b"\n# storage.retention = "15d"\n# no key\n# server.allowed_hosts = []\n';
  test("is read as it is told", () => {
    const settings = settingsOf(yaml);
    expect(settings.map(({ key }) => key)).toEqual(["collect.discover", "storage.path", "storage.retention", "server.allowed_hosts"]);
    expect([valueOf(settings, "storage.path"), valueOf(settings, "collect.discover"), valueOf(settings, "gateway.listen")]).toEqual(["/a b", "true", null]);
  });
  test.each(["", "\n\n", "# = x", `# ${"a".repeat(9_000)}`])("%s has no keys", (yaml) => expect(settingsOf(yaml)).toEqual([]));
});

describe("libraries", () => {
  test("of the program, without our own and without repetitions", () => {
    const tree = "modelwatch v0.1.0 (/x/crates/modelwatch)|Apache-2.0\naxum v0.8.1|MIT\nserde v1.0.2 (proc-macro)|MIT OR Apache-2.0\naxum v0.8.1|MIT (*)\n\n";
    expect(cargoLibraries(tree)).toEqual([
      { name: "axum", version: "0.8.1", licence: "MIT", place: "program" },
      { name: "serde", version: "1.0.2", licence: "MIT OR Apache-2.0", place: "program" },
    ]);
  });
  test("of the page, with what they need", () => {
    const packages = { "node_modules/a": { version: "1", license: "MIT", dependencies: { b: "^1" } }, "node_modules/b": { version: "2", license: "ISC", dependencies: { a: "*" } }, "node_modules/tool": { version: "3" } };
    expect(npmLibraries({ packages }, ["a", "missing"]).map(({ name }) => name)).toEqual(["a", "b"]);
  });
  test("licences, the most frequent first", () => {
    const of = (licence: string) => ({ name: "", version: "", place: "page" as const, licence });
    expect(licencesOf([of("MIT OR Apache-2.0"), of("(MIT OR ISC) AND Unicode-3.0"), of("MIT")])[0]).toBe("MIT");
    expect(licencesOf([of("MIT/Apache-2.0")])).toEqual(["MIT", "Apache-2.0"]);
  });
});

describe("preferences", () => {
  const at = Date.UTC(2026, 2, 29, 0, 59, 30);
  test("times are of the chosen zone, also where its clocks change", () => {
    prefs.zone = "Europe/Berlin";
    expect([clock(at), clock(at + 60_000)]).toEqual(["01:59:30", "03:00:30"]);
    expect([zoneShift(at), zoneShift(at + 60_000)]).toEqual([3_600_000, 7_200_000]);
    expect(timeMark(Date.UTC(2026, 2, 28, 23), 3_600)).toContain("29");
    prefs.zone = "Asia/Shanghai";
    expect(when(at, at)).toBe("08:59:30");
    expect(when(Date.UTC(2026, 2, 28, 15), at)).toContain("28");
    prefs.zone = "UTC";
    expect(zoneShift(at)).toBe(0);
    prefs.zone = "";
  });
  test("memory in powers of ten where that is wanted", () => {
    prefs.units = "si";
    expect(format(80 * 2 ** 30, "bytes")).toBe("85.9 GB");
    prefs.units = "iec";
    expect(format(80 * 2 ** 30, "bytes")).toBe("80 GiB");
  });
});
