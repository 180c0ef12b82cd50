/** Who changes things here, as this browser remembers it: it is written down with each change. */
const KEY = "author";
const LENGTH_MAX = 100;

function remembered(): string {
  try {
    return (localStorage.getItem(KEY) ?? "").slice(0, LENGTH_MAX);
  } catch {
    return ""; // Storage may be forbidden; the page works without.
  }
}

export const author = $state({ name: remembered() });

export function setAuthor(name: string): void {
  author.name = name.slice(0, LENGTH_MAX);
  try {
    localStorage.setItem(KEY, author.name);
  } catch {
    // Then it lasts as long as the page.
  }
}
