/** The queries that were asked last, kept in this browser. */
const KEY = "explore.recent";
export const RECENT_MAX = 20;

export function recent(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter((query) => typeof query === "string").slice(0, RECENT_MAX) : [];
  } catch {
    return []; // Storage may be forbidden, or hold something else.
  }
}

function store(queries: string[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(queries));
  } catch {
    // Then there is no history.
  }
}

/** Puts queries in front. Each is kept once. */
export function remember(queries: string[]): void {
  const asked = queries.map((query) => query.trim()).filter((query) => query !== "");
  store([...new Set([...asked, ...recent()])].slice(0, RECENT_MAX));
}

export const forget = (): void => store([]);
