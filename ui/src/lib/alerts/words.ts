/** What the page says of alerts: severities, states, texts of rules, lengths of time. */
import type { Level } from "../lanes/Lanes.svelte";
import type { Labels } from "../past";
import { prefs } from "../prefs.svelte";
import { a, alertsTexts, type AlertsKey } from "../i18n/alerts";
import { SEVERITIES, type Incident, type Severity } from "./ask";

const LEVELS: Record<Severity, Level> = { critical: "crit", warning: "warn", info: "info" };
const isSeverity = (text: string): text is Severity => (SEVERITIES as readonly string[]).includes(text);

/** A severity that is none of the usual is quiet, not green. */
export const levelOf = (severity: string | null | undefined): Level => (severity && isSeverity(severity) ? LEVELS[severity] : "muted");
/** From the gravest. */
export function gravity(severity: string): number {
  const place = (SEVERITIES as readonly string[]).indexOf(severity);
  return place < 0 ? SEVERITIES.length : place;
}
export const severityName = (severity: string): string => (isSeverity(severity) ? a(`severity_${severity}`) : severity);

/** A word that is only known when it comes, such as a state; as it came where there is none. */
export function wordOf(prefix: string, text: string): string {
  const key = `${prefix}_${text}`;
  return known(key) ? a(key) : text;
}
const known = (key: string): key is AlertsKey => Object.hasOwn(alertsTexts, key);

/** A text of a rule in the reader's language: `NAME_zh` is the Chinese of `NAME`. */
export function textOf(annotations: Labels, name: string): string {
  const chinese = prefs.language === "zh" ? annotations[`${name}_zh`] : undefined;
  return (chinese || annotations[name] || "").trim();
}

/** What its alerts say together; where they do not say the same, the first speaks for them. */
export const textsOf = ({ annotations, alerts }: Pick<Incident, "annotations"> & { alerts?: Pick<Incident["alerts"][number], "annotations">[] }): Labels => ({ ...alerts?.[0]?.annotations, ...annotations });

/** What happened, in a sentence; else what it is called. */
export function sentenceOf(incident: Pick<Incident, "annotations" | "name"> & Partial<Pick<Incident, "alerts">>): string {
  const texts = textsOf(incident);
  return textOf(texts, "summary") || textOf(texts, "description") || incident.name;
}

/** Annotations that have places of their own. */
const TOLD = ["summary", "description", "cause", "remedy", "runbook_url"];
export const otherTexts = (annotations: Labels): [string, string][] =>
  Object.entries(annotations).filter(([name]) => !TOLD.includes(name.replace(/_zh$/, "")));

/** Labels that tell one alert from the others of its incident. */
export const ownLabels = (labels: Labels, common: Labels): Labels =>
  Object.fromEntries(Object.entries(labels).filter(([name, value]) => name !== "alertname" && common[name] !== value));

export const labelsText = (labels: Labels): string => Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(" · ");

const WRITTEN = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1_000], ["ms", 1]] as const;

/** A length of time as rule files write it: `5m`, `1h30m`. */
export function durationText(ms: number): string {
  let rest = Math.max(0, Math.round(ms));
  if (rest === 0) return "0s";
  return WRITTEN.map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count > 0 ? `${count}${unit}` : "";
  }).join("");
}

const DURATION = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/;
const SIZES = [604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1];

/** Milliseconds of what a rule file or a person writes; `null` where that is no length of time. Nothing is none. */
export function durationOf(text: string): number | null {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "0") return 0;
  const found = DURATION.exec(trimmed);
  if (!found) return null;
  const ms = SIZES.reduce((sum, size, at) => sum + Number(found[at + 1] ?? 0) * size, 0);
  return ms <= 366 * 86_400_000 ? ms : null;
}

/** What to look at beside an incident: the expression, where the sender says it in its link. */
export function queryOf(generator: string | undefined): string | null {
  try {
    const found = new URL(generator ?? "").searchParams.get("g0.expr");
    return found || new URLSearchParams(new URL(generator ?? "").hash.split("?")[1] ?? "").get("q");
  } catch {
    return null;
  }
}

/** A link that a rule brings: only to the web, since it comes from outside. */
export const webLink = (url: string | undefined): string | null => (url && /^https?:\/\//i.test(url) ? url : null);
