/** The pages: the navigation, the keys and the help are made from this table. A page is one line here. */
import type { Component } from "svelte";
import type { TextKey } from "./i18n/texts";

export interface Route {
  /** The part of the address behind `#/`. */
  id: string;
  title: TextKey;
  /** Pressed after `g`. */
  key: string;
  /** Loaded when it is wanted. Pages that read the address take it as `hash`; others take nothing. */
  load: () => Promise<{ default: Component<any> }>;
}

export const ROUTES: Route[] = [
  { id: "overview", title: "overview", key: "o", load: () => import("../pages/Overview.svelte") },
  { id: "engines", title: "engines", key: "e", load: () => import("../pages/Engines.svelte") },
  { id: "requests", title: "requests", key: "r", load: () => import("../pages/Requests.svelte") },
  { id: "gpus", title: "gpus", key: "g", load: () => import("../pages/Gpus.svelte") },
  { id: "network", title: "network", key: "n", load: () => import("../pages/Network.svelte") },
  { id: "explore", title: "explore", key: "x", load: () => import("../pages/Explore.svelte") },
  { id: "keys", title: "keys", key: "k", load: () => import("../pages/Keys.svelte") },
  { id: "sources", title: "sources", key: "d", load: () => import("../pages/Sources.svelte") },
  { id: "settings", title: "settings", key: "s", load: () => import("../pages/Settings.svelte") },
];

export const routeNamed = (id: string): Route => ROUTES.find((route) => route.id === id) ?? ROUTES[0]!;
