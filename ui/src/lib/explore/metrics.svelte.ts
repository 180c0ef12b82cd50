/** The metrics of the server with what is known of them. Asked for once, and again when they have aged. */
import { prefs } from "../prefs.svelte";
import { fetchBody } from "./ask";

export interface Metric {
  name: string;
  /** As Prometheus names kinds: `counter`, `gauge`, `histogram`, `summary`; empty when nobody said. */
  kind: string;
  unit: string;
  help: string;
}

export interface Group {
  prefix: string;
  metrics: Metric[];
}

interface Metadata {
  type: string;
  unit: string;
  help: string;
}

const AGE_MS_MAX = 60_000;
/** Parts of a histogram or summary, which have no metadata of their own. */
const PART = /_(bucket|sum|count|total)$/;

/** Joins names with what is known of them. `said` has texts in the reader's language, with `*` for any part. */
export function join(names: string[], known: Record<string, Metadata[]>, said: Record<string, string>): Metric[] {
  const families = Object.entries(said).filter(([name]) => name.includes("*"));
  const translated = (name: string): string | undefined => {
    if (said[name] !== undefined) return said[name];
    return families.find(([family]) => {
      const [before = "", after = ""] = family.split("*");
      return name.length > family.length - 1 && name.startsWith(before) && name.endsWith(after);
    })?.[1];
  };
  return names.map((name) => {
    const base = name.replace(PART, "");
    const found = known[name]?.[0] ?? known[base]?.[0];
    const help = translated(name) ?? translated(base) ?? found?.help ?? "";
    return { name, kind: found?.type ?? "", unit: found?.unit ?? "", help };
  });
}

/** Metrics of which the name or the help has all words of `text`, group by group of names. */
export function find(metrics: Metric[], text: string): Group[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Map<string, Metric[]>();
  for (const metric of metrics) {
    const where = `${metric.name} ${metric.help}`.toLowerCase();
    if (!words.every((word) => where.includes(word))) continue;
    const prefix = /^[^_:.]*[_:.]?/.exec(metric.name)?.[0] ?? "";
    const group = groups.get(prefix);
    if (group) group.push(metric);
    else groups.set(prefix, [metric]);
  }
  return [...groups].map(([prefix, metrics]) => ({ prefix, metrics })).sort((a, b) => a.prefix.localeCompare(b.prefix));
}

/** How many letters must change to make one name of the other; at most `most + 1`. */
function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

const LETTERS_MAX = 3;
/** Longer names are not compared: that would take long, and nobody types them. */
const NAME_LENGTH_MAX = 120;

/** The name that was probably meant. */
export function nearest(name: string, names: string[]): string | undefined {
  if (name.length > NAME_LENGTH_MAX) return undefined;
  let [found, fewest] = [undefined as string | undefined, LETTERS_MAX + 1];
  for (const candidate of names) {
    const letters = distance(name, candidate, fewest - 1);
    if (letters < fewest) [found, fewest] = [candidate, letters];
  }
  return found;
}

class Metrics {
  all = $state.raw<Metric[]>([]);
  state = $state<"none" | "loading" | "ready" | "failed">("none");
  private askedAt = 0;
  private language = "";
  private loading: Promise<Metric[]> | undefined;

  /** The metrics; what was asked for a short while ago serves again. */
  load(): Promise<Metric[]> {
    const isFresh = Date.now() - this.askedAt < AGE_MS_MAX && this.language === prefs.language;
    if (this.loading && isFresh) return this.loading;
    this.askedAt = Date.now();
    this.language = prefs.language;
    if (this.state !== "ready") this.state = "loading";
    this.loading = this.fetch().then(
      (metrics) => {
        this.all = metrics;
        this.state = "ready";
        return metrics;
      },
      () => {
        this.state = "failed";
        this.askedAt = 0;
        return [];
      },
    );
    return this.loading;
  }

  private async fetch(): Promise<Metric[]> {
    const { signal } = new AbortController();
    const [names, known, said] = await Promise.all([
      fetchBody("/api/v1/label/__name__/values", signal),
      fetchBody("/api/v1/metadata", signal),
      prefs.language === "zh" ? import("../i18n/metrics.gen").then(({ metricHelp }) => metricHelp) : {},
    ]);
    return join(names.data as string[], known.data as Record<string, Metadata[]>, said);
  }
}

export const metrics = new Metrics();
