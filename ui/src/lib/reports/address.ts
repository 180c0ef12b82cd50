/** What Reports shows, as its address says it: the period that is chosen, and which report is seen. */
import { changed, choiceOf, textOf } from "../cluster/address";
import { parameters, readRange, secondsOf } from "../range.svelte";
import type { Span } from "../explore/address";

export const PERIODS = ["24h", "7d", "30d", "custom"] as const;
export type Period = (typeof PERIODS)[number];
export const LANGUAGES = ["en", "zh"] as const;
export type ReportLanguage = (typeof LANGUAGES)[number];

export interface Asked {
  period: Period;
  /** Of a period of one's own. */
  span: Span | null;
  language: ReportLanguage;
  model: string;
  /** `preview`, the identifier of a report, or nothing. */
  shown: string | null;
}

export function read(hash: string, usual: ReportLanguage): Asked {
  const { start, end } = readRange(`?${parameters(hash)}`).range;
  const span = start !== null && end !== null ? { start, end } : null;
  return {
    period: span ? "custom" : choiceOf(hash, "last", PERIODS.slice(0, 3) as Period[], "7d"),
    span,
    language: choiceOf(hash, "lang", LANGUAGES, usual),
    model: textOf(hash, "model") ?? "",
    shown: textOf(hash, "shown"),
  };
}

/** The address with something else chosen; what is not named stays. */
export function address(hash: string, { period, span, language, model, shown }: Partial<Asked>): string {
  const isFixed = span !== undefined && span !== null;
  return changed(hash, {
    ...(period === undefined || period === "custom" ? {} : { last: period === "7d" ? null : period, from: null, to: null }),
    ...(isFixed ? { last: null, from: String(Math.floor(span.start)), to: String(Math.ceil(span.end)) } : {}),
    ...(language === undefined ? {} : { lang: language }),
    ...(model === undefined ? {} : { model: model || null }),
    ...(shown === undefined ? {} : { shown }),
  });
}

const MINUTE_MS = 60_000;

/** The ends of the period. One that ends now ends at the last whole minute, so that looking again is the same question. */
export function spanOf({ period, span }: Pick<Asked, "period" | "span">, now: number): Span {
  if (span) return span;
  const end = Math.floor(now / MINUTE_MS) * MINUTE_MS;
  return { start: end - (secondsOf(period) ?? 604_800) * 1_000, end };
}
