/** The configuration in force, as the server tells it: what may be read here and is changed in its file. */

export interface Setting {
  /** As in the documentation: section and name. */
  key: string;
  /** As the file would say it. */
  value: string;
}

/** More keys than these are not of this program. */
const SETTINGS_MAX = 2_000;

/** Reads the lines `# section.key = value` of `/api/v1/status/config`. */
export function settingsOf(yaml: string): Setting[] {
  return yaml
    .split("\n")
    .flatMap((line) => {
      const found = /^# ([a-z_]+(?:[.[][\w\].-]+)*) = (.*)$/.exec(line);
      return found ? [{ key: found[1] ?? "", value: found[2] ?? "" }] : [];
    })
    .slice(0, SETTINGS_MAX);
}

/** A text value without its quotes, others as they are; `null` where the key is not told. */
export function valueOf(settings: Setting[], key: string): string | null {
  const found = settings.find((setting) => setting.key === key);
  if (!found) return null;
  return /^".*"$/.test(found.value) ? found.value.slice(1, -1) : found.value;
}

export interface Library {
  name: string;
  version: string;
  licence: string;
  place: "page" | "program";
}

/** Lines of `cargo tree --format "{p}|{l}"`. Our own crates have a path behind their names. */
export function cargoLibraries(output: string): Library[] {
  const seen = new Map<string, Library>();
  for (const line of output.split("\n")) {
    const found = /^(\S+) v(\S+)([^|]*)\|(.*)$/.exec(line.trim());
    if (!found || found[3]?.includes("(/")) continue;
    const [, name = "", version = "", , licence = ""] = found;
    seen.set(`${name} ${version}`, { name, version, licence: licence.replace(/\s*\(\*\)$/, ""), place: "program" });
  }
  return [...seen.values()];
}

interface Lock {
  packages?: Record<string, { version?: string; license?: string; dependencies?: Record<string, string> }>;
}

/** The packages of a lock file that `roots` need. */
export function npmLibraries(lock: Lock, roots: string[]): Library[] {
  const packages = lock.packages ?? {};
  const found = new Map<string, Library>();
  const open = [...roots];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const about = packages[`node_modules/${name}`];
    if (!about || found.has(name)) continue;
    found.set(name, { name, version: about.version ?? "", licence: about.license ?? "", place: "page" });
    open.push(...Object.keys(about.dependencies ?? {}));
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

/** The licences that any of the libraries can be had under, the most frequent first. */
export function licencesOf(libraries: Library[]): string[] {
  const counts = new Map<string, number>();
  for (const { licence } of libraries) {
    for (const one of new Set(licence.split(/\s*(?:\bOR\b|\bAND\b|\bWITH\b|[/()])\s*/).filter(Boolean))) counts.set(one, (counts.get(one) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([licence]) => licence);
}
