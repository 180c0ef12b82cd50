/** The objects of incidents, rules, silences and channels (`docs/api.md`), and how they are asked for. */
import type { Span } from "../explore/address";
import { reachJson } from "../failure";
import type { Labels } from "../past";
import type { Message } from "../prefs.svelte";
import { ask, type Maybe } from "../requests/ask";
import { tell } from "../tell";

export const INCIDENT_STATES = ["firing", "acknowledged", "silenced", "inhibited", "maintenance", "resolved"] as const;
export type IncidentState = (typeof INCIDENT_STATES)[number];
export const SEVERITIES = ["critical", "warning", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface IncidentAlert {
  fingerprint: string;
  labels: Labels;
  annotations: Labels;
  /** Unix milliseconds, as all times here. */
  starts: number;
  ends: number | null;
  state: string;
  value: number | null;
  generator_url?: string;
  silenced_by: string[];
  inhibited_by: string[];
}

export interface Incident {
  id: string;
  state: IncidentState;
  severity: string;
  name: string;
  started: number;
  updated: number;
  resolved: number | null;
  group_labels: Labels;
  common_labels: Labels;
  annotations: Labels;
  alerts: IncidentAlert[];
  /** How many there are; `alerts` may hold fewer. */
  alerts_total: number;
  route: string;
  channels: string[];
  acknowledged_by: string | null;
  assignee: string | null;
  is_flapping: boolean;
  notes: { time: number; author: string; text: string }[];
  timeline: (Message & { time: number })[];
}

/** Alerts fire that came after somebody had acknowledged it: nobody takes care of those. */
export const isOutgrown = ({ state, acknowledged_by: by }: Incident) => by !== null && state === "firing";

export type SpanState = "firing" | "silenced" | "acknowledged";
export interface HistoryLane {
  name: string;
  labels: Labels;
  severity: string;
  /** The end is `null` while it lasts. */
  spans: [number, number | null, SpanState][];
}

export const askOpen = (filter: string, limit: number, signal?: AbortSignal) =>
  ask<{ incidents: Incident[]; next: Maybe<string> }>("incidents", { state: "open", filter, limit }, signal);
export const askPast = ({ start, end }: Span, filter: string, limit: number, cursor: string | null, signal?: AbortSignal) =>
  ask<{ incidents: Incident[]; next: Maybe<string> }>("incidents", { state: "all", start: Math.floor(start), end: Math.ceil(end), filter, limit, cursor }, signal);
export const askIncident = (id: string, signal?: AbortSignal) => ask<Incident>(`incidents/${encodeURIComponent(id)}`, {}, signal);
export const askLanes = ({ start, end }: Span, limit: number, signal?: AbortSignal) =>
  ask<{ lanes: HistoryLane[]; omitted: number }>("incidents/history", { start: Math.floor(start), end: Math.ceil(end), limit }, signal);

/** What is not as usual, without a threshold that anybody set. */
export interface Finding extends Message {
  kind: string;
  signal: string;
  labels: Labels;
  since: number;
  evidence: { query: string; window_ms: number };
}
export const askFindings = (signal?: AbortSignal) => ask<{ findings: Finding[]; omitted: number }>("findings", {}, signal);

export type IncidentAct = "acknowledge" | "unacknowledge" | "assign" | "note" | "resolve";
export const change = (id: string, act: IncidentAct, body: { author: string; assignee?: string; text?: string }) =>
  tell<Incident>("POST", `/api/mw/v1/incidents/${encodeURIComponent(id)}/${act}`, body);

export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual: boolean;
}

/** As Alertmanager has it: times are texts of RFC 3339. */
export interface Silence {
  id: string;
  status: { state: "active" | "pending" | "expired" };
  matchers: Matcher[];
  startsAt: string;
  endsAt: string;
  updatedAt?: string;
  createdBy: string;
  comment: string;
}
/** Without an identifier a new one. */
export type SilenceDraft = Omit<Silence, "id" | "status" | "updatedAt"> & { id?: string };

export const askSilences = (signal: AbortSignal) => reachJson<Silence[]>("/api/v2/silences", signal);
export const saveSilence = (draft: SilenceDraft) => tell<{ silenceID: string }>("POST", "/api/v2/silences", draft);
export const expireSilence = (id: string) => tell<null>("DELETE", `/api/v2/silence/${encodeURIComponent(id)}`);

export const REPEATS = ["none", "daily", "weekly"] as const;
export interface Maintenance {
  id: string;
  name: string;
  matchers: string[];
  start: number;
  end: number;
  repeat: (typeof REPEATS)[number];
  zone: string;
  origin: "configuration" | "page";
  is_active: boolean;
}
export type MaintenanceDraft = Omit<Maintenance, "id" | "origin" | "is_active"> & { author: string };

export const askMaintenance = (signal?: AbortSignal) => ask<{ windows: Maintenance[] }>("maintenance", {}, signal);
export const saveMaintenance = (draft: MaintenanceDraft) => tell<unknown>("POST", "/api/mw/v1/maintenance", draft);
export const endMaintenance = (id: string, author: string) => tell<unknown>("DELETE", `/api/mw/v1/maintenance?${new URLSearchParams({ id, author })}`);

export interface Threshold {
  index: number;
  value: number;
  /** As the expression writes it: `> 90`. */
  text: string;
}
export interface RuleAlert {
  labels: Labels;
  annotations: Labels;
  state: string;
  active_at: Maybe<number>;
  value: Maybe<number>;
}
export interface Rule {
  id: string;
  kind: "alerting" | "recording";
  name: string;
  query: string;
  for_ms: number;
  keep_firing_for_ms: number;
  labels: Labels;
  annotations: Labels;
  severity: Maybe<string>;
  health: "ok" | "err" | "unknown";
  error: Maybe<string>;
  state: "inactive" | "pending" | "firing";
  last_evaluation: Maybe<number>;
  seconds: Maybe<number>;
  series: Maybe<number>;
  thresholds: Threshold[];
  is_enabled: boolean;
  /** By the page: other thresholds than its file has. */
  is_changed: boolean;
  /** As it was written, where the page has it. */
  yaml?: Maybe<string>;
  /** Not more than the server tells; there are `alerts_total`. */
  alerts: RuleAlert[];
  alerts_total?: number;
}
export interface Group {
  name: string;
  file: string;
  origin: "builtin" | "file" | "page";
  interval_ms: number;
  last_evaluation: Maybe<number>;
  seconds: Maybe<number>;
  rules: Rule[];
}
export interface Problem {
  file?: string;
  line: number;
  column: number;
  reason: string;
}
export const askRules = (signal?: AbortSignal) => ask<{ groups: Group[]; problems: Problem[] }>("rules", {}, signal);

export interface RuleChange {
  id: string;
  thresholds: number[] | null;
  for_ms: number | null;
  severity: string | null;
  is_enabled: boolean | null;
  author: string;
}
export type Previewed = { yaml: string } | { id: string; thresholds: number[]; for_ms: number };
export interface PreviewSeries {
  labels: Labels;
  spans: [number, number | null][];
  pending: [number, number | null][];
}
export interface Preview {
  rules: { name: string; fired: number; series: PreviewSeries[]; omitted: number; error?: Maybe<string> }[];
  problems: Problem[];
  step_ms: number;
  /** Whether it was looked at as often as rules are evaluated. */
  is_whole: boolean;
}
export const preview = (asked: Previewed, span: Span, signal: AbortSignal) =>
  tell<Preview>("POST", "/api/mw/v1/rules/preview", { ...asked, start: Math.floor(span.start), end: Math.ceil(span.end) }, signal);
export const changeRule = (change: RuleChange) => tell<Rule>("POST", "/api/mw/v1/rules/change", change);
export const restoreRule = (id: string, author: string) => tell<unknown>("DELETE", `/api/mw/v1/rules/change?${new URLSearchParams({ id, author })}`);
/** The answer is the rule, the first where there are several. */
export const saveRule = (yaml: string, author: string) => tell<Rule>("POST", "/api/mw/v1/rules/page", { yaml, author });
export const deleteRule = (name: string, author: string) => tell<unknown>("DELETE", `/api/mw/v1/rules/page?${new URLSearchParams({ name, author })}`);

export interface Objective {
  /** `*` for all models without one of their own. */
  model: string;
  ttft_seconds: Maybe<number>;
  tpot_seconds: Maybe<number>;
  success_ratio: Maybe<number>;
  /** Which share of requests has to keep the latencies. */
  ratio: Maybe<number>;
  origin: "configuration" | "page";
}
export const askObjectives = (signal?: AbortSignal) => ask<{ objectives: Objective[] }>("objectives", {}, signal);
export const saveObjective = (objective: Omit<Objective, "origin">, author: string) => tell<unknown>("POST", "/api/mw/v1/objectives", { ...objective, author });
export const deleteObjective = (model: string, author: string) => tell<unknown>("DELETE", `/api/mw/v1/objectives?${new URLSearchParams({ model, author })}`);

export interface Channel {
  name: string;
  /** These are absent of one that the configuration has no more. */
  kind: Maybe<string>;
  /** The host only: what else is in the address may be a secret. */
  target: Maybe<string>;
  language: Maybe<string>;
  is_enabled: boolean;
  waiting: number;
  sent: number;
  failed: number;
  dead: number;
  last_sent: Maybe<number>;
  last_error: Maybe<{ time: number; text: string }>;
  rate: Maybe<string>;
}
export interface DeadLetter {
  id: string;
  key: string;
  title: string;
  /** When it was taken, and when it was given up. */
  time: number;
  died: number;
  reason: string;
}
export interface Tested {
  is_ok: boolean;
  seconds: Maybe<number>;
  error: Maybe<string>;
}
const channelPath = (name: string) => `/api/mw/v1/channels/${encodeURIComponent(name)}`;
export const askChannels = (signal?: AbortSignal) => ask<{ channels: Channel[] }>("channels", {}, signal);
export const testChannel = (name: string) => tell<Tested>("POST", `${channelPath(name)}/test`, {});
export const askDead = (name: string, signal?: AbortSignal) => ask<{ dead: DeadLetter[] }>(`channels/${encodeURIComponent(name)}/dead`, {}, signal);
export const retryDead = (name: string, id: string) => tell<unknown>("POST", `${channelPath(name)}/dead/${encodeURIComponent(id)}/retry`, {});
export const dropDead = (name: string, id: string) => tell<unknown>("DELETE", `${channelPath(name)}/dead/${encodeURIComponent(id)}`);

export interface Route {
  name: string;
  parent: Maybe<string>;
  matchers: string[];
  channels: string[];
  group_by: string[];
  group_wait_ms: number;
  group_interval_ms: number;
  repeat_interval_ms: number;
  continue: boolean;
  escalate_after_ms: Maybe<number>;
  escalate_to: Maybe<string[]>;
}
export interface Inhibition {
  source: string[];
  target: string[];
  equal: string[];
  origin?: string;
}
export interface Alertmanager {
  url: string;
  state: string;
  sent: number;
  failed: number;
  error: Maybe<string>;
}
export interface Routing {
  routes: Route[];
  inhibitions: Inhibition[];
  alertmanagers: Alertmanager[];
}
export const askRouting = (signal?: AbortSignal) => ask<Routing>("routes", {}, signal);
