/** The pages: the navigation, the keys and the help are made from this table. A page is one line here. */
import type { Component } from "svelte";
import type { TextKey } from "./i18n/texts";

export interface Route {
  /** The part of the address behind `#/`. */
  id: string;
  title: TextKey;
  /** Pressed after `g`. */
  key: string;
  /** Shows a time of the reader's choice; others are about now. */
  hasRange: boolean;
  /** Loaded when it is wanted. Pages that read the address take it as `hash`; others take nothing. */
  load: () => Promise<{ default: Component<any> }>;
}

export const ROUTES: Route[] = [
  { id: "overview", title: "overview", key: "o", hasRange: true, load: () => import("../pages/Overview.svelte") },
  { id: "engines", title: "engines", key: "e", hasRange: true, load: () => import("../pages/Engines.svelte") },
  { id: "requests", title: "requests", key: "r", hasRange: true, load: () => import("../pages/Requests.svelte") },
  { id: "gpus", title: "gpus", key: "g", hasRange: true, load: () => import("../pages/Gpus.svelte") },
  { id: "logs", title: "logs", key: "l", hasRange: true, load: () => import("../pages/Logs.svelte") },
  { id: "network", title: "network", key: "n", hasRange: true, load: () => import("../pages/Network.svelte") },
  { id: "alerts", title: "alerts", key: "a", hasRange: true, load: () => import("../pages/Alerts.svelte") },
  { id: "reports", title: "reports", key: "p", hasRange: false, load: () => import("../pages/Reports.svelte") },
  { id: "explore", title: "explore", key: "x", hasRange: true, load: () => import("../pages/Explore.svelte") },
  { id: "keys", title: "keys", key: "k", hasRange: false, load: () => import("../pages/Keys.svelte") },
  { id: "sources", title: "sources", key: "d", hasRange: false, load: () => import("../pages/Sources.svelte") },
  { id: "settings", title: "settings", key: "s", hasRange: false, load: () => import("../pages/Settings.svelte") },
];

export const routeNamed = (id: string): Route => ROUTES.find((route) => route.id === id) ?? ROUTES[0]!;
