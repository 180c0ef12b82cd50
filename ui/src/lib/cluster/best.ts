/** Of several that measured the same: whose number is shown, and what the others said. */
import type { Sample } from "./ask";

/** Who is nearest to the truth comes first: what an engine says of itself, what passed through us, what its log says, what the kernel
 * saw. */
export const SOURCES = ["engine", "gateway", "log", "wire", "host"] as const;

export interface Figure {
  value: number;
  /** The label `source` of the series; empty where it has none. */
  source: string;
  /** What other sources say, best first. */
  others: { source: string; value: number }[];
}

const rank = (source: string): number => {
  const at = (SOURCES as readonly string[]).indexOf(source);
  return at < 0 ? SOURCES.length : at;
};

/** The best of samples that are about the same; `null` where there is none. They are never added or averaged. */
export function best(samples: Sample[]): Figure | null {
  const sorted = samples
    .map(({ labels, value }) => ({ source: labels.source ?? "", value }))
    .sort((a, b) => rank(a.source) - rank(b.source) || b.value - a.value);
  const [first, ...others] = sorted;
  return first ? { ...first, others } : null;
}

/** Samples by what `key` says of them. */
export function grouped<Item>(items: Item[], key: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return groups;
}

const collators = new Map<string, Intl.Collator>();

/** Names in the order in which people count: `gpu2` before `gpu10`. */
export function byName(a: string, b: string): number {
  let collator = collators.get("numeric");
  if (!collator) collators.set("numeric", (collator = new Intl.Collator("en", { numeric: true })));
  return collator.compare(a, b);
}
