/** Changes something on the server, and says why it did not. */
import { reach, refusal, type Failure } from "./failure";

/** As our own API refuses, and as Alertmanager's does: a text, or an object with a message. */
type Refusal = string | { error?: string; message?: string; code?: string | number; params?: Record<string, string> } | null;

function failureOf(answer: Response, body: Refusal): Failure {
  if (typeof body === "string") return refusal(answer, body);
  const told = typeof body?.code === "string" ? { code: body.code, params: body.params ?? {} } : null;
  return refusal(answer, body?.error ?? body?.message, told);
}

/** What the server answers; `null` where that is nothing. Throws a `Failure`. */
export async function tell<T>(method: "POST" | "DELETE", path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const content = body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await reach(path, { method, signal, ...content });
  const text = await answer.text();
  signal?.throwIfAborted();
  if (answer.ok) return (text.trim() === "" ? null : JSON.parse(text)) as T;
  throw failureOf(answer, read(text));
}

function read(text: string): Refusal {
  try {
    return JSON.parse(text) as Refusal;
  } catch {
    return text.length > 0 && text.length < 300 && !text.includes("<") ? text : null;
  }
}
