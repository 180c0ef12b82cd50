/** How an engine was set up, over time, and what differs between two times. */
import type { Track } from "../cluster/ask";
import type { Labels } from "../past";

/** A stretch of time with one configuration. */
export interface Setup {
  start: number;
  end: number;
  labels: Labels;
}

/** What names the series and not the setting. */
const IDENTITY = ["__name__", "engine", "instance", "source", "model", "job", "host"];

/** The settings in the order in which they were in force. A series is a setting: it begins and ends with it. */
export function setupsOf(tracks: Track[]): Setup[] {
  const stretches = tracks.flatMap(({ labels, times, values }): Setup[] => {
    const known = times.filter((_, at) => values[at] !== null && values[at] !== undefined);
    const [start, end] = [known[0], known.at(-1)];
    return start === undefined || end === undefined ? [] : [{ start, end, labels }];
  });
  stretches.sort((a, b) => a.start - b.start || a.end - b.end);
  return stretches.reduce<Setup[]>((merged, setup) => {
    const last = merged.at(-1);
    // The same settings again, as after a pause, are no change.
    if (last && changesOf(last.labels, setup.labels).length === 0) last.end = Math.max(last.end, setup.end);
    else merged.push({ ...setup });
    return merged;
  }, []);
}

export interface Change {
  /** The setting: a label, or a flag of the command line. */
  name: string;
  /** Absent where it was not given; a flag without a value is empty. */
  old: string | null;
  new: string | null;
}

/** Words of a command line, with quotes taken as a shell does. */
export function words(line: string): string[] {
  const found = line.match(/(?:[^\s"']|"(?:[^"\\]|\\.)*"|'[^']*')+/g) ?? [];
  return found.map((word) => word.replace(/^(--?[\w-]+=)?(["'])([\s\S]*)\2$/, "$1$3"));
}

/** Flags and what each was given. One that is given several times has all its values. */
export function flagsOf(line: string): Map<string, string> {
  const flags = new Map<string, string>();
  let open: string | null = null;
  const put = (flag: string, value: string) => {
    const before = flags.get(flag);
    flags.set(flag, before ? `${before} ${value}`.trim() : value);
  };
  for (const word of words(line)) {
    // A negative number is a value.
    const isFlag = /^--?[A-Za-z]/.test(word);
    if (isFlag) {
      const at = word.indexOf("=");
      open = at < 0 ? word : word.slice(0, at);
      put(open, at < 0 ? "" : word.slice(at + 1));
      if (at >= 0) open = null;
    } else put(open ?? "", word);
  }
  return flags;
}

/** What differs, flag by flag where command lines differ; by name. */
export function changesOf(old: Labels, fresh: Labels): Change[] {
  const names = new Set([...Object.keys(old), ...Object.keys(fresh)].filter((name) => !IDENTITY.includes(name)));
  const changes: Change[] = [];
  for (const name of names) {
    const [a, b] = [old[name] ?? null, fresh[name] ?? null];
    if (a === b) continue;
    if (name !== "flags") {
      changes.push({ name, old: a, new: b });
      continue;
    }
    const [flagsA, flagsB] = [flagsOf(a ?? ""), flagsOf(b ?? "")];
    for (const flag of new Set([...flagsA.keys(), ...flagsB.keys()])) {
      const [was, is] = [flagsA.get(flag) ?? null, flagsB.get(flag) ?? null];
      if (was !== is) changes.push({ name: flag, old: was, new: is });
    }
  }
  return changes.sort((x, y) => x.name.replace(/^-+/, "").localeCompare(y.name.replace(/^-+/, "")));
}

/** The settings of one configuration for reading, the flags one by one. */
export function settingsOf(labels: Labels): { name: string; value: string }[] {
  const plain = Object.entries(labels)
    .filter(([name, value]) => !IDENTITY.includes(name) && name !== "flags" && value !== "")
    .map(([name, value]) => ({ name, value }));
  const flags = [...flagsOf(labels.flags ?? "")].map(([name, value]) => ({ name, value }));
  return [...plain.sort((a, b) => a.name.localeCompare(b.name)), ...flags];
}
