/** The cursor of a chart under the keyboard: what the pointer does by pointing, the arrows do in steps. */

/** With Shift it goes so many points at once. */
const FAR = 10;

/** Where a key leads among the points `first` to `last`; `null` where it means nothing. It begins at the newest. */
export function moved({ key, shiftKey }: Pick<KeyboardEvent, "key" | "shiftKey">, at: number | null, first: number, last: number): number | null {
  if (first < 0 || last < first) return null;
  const by = shiftKey ? FAR : 1;
  const within = (place: number) => Math.min(last, Math.max(first, place));
  switch (key) {
    case "ArrowLeft":
      return at === null ? last : within(at - by);
    case "ArrowRight":
      return at === null ? last : within(at + by);
    case "Home":
      return first;
    case "End":
      return last;
    default:
      return null;
  }
}
