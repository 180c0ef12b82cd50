/** What a filter of requests may become while it is written. */
import { quoted, wordAt, type Proposal } from "../filter/terms";
import { r } from "../i18n/requests";
import { OUTCOMES, type Exchange } from "./ask";

/** Fields to be proposed, the most wanted first. */
export const FIELDS = [
  "model", "key_name", "outcome", "ttft_ms", "tpot_ms", "e2e_ms", "total_ms", "status", "upstream", "tokens_input",
  "tokens_output", "client", "user_agent", "operation", "path", "queued_ms", "finish_reason", "refusal", "error",
  "is_stream", "request_id", "trace_id",
] as const;
export type Field = (typeof FIELDS)[number];
const PROPOSALS_MAX = 10;

/** Values that fields have: the known ones, and those of the requests that are loaded. */
function valuesOf(field: string, rows: Exchange[]): string[] {
  if (field === "outcome") return [...OUTCOMES];
  if (field === "is_stream") return ["true", "false"];
  const value = (row: Exchange): unknown => {
    if (field === "model") return row.model ?? row.model_asked;
    if (/_ms$|^tokens_|_id$|^error$/.test(field)) return null;
    return row[field as keyof Exchange];
  };
  const counts = new Map<string, number>();
  for (const row of rows) {
    const text = value(row);
    if (typeof text === "string" || typeof text === "number") counts.set(String(text), (counts.get(String(text)) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([text]) => text);
}

/** What the word under the cursor may become. */
export function proposals(filter: string, cursor: number, rows: Exchange[]): Proposal[] {
  const { text } = wordAt(filter, cursor);
  const sign = text.startsWith("-") ? "-" : "";
  const word = text.slice(sign.length);
  const colon = word.indexOf(":");
  if (colon < 0) {
    const begun = word.toLowerCase();
    const matching = FIELDS.filter((field) => field.includes(begun));
    const ordered = [...matching.filter((field) => field.startsWith(begun)), ...matching.filter((field) => !field.startsWith(begun))];
    return ordered.slice(0, PROPOSALS_MAX).map((field) => ({ text: `${sign}${field}:`, label: `${field}:`, about: r(`field_${field}`) }));
  }
  const field = word.slice(0, colon);
  const begun = word.slice(colon + 1).replace(/^"/, "").toLowerCase();
  const values = valuesOf(field, rows).filter((value) => value.toLowerCase().includes(begun) && value !== begun);
  return values.slice(0, PROPOSALS_MAX).map((value) => ({ text: `${sign}${field}:${quoted(value)} `, label: value, about: null }));
}
