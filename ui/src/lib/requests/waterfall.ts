/** Where the time of one request went: phases on one axis, whose zero is the last byte of the request. */
import type { RequestKey } from "../i18n/requests";
import type { Exchange, Maybe } from "./ask";

export type Hue = "read" | "queue" | "connect" | "wait" | "prefill" | "decode" | "rest" | "blocked";

export interface Phase {
  name: RequestKey;
  hue: Hue;
  /** `null` where it is not known, which is not the same as no time. */
  span: { start: number; end: number } | null;
  /** Said in place of a time, or beside it. */
  note: RequestKey | null;
}

export interface Waterfall {
  start: number;
  end: number;
  phases: Phase[];
  /** What the engine says, where it says anything. */
  engine: Phase[];
  ttft: number | null;
}

const known = (value: Maybe<number>): value is number => typeof value === "number" && Number.isFinite(value);

function between(start: Maybe<number>, end: Maybe<number>): Phase["span"] {
  return known(start) && known(end) ? { start, end: Math.max(start, end) } : null;
}

function phase(name: RequestKey, hue: Hue, span: Phase["span"], note: RequestKey | null = null): Phase {
  return { name, hue, span, note };
}

/** Less than this is no phase of its own: the end of the answer and the end of the exchange are nearly the same. */
const REST_MS_MIN = 1;

export function waterfall(row: Exchange): Waterfall {
  const queued = row.queued_ms;
  const sent = known(queued) ? queued + (row.connect_ms ?? 0) : null;
  const finished = known(row.e2e_ms) ? row.e2e_ms : row.total_ms;
  const phases = [
    phase("phase_request_read", "read", known(row.request_read_ms) ? { start: -row.request_read_ms, end: 0 } : null),
    phase("phase_queued", "queue", between(0, queued)),
  ];
  if (known(queued)) {
    phases.push(phase("phase_connect", "connect", known(row.connect_ms) ? between(queued, sent) : null, known(row.connect_ms) ? null : "reused"));
    phases.push(phase("phase_headers", "wait", between(sent, row.headers_ms)));
  }
  if (known(row.ttft_ms)) {
    phases.push(phase("phase_prefill", "prefill", between(row.headers_ms ?? sent, row.ttft_ms)));
    phases.push(phase("phase_decode", "decode", between(row.ttft_ms, finished)));
  } else if (known(row.headers_ms)) {
    phases.push(phase("phase_answer", "decode", between(row.headers_ms, finished)));
  }
  if (known(row.e2e_ms) && known(row.total_ms) && row.total_ms - row.e2e_ms >= REST_MS_MIN) {
    phases.push(phase("phase_rest", "rest", between(row.e2e_ms, row.total_ms)));
  }
  if (known(row.client_blocked_ms) && row.client_blocked_ms > 0) {
    // When it happened is not recorded, so it is drawn where the answer begins.
    const from = row.headers_ms ?? 0;
    phases.push(phase("phase_client_blocked", "blocked", { start: from, end: from + row.client_blocked_ms }, "blocked_note"));
  }
  const engine = engineOf(row, sent ?? 0);
  const ends = [...phases, ...engine].map(({ span }) => span?.end ?? 0);
  return {
    start: Math.min(0, ...phases.map(({ span }) => span?.start ?? 0)),
    end: Math.max(row.total_ms ?? 0, ...ends),
    phases,
    engine,
    ttft: row.ttft_ms ?? null,
  };
}

/** The engine tells how long, not when: its parts are laid one behind the other from when it was asked. */
function engineOf(row: Exchange, sent: number): Phase[] {
  const tokens = row.tokens_output;
  const decode = known(row.engine_tpot_ms) && known(tokens) && tokens > 1 ? row.engine_tpot_ms * (tokens - 1) : null;
  const parts: [RequestKey, Hue, Maybe<number>][] = [
    ["phase_engine_load", "connect", row.engine_load_ms],
    ["phase_engine_prefill", "prefill", row.engine_prefill_ms],
    ["phase_engine_decode", "decode", decode],
  ];
  let at = sent;
  return parts.flatMap(([name, hue, lasting]) => {
    if (!known(lasting)) return [];
    const start = at;
    at += lasting;
    return [phase(name, hue, { start, end: at })];
  });
}

/** The hues of a row's small bar, in shares of its whole; each phase a client waits in. */
export function shares(row: Exchange): { hue: Hue; from: number; share: number }[] {
  const { phases, end } = waterfall(row);
  if (end <= 0) return [];
  return phases.flatMap(({ hue, span }) => {
    if (!span || hue === "read" || hue === "blocked" || span.end <= span.start) return [];
    return [{ hue, from: span.start / end, share: (span.end - span.start) / end }];
  });
}

/** Some four round marks from start to end. */
export function ticks(start: number, end: number, most = 4): number[] {
  const width = end - start;
  if (!(width > 0)) return [0];
  const rough = width / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? rough;
  const first = Math.ceil(start / step);
  return Array.from({ length: Math.floor(end / step) - first + 1 }, (_, index) => (first + index) * step);
}
