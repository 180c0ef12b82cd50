/** What rows and cards of logs say. */
import { clock, when } from "../format";
import { g, type LogsKey } from "../i18n/logs";
import { prefs } from "../prefs.svelte";
import { SEVERITIES, type Both, type Facet, type Line, type Severity } from "./ask";

/** A severity in the reader's language; one of a newer server is shown as it is called. */
export function severityName(severity: string | null | undefined): string {
  if (!severity) return g("severity_none");
  return SEVERITIES.some((known) => known === severity) ? g(`severity_${severity as Severity}`) : severity;
}

/** The larger the graver; what is not known is least. */
export function gravity(severity: string | null | undefined): number {
  const place = SEVERITIES.findIndex((known) => known === severity);
  return place < 0 ? -1 : SEVERITIES.length - place;
}

/** Who wrote a line, as briefly as it is clear: the engine's instance and model, else the program, else where it was read. */
export function shortName({ model, instance, engine, service, origin, host, source }: Line): string {
  if (model || instance) return [instance, model?.split("/").at(-1)].filter(Boolean).join(" ");
  const name = engine || service || origin?.split("/").at(-1) || source || "";
  return [host, name].filter(Boolean).join(" ");
}

/** The most telling field that a click on the name narrows to. */
export function nameField({ instance, service, origin }: Line): { field: string; value: string } | null {
  if (instance) return { field: "instance", value: instance };
  if (service) return { field: "service", value: service };
  return origin ? { field: "origin", value: origin } : null;
}

/** Milliseconds as well: lines of a second must differ. With the day where that is not today. */
export function timeOf(ms: number, isFull = false): string {
  const fraction = String(new Date(ms).getUTCMilliseconds()).padStart(3, "0");
  const text = `${clock(ms)}.${fraction}`;
  const day = isFull ? when(ms) : clock(ms);
  return isFull && day !== clock(ms) ? `${day.replace(/ \d\d:\d\d$/, "")} ${text}` : text;
}

/** A text of the table of known lines in the reader's language. */
export const inWords = (both: Both): string => both[prefs.language] || both.en;

const FACET_NAMES = ["engine", "model", "instance", "host", "service", "source", "origin"] as const;

/** The name of a field. One that the page does not know is called as the server calls it. */
export function fieldName(field: string): string {
  if (field === "severity") return g("severity");
  return FACET_NAMES.some((known) => known === field) ? g(`facet_${field}` as LogsKey) : field;
}

/** Counts by severity out of facets, the gravest first; those not known last. */
export function levelsOf(facets: Facet[]): { severity: Severity | null; count: number }[] {
  const values = facets.find(({ field }) => field === "severity")?.values ?? [];
  const count = (severity: Severity | null) => values.find(({ value }) => value === severity)?.count ?? 0;
  return [...SEVERITIES, null].map((severity) => ({ severity, count: count(severity) }));
}

/** `g("x_one")` or `g("x")` with a count. */
export function counted(key: "lines_count" | "new_lines" | "skipped" | "folded", count: number): string {
  return count === 1 ? g(`${key}_one`) : g(key, { count: new Intl.NumberFormat(prefs.language === "zh" ? "zh-CN" : "en-GB").format(count) });
}
