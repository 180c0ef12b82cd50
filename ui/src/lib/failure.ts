/** Why there is no answer: what the server says, in its words or as a code, or that nothing sensible came. */
import { messages } from "./i18n/messages.gen";
import { say, t, type Message } from "./prefs.svelte";

export interface Place {
  /** From 1. */
  line: number;
  /** From 1, in bytes of UTF-8. */
  column: number;
}

export class Failure extends Error {
  constructor(
    readonly kind: "server" | "unreachable" | "unreadable" | "missing" | "canceled",
    message: string,
    readonly place: Place | null = null,
    /** The same as a code, where the server gives one. */
    readonly told: Message | null = null,
  ) {
    super(message);
  }
}

/** Other errors come of reading what was answered: it is no JSON, broke off, or is not what the server answers. */
export const asFailure = (error: unknown): Failure => (error instanceof Failure ? error : new Failure("unreadable", String(error)));

/** `fetch` that fails with a `Failure`, or with what an abort throws. */
export async function reach(path: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Failure("unreachable", String(error));
  }
}

/** What a refusal says: by its body, else by its status. */
export function refusal({ status, statusText }: Response, error: string | undefined, told: Message | null = null): Failure {
  return new Failure(status === 404 ? "missing" : "server", error ?? `${status} ${statusText}`.trim(), null, told);
}

/** The JSON of a path. */
export async function reachJson<T>(path: string, signal: AbortSignal): Promise<T> {
  const answer = await reach(path, { signal });
  if (!answer.ok) throw refusal(answer, ((await answer.json().catch(() => null)) as { error?: string } | null)?.error);
  return (await answer.json()) as T;
}

/** The reason as a sentence in the reader's language. */
export function whyOf({ kind, message, told }: Failure): string {
  if (kind === "unreachable") return t("no_answer");
  if (kind === "unreadable") return t("no_sense");
  if (told && messages[told.code]) return say(told);
  const status = /^\d{3}\b.*$/.exec(message)?.[0];
  return status ? t("answered_status", { status }) : message;
}

/** What browsers say of it, each in words of its own: for those who look closer. */
export const detailOf = ({ kind, message }: Failure): string => (kind === "unreachable" || kind === "unreadable" ? message : "");
