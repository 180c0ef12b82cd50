/** A rule as the form has it, and as a rule file has it. */
import type { Labels } from "../past";
import type { Rule } from "./ask";
import { durationText } from "./words";

export const COMPARISONS = [">", ">=", "<", "<=", "==", "!="] as const;
export type Comparison = (typeof COMPARISONS)[number];

export interface Draft {
  name: string;
  expr: string;
  /** Empty: the expression says it itself. */
  comparison: Comparison | "";
  /** As it is written. */
  threshold: string;
  for: string;
  keepFiringFor: string;
  severity: string;
  /** Others than the severity. */
  labels: Labels;
  annotations: Labels;
}

export const newDraft = (query: string): Draft => ({
  name: "", expr: query, comparison: query === "" ? "" : ">", threshold: "", for: "5m", keepFiringFor: "", severity: "warning", labels: {}, annotations: {},
});

export function draftOf({ name, query, for_ms, keep_firing_for_ms, labels, annotations, severity }: Rule): Draft {
  const { severity: _, ...others } = labels;
  return {
    name, expr: query, comparison: "", threshold: "", for: for_ms > 0 ? durationText(for_ms) : "",
    keepFiringFor: keep_firing_for_ms > 0 ? durationText(keep_firing_for_ms) : "", severity: severity ?? labels.severity ?? "", labels: others, annotations: { ...annotations },
  };
}

/** What must be in it before it can be tried. */
export function missingOf({ name, expr, comparison, threshold }: Draft): "name" | "expr" | "threshold" | null {
  if (expr.trim() === "") return "expr";
  if (comparison !== "" && !/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(threshold.trim())) return "threshold";
  return name.trim() === "" ? "name" : null;
}

/** What is compared needs no parentheses where it is one call or one selector. */
const isSimple = (expr: string): boolean => /^[\w:]+(\{[^{}]*\})?(\[\w+\])?$/.test(expr);

export function exprOf({ expr, comparison, threshold }: Pick<Draft, "expr" | "comparison" | "threshold">): string {
  const trimmed = expr.trim();
  if (comparison === "") return trimmed;
  return `${isSimple(trimmed) ? trimmed : `(${trimmed})`} ${comparison} ${threshold.trim()}`;
}

/** Words that YAML takes for something else than a text. */
const RESERVED = /^(true|false|null|yes|no|on|off|y|n|~)$/i;

/** A text as YAML writes it, in the plainest way that is safe. */
export function scalar(text: string): string {
  if (/^[A-Za-z][\w./-]*( [\w./-]+)*$/.test(text) && !RESERVED.test(text)) return text;
  if (/^\d+(ms|[smhdwy])(\d+(ms|[smhd]))*$/.test(text)) return text;
  return /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/.test(text) ? JSON.stringify(text) : `'${text.replaceAll("'", "''")}'`;
}

/** Of several lines, where they can stand as they are. */
function block(text: string, indent: string): string {
  const lines = text.split("\n");
  const isPlain = lines.length > 1 && !/^\s/.test(text) && !/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff]/.test(text);
  return isPlain ? `|-\n${lines.map((line) => (line === "" ? "" : `${indent}${line}`)).join("\n")}` : scalar(text);
}

function mapping(name: string, pairs: [string, string][]): string[] {
  const given = pairs.filter(([, text]) => text.trim() !== "");
  return given.length === 0 ? [] : [`  ${name}:`, ...given.map(([key, text]) => `    ${scalar(key)}: ${block(text.trim(), "      ")}`)];
}

/** The rule as the only entry of a list, as rule files have it. */
export function yamlOf(draft: Draft): string {
  return [
    `- alert: ${scalar(draft.name.trim())}`,
    `  expr: ${block(exprOf(draft), "    ")}`,
    ...(draft.for.trim() === "" ? [] : [`  for: ${scalar(draft.for.trim())}`]),
    ...(draft.keepFiringFor.trim() === "" ? [] : [`  keep_firing_for: ${scalar(draft.keepFiringFor.trim())}`]),
    ...mapping("labels", [["severity", draft.severity], ...Object.entries(draft.labels)]),
    ...mapping("annotations", Object.entries(draft.annotations)),
  ].join("\n");
}

/** A word for a rule about a query: its metric in the way alerts are named. */
export function nameFor(query: string): string {
  const words = query.replace(/"(?:[^"\\]|\\.)*"|'[^']*'|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, " ").match(/[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])/g) ?? [];
  const metric = words.find((word) => /[_:]/.test(word)) ?? "";
  return metric.split(/[_:]+/).filter(Boolean).map((word) => word[0]!.toUpperCase() + word.slice(1)).join("").slice(0, 60);
}
