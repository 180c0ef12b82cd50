/** What Alerts shows, as its address says it: whoever has the link sees the same. The range is the page's own. */
import { changed, textOf, choiceOf } from "../cluster/address";
import { QUERY_LENGTH_MAX } from "../explore/address";
import { hashOf, parameters } from "../range.svelte";
import { INCIDENT_STATES, SEVERITIES, type IncidentState, type Severity } from "./ask";
import { MATCHERS_LENGTH_MAX } from "./matchers";

export const VIEWS = ["now", "history", "rules", "objectives", "silences", "channels"] as const;
export type View = (typeof VIEWS)[number];

export interface Asked {
  view: View;
  /** The incident that is looked at. */
  incident: string | null;
  /** The rule that is looked at. */
  rule: string | null;
  /** The rule that is written: an identifier, or the empty string for a new one. */
  edit: string | null;
  /** What a new rule is about. */
  query: string;
  /** Matchers that incidents are narrowed down by. */
  filter: string;
  /** Only incidents of this severity, of this state. */
  severity: Severity | null;
  state: IncidentState | null;
  /** Matchers of the silence that is written. */
  silence: string | null;
}

/** Reads `#/alerts?...`. What makes no sense is left out. */
export function read(hash: string): Asked {
  const given = parameters(hash);
  const query = given.get("q") ?? "";
  return {
    view: choiceOf(hash, "view", VIEWS, "now"),
    incident: textOf(hash, "incident"),
    rule: textOf(hash, "rule"),
    edit: given.has("edit") ? (textOf(hash, "edit") ?? "") : null,
    query: query.length <= QUERY_LENGTH_MAX ? query : "",
    filter: (textOf(hash, "filter", MATCHERS_LENGTH_MAX) ?? "").trim(),
    severity: SEVERITIES.find((severity) => severity === given.get("severity")) ?? null,
    state: INCIDENT_STATES.find((state) => state === given.get("state")) ?? null,
    silence: given.has("silence") ? (textOf(hash, "silence", MATCHERS_LENGTH_MAX) ?? "") : null,
  };
}

/** The address with another view, without what only the former one had. */
export const viewAddress = (hash: string, view: View): string =>
  changed(hash, { view: view === "now" ? null : view, incident: null, rule: null, edit: null, q: null, filter: null, severity: null, state: null, silence: null, at: null });

export const incidentAddress = (id: string): string => hashOf("alerts", new URLSearchParams({ incident: id }));

/** A new rule about a query, as charts link to it. */
export const newRuleAddress = (query: string): string => hashOf("alerts", new URLSearchParams({ view: "rules", q: query, edit: "" }));
/** A new silence for what has these labels. */
export const newSilenceAddress = (matchers: string): string => hashOf("alerts", new URLSearchParams({ view: "silences", silence: matchers }));
