/**
 * What opens on a page, such as a form or a detail in place of a list, takes the focus and gives it back when it closes:
 * whoever uses keys or a screen reader is where the page goes on. Dialogs do so by themselves (`Dialog.svelte`).
 */
import { tick } from "svelte";

/** What had the focus last: what opens something is often gone before that is there. */
let last: HTMLElement | null = null;
document.addEventListener("focusin", ({ target }) => { last = target as HTMLElement; });

/** In a form its first field is the one to write in; of anything else is read first what it is about. */
const targetOf = (node: HTMLElement): HTMLElement | null => node.querySelector(node instanceof HTMLFormElement ? "input, select, textarea" : "h2");

/** For `use:`; `isTaken` says whether it takes the focus at all. */
export function opened(node: HTMLElement, isTaken = true): { destroy: () => void } | undefined {
  if (!isTaken) return undefined;
  const before = last;
  const target = targetOf(node);
  if (target?.tagName === "H2") target.tabIndex = -1;
  target?.focus();
  return {
    destroy() {
      const now = document.activeElement;
      // Somebody is elsewhere already.
      if (now !== null && now !== document.body && !node.contains(now)) return;
      void tick().then(() => (before?.isConnected ? before : again(before))?.focus());
    },
  };
}

/** The same button or link, which gave way to what it opened, and is another element when it comes back. */
function again(before: HTMLElement | null): HTMLElement | null {
  const [action, href] = [before?.dataset.action, before?.getAttribute("href")];
  if (action) return document.querySelector(`[data-action="${CSS.escape(action)}"]`);
  return href ? document.querySelector(`a[href="${CSS.escape(href)}"]`) : null;
}
