/** Tells when an element comes into sight and leaves it. What nobody sees costs nothing. */
export function seen(node: HTMLElement, changed: (isSeen: boolean) => void) {
  const observer = new IntersectionObserver((entries) => changed(entries.at(-1)?.isIntersecting ?? true));
  observer.observe(node);
  return { destroy: () => observer.disconnect() };
}
