/** Routes as a tree: they come as a list in which each names its parent. */
import type { Route } from "./ask";

/** In the order in which they are tried, each with its depth. A route whose parent is unknown or goes in circles is one of the first. */
export function tree(routes: Route[]): { route: Route; depth: number }[] {
  const names = new Set(routes.map(({ name }) => name));
  const placed = new Set<Route>();
  const found: { route: Route; depth: number }[] = [];
  const place = (route: Route, depth: number): void => {
    if (placed.has(route)) return;
    placed.add(route);
    found.push({ route, depth });
    for (const child of routes) if (child.parent === route.name && child !== route) place(child, depth + 1);
  };
  for (const route of routes) if (!route.parent || !names.has(route.parent)) place(route, 0);
  for (const route of routes) place(route, 0);
  return found;
}
