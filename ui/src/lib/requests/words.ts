/** What cells of requests say. What is not known is a dash, never zero. */
import { format, when } from "../format";
import { r, type RequestKey } from "../i18n/requests";
import { locale } from "../prefs.svelte";
import { OUTCOMES, type Exchange, type Maybe } from "./ask";

export const millis = (value: Maybe<number>): string => format(value, "milliseconds");

/** A whole number in full, since tokens are paid for one by one. */
export function count(value: Maybe<number>): string {
  return typeof value === "number" && Number.isFinite(value) ? new Intl.NumberFormat(locale(), { maximumFractionDigits: 0 }).format(value) : "–";
}

/** Tokens of the answer; counted ones have a sign before them. */
export function outputTokens(row: Exchange): string {
  const text = count(row.tokens_output);
  return typeof row.tokens_output === "number" && row.is_exact !== true ? `~${text}` : text;
}

export const modelOf = (row: Exchange): string | null => row.model || row.model_asked || null;

/** Whether another model answered than was asked for; `:latest` is the same. */
export function isSubstituted({ model_asked: asked, model: served }: Exchange): boolean {
  return Boolean(asked && served && asked !== served && asked.replace(/:latest$/, "") !== served);
}

/** Whether the client took so long to read that the times say more about it than about the engine. */
export const isClientBound = ({ client_blocked_ms: blocked, e2e_ms: e2e }: Exchange): boolean =>
  typeof blocked === "number" && typeof e2e === "number" && blocked * 20 > e2e;

export const outcomeName = (outcome: string): string =>
  OUTCOMES.some((known) => known === outcome) ? r(`outcome_${outcome}` as RequestKey) : outcome;

/** In plain words how it ended. An outcome of a newer server is shown as it is called. */
export const outcomeWhy = (outcome: string): string =>
  OUTCOMES.some((known) => known === outcome) ? r(`why_${outcome}` as RequestKey) : outcome;

/** Milliseconds as well: two requests of a second must differ. */
export function moment(time: number): string {
  const fraction = String(new Date(time).getMilliseconds()).padStart(3, "0");
  const text = when(time);
  return /:\d\d:\d\d$/.test(text) ? `${text}.${fraction}` : text;
}
