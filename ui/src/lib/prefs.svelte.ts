/** What the reader chose: language, theme, contrast, time zone and units. Kept in the browser, followed at once everywhere. */
import { details, messages } from "./i18n/messages.gen";
import { texts } from "./i18n/texts";

export type Language = "en" | "zh";
export type Theme = "light" | "dark";
export type Contrast = "normal" | "high";
/** How memory is counted: in powers of two (GiB) or of ten (GB). */
export type Units = "iec" | "si";
export type Params = Record<string, string | number>;
/** A sentence as the server sends it. */
export interface Message {
  code: string;
  params: Params;
}

function stored<T extends string>(key: string, choices: readonly T[], fallback: T): T {
  try {
    const found = localStorage.getItem(key) as T | null;
    return found && choices.includes(found) ? found : fallback;
  } catch {
    return fallback; // Storage may be forbidden; the page works without.
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Then the choice lasts as long as the page.
  }
}

/** A zone that this browser knows, or none: then the browser's own is used. */
function storedZone(): string {
  try {
    const found = localStorage.getItem("zone") ?? "";
    if (found !== "") new Intl.DateTimeFormat("en", { timeZone: found });
    return found;
  } catch {
    return "";
  }
}

const prefersContrast = () => matchMedia("(prefers-contrast: more)").matches;
const prefersDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

export const prefs = $state({
  language: stored<Language>("language", ["en", "zh"], navigator.language.startsWith("zh") ? "zh" : "en"),
  theme: stored<Theme>("theme", ["light", "dark"], prefersDark() ? "dark" : "light"),
  contrast: stored<Contrast>("contrast", ["normal", "high"], prefersContrast() ? "high" : "normal"),
  units: stored<Units>("units", ["iec", "si"], "iec"),
  /** An IANA name; empty for the browser's own. */
  zone: storedZone(),
});

/** As those who read it call it. */
export const languageName = (language: string): string => (language === "zh" ? "中文" : "English");

export function setLanguage(language: Language): void {
  prefs.language = language;
  store("language", language);
}

export function setTheme(theme: Theme): void {
  prefs.theme = theme;
  store("theme", theme);
}

export function setContrast(contrast: Contrast): void {
  prefs.contrast = contrast;
  store("contrast", contrast);
}

export function setUnits(units: Units): void {
  prefs.units = units;
  store("units", units);
}

export function setZone(zone: string): void {
  prefs.zone = zone;
  store("zone", zone);
}

/** The zone in which times are shown, as `Intl` takes it. */
export const timeZone = (): string | undefined => prefs.zone || undefined;

/** Its name, also where it is the browser's own. */
export const zoneName = (): string => timeZone() ?? Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Puts parameters into `{names}`; an unknown one stays visible as `?`. */
export function fill(template: string, params: Params): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? "?"));
}

/** What says the texts of one table in the reader's language. Pages that are loaded late have their own. */
export function translator<Key extends string>(table: Record<Key, Record<Language, string>>) {
  return (key: Key, params: Params = {}): string => fill(table[key][prefs.language], params);
}

/** One of the page's own texts. */
export const t = translator(texts);

/** The Chinese of a failure's detail, or the detail: what the operating system or a library says may be anything. */
export function chineseDetail(detail: string): string {
  for (const [english, chinese] of details) {
    const filling = fillingOf(english, detail);
    if (filling) return chinese.split("{}").map((piece, at) => piece + (filling[at] ?? "")).join("");
  }
  return detail;
}

/** A failure's detail in the reader's language. */
export const detailText = (detail: string): string => (prefs.language === "en" ? detail : chineseDetail(detail));

/** What stands in a text where a pattern has holes; each but the last is as short as it can be. */
function fillingOf(pattern: string, text: string): string[] | undefined {
  const [first = "", ...between] = pattern.split("{}");
  if (!text.startsWith(first)) return undefined;
  let rest = text.slice(first.length);
  const last = between.pop();
  if (last === undefined) return rest === "" ? [] : undefined;
  const filling: string[] = [];
  for (const literal of between) {
    const at = rest.indexOf(literal);
    if (at < 0) return undefined;
    filling.push(rest.slice(0, at));
    rest = rest.slice(at + literal.length);
  }
  return rest.endsWith(last) ? [...filling, rest.slice(0, rest.length - last.length)] : undefined;
}

/**
 * A sentence of the server in parts: what a parameter brings in words comes from outside and is in English, which is
 * said of it where the reader's language is another, so that it is read out as such.
 */
export function partsOf(message: Message): { text: string; isEnglish: boolean }[] {
  const template = messages[message.code]?.[prefs.language] ?? message.code;
  const params = paramsOf(message);
  return template.split(/(\{\w+\})/).filter(Boolean).map((part) => {
    const text = part.startsWith("{") ? fill(part, params) : part;
    return { text, isEnglish: part !== text && prefs.language !== "en" && /[a-z]{2,} [a-z]/i.test(text) && !/\p{Script=Han}/u.test(text) };
  });
}

/** A message's parameters, with the details that there is Chinese for in the reader's language. */
function paramsOf({ params }: Message): Params {
  if (prefs.language === "en") return params;
  const { detail, reason } = params;
  return {
    ...params,
    ...(typeof detail === "string" ? { detail: detailText(detail) } : {}),
    ...(typeof reason === "string" ? { reason: detailText(reason) } : {}),
  };
}

/** A sentence of the server in the reader's language; an unknown code is shown as it is. */
export function say(message: Message): string {
  const found = messages[message.code];
  return found ? fill(found[prefs.language], paramsOf(message)) : message.code;
}

export const locale = (): string => (prefs.language === "zh" ? "zh-CN" : "en-GB");
