/** The keys of all pages. What is typed into a field is text, and with Ctrl, Alt or Meta it is the browser's. */
import type { TextKey } from "./i18n/texts";
import { range } from "./range.svelte";
import { ROUTES } from "./routes";

/** So long a `g` waits for the letter of a page. */
const SEQUENCE_MS_MAX = 1_500;

export interface Shortcut {
  keys: string[];
  says: TextKey;
}

export const SHORTCUTS: Shortcut[] = [
  { keys: ["/"], says: "key_filter" },
  { keys: ["t"], says: "key_range" },
  { keys: ["["], says: "key_earlier" },
  { keys: ["]"], says: "key_later" },
  { keys: ["."], says: "key_pause" },
  { keys: ["←", "→"], says: "key_cursor" },
  { keys: ["↵"], says: "key_select" },
  { keys: ["j", "k"], says: "key_rows" },
  { keys: ["?"], says: "key_help" },
  { keys: ["Esc"], says: "key_escape" },
];

/** What only the page's frame can do. */
export interface Frame {
  help: () => void;
}

/** Whether what is pressed is written into something. */
export function isTyping(event: KeyboardEvent): boolean {
  // Explore's editor lives in a tree of its own, whose root stands for it outside.
  const target = event.composedPath()[0] ?? event.target;
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** Whether a page may take a key: nobody has, nothing is being written, and nothing lies over the page, which would have its own keys. */
export const isFree = (event: KeyboardEvent): boolean =>
  !(event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) && !document.querySelector("dialog[open], [popover]:popover-open");

/** The focus goes to the next link or to the one before; where none has it, to the current one, else to the first. */
export function stepTo(links: HTMLElement[], by: 1 | -1): void {
  const at = links.indexOf(document.activeElement as HTMLElement);
  const to = at >= 0 ? at + by : Math.max(0, links.findIndex((link) => link.getAttribute("aria-current")));
  links[Math.max(0, Math.min(links.length - 1, to))]?.focus();
}

export class Keyboard {
  private startedAt = -Infinity;

  constructor(private frame: Frame) {}

  /** Whether the key meant something. */
  press(event: KeyboardEvent): boolean {
    if (!isFree(event)) return false;
    const isSecond = performance.now() - this.startedAt < SEQUENCE_MS_MAX;
    this.startedAt = -Infinity;
    const route = isSecond ? ROUTES.find(({ key }) => key === event.key) : undefined;
    if (route) {
      location.hash = range.link(route.id);
      return true;
    }
    switch (event.key) {
      case "g":
        this.startedAt = performance.now();
        return true;
      case "/":
        return focus("main [data-filter], main input[type=search], main input[type=text], main .cm-content, main input");
      case "t":
        document.querySelector<HTMLElement>('[data-action="range"]')?.click();
        return true;
      case "[":
        range.shift(-1);
        return true;
      case "]":
        range.shift(1);
        return true;
      case ".":
        range.toggleLive();
        return true;
      case "?":
        this.frame.help();
        return true;
      case "Escape":
        return range.undoBrush();
      default:
        return false;
    }
  }
}

function focus(selector: string): boolean {
  const found = document.querySelector<HTMLElement>(selector);
  found?.focus();
  return found !== null;
}
