/** What a filter of logs may become while it is written, and what chips and facets make of it. */
import { expressionEnd, quoted, terms, withCondition, withTerm, wordAt, type Proposal } from "../filter/terms";
import { g, type LogsKey } from "../i18n/logs";
import { SEVERITIES, type Facet, type Severity } from "./ask";

/** Fields to be proposed, the most wanted first. */
export const FIELDS = ["severity", "engine", "model", "instance", "host", "service", "source", "origin", "body", "pattern"] as const;
/** Fields that an attribute may be searched by. */
const FIELD_NAME = /^[\p{L}\p{N}_./-]+$/u;
const PROPOSALS_MAX = 10;

/** What is searched without naming a field, and how it is written. */
export const EXAMPLES: { filter: string; about: LogsKey }[] = [
  { filter: "out of memory", about: "example_words" },
  { filter: '"out of memory"', about: "example_phrase" },
  { filter: "severity:(error OR fatal)", about: "example_severity" },
  { filter: "engine:vllm -host:node-2", about: "example_fields" },
  { filter: "model:Qwen3*", about: "example_wildcard" },
  { filter: "body:/NCCL.*timed? ?out/", about: "example_expression" },
  { filter: "http.response.status_code:>=500", about: "example_attribute" },
  { filter: "(timeout OR 超时) -health", about: "example_or" },
];

/** What the word under the cursor may become. Values come from the facets that are shown. */
export function proposals(filter: string, cursor: number, facets: Facet[]): Proposal[] {
  const { text } = wordAt(filter, cursor);
  const sign = text.startsWith("-") ? "-" : "";
  const word = text.slice(sign.length);
  const colon = word.indexOf(":");
  if (colon < 0) {
    const begun = word.toLowerCase();
    const matching = FIELDS.filter((field) => field.startsWith(begun));
    return matching.map((field) => ({ text: `${sign}${field}:`, label: `${field}:`, about: g(`field_${field}`) }));
  }
  const field = word.slice(0, colon);
  const begun = word.slice(colon + 1).replace(/^"/, "").toLowerCase();
  const known = facets.find((facet) => facet.field === field)?.values.flatMap(({ value }) => value ?? []) ?? [];
  const values = field === "severity" ? [...SEVERITIES] : known;
  const fitting = values.filter((value) => value.toLowerCase().includes(begun) && value !== begun);
  return fitting.slice(0, PROPOSALS_MAX).map((value) => ({ text: `${sign}${field}:${quoted(value)} `, label: value, about: null }));
}

/** Whether a value of that attribute can be searched for. */
export const isSearchable = (name: string): boolean => FIELD_NAME.test(name);

/** Adds a condition of a facet; lines without a value are those of which it is not known. */
export function narrowed(filter: string, field: string, value: string | null, isExcluded: boolean): string {
  return value === null ? withCondition(filter, field, "*", !isExcluded) : withTerm(filter, field, value, isExcluded);
}

const isSeverity = (word: string): word is Severity => SEVERITIES.some((severity) => severity === word);

/** Where the filter chooses severities, as chips write it; `null` where it does not or says it in another way. */
function chosenAt(filter: string): { index: number; severities: Severity[] } | null {
  const words = terms(filter).map(({ start, end }) => filter.slice(start, end));
  if (words.some((word) => /^(or|not)$/i.test(word))) return null;
  const index = words.findIndex((word) => word.startsWith("severity:"));
  if (index < 0) return null;
  const severities = (words[index] ?? "").slice("severity:".length).replace(/^\((.*)\)$/, "$1").split(/\s+OR\s+/i);
  return severities.every(isSeverity) ? { index, severities } : null;
}

/** The severities that chips show as chosen; none where all are shown. */
export const severitiesOf = (filter: string): Severity[] => chosenAt(filter)?.severities ?? [];

/** The filter with a severity chosen as well, or no longer. */
export function withSeverity(filter: string, severity: Severity): string {
  const chosen = severitiesOf(filter);
  const wanted = SEVERITIES.filter((one) => (one === severity) !== chosen.includes(one));
  const written = wanted.length > 1 ? `severity:(${wanted.join(" OR ")})` : `severity:${wanted[0]}`;
  const words = terms(filter).map(({ start, end }) => filter.slice(start, end));
  const isAlternative = words.some((word) => /^or$/i.test(word));
  const kept = isAlternative ? [`(${filter.trim()})`] : words.filter((word) => !word.startsWith("severity:"));
  return (wanted.length === 0 ? kept : [...kept, written]).join(" ");
}

/** The filter without the severities that chips have chosen: what they count is what else there is. */
export function withoutSeverities(filter: string): string {
  if (severitiesOf(filter).length === 0) return filter;
  return terms(filter).map(({ start, end }) => filter.slice(start, end)).filter((word) => !word.startsWith("severity:")).join(" ");
}

/** A word, phrase or expression that lines are searched for. */
export interface Sought {
  source: string;
  isExpression: boolean;
}

/** Fields whose words are looked for in the body, besides naming none. */
const OF_BODY = new Set(["", "body"]);

/** What of a filter is to be found in bodies: words and expressions that are not excluded. */
export function sought(filter: string): Sought[] {
  const found: Sought[] = [];
  let isExcluded = false;
  for (const { start, end } of terms(filter)) {
    const term = filter.slice(start, end);
    if (/^(and|or)$/i.test(term)) continue;
    if (/^not$/i.test(term)) isExcluded = true;
    else {
      if (!isExcluded) found.push(...soughtIn(term));
      isExcluded = false;
    }
  }
  return found;
}

function soughtIn(term: string): Sought[] {
  if (term.startsWith("-")) return [];
  const [, field = "", value = ""] = /^(?:([\p{L}\p{N}_.]+):)?(.*)$/su.exec(term) ?? [];
  if (!OF_BODY.has(field) || value === "") return [];
  if (value.startsWith("(")) return sought(value.replace(/^\((.*)\)?$/s, "$1").replace(/\)$/, ""));
  if (expressionEnd(value, 0) === value.length - 1 && value.length > 2) return [{ source: value.slice(1, -1), isExpression: true }];
  const text = value.replace(/^"(.*)"$/s, "$1").replace(/\\(.)/gs, "$1");
  const literal = text.replace(/\*+$/, "");
  return literal === "" ? [] : [{ source: literal, isExpression: false }];
}
