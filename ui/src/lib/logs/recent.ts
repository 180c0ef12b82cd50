/** The filters that were used last, kept in this browser. */
const KEY = "logs.recent";
export const RECENT_MAX = 20;

export function recent(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter((filter) => typeof filter === "string").slice(0, RECENT_MAX) : [];
  } catch {
    return []; // Storage may be forbidden, or hold something else.
  }
}

/** Puts a filter in front. Each is kept once. */
export function remember(filter: string): void {
  if (filter.trim() !== "") store([...new Set([filter.trim(), ...recent()])].slice(0, RECENT_MAX));
}

export const forgetAll = (): void => store([]);

function store(filters: string[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(filters));
  } catch {
    // Then there is no history.
  }
}
