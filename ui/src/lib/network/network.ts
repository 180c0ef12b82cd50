/** The network as the engines see it: per port its connections, clients, quality, and whom it lets in. */
import { quote, windowOf, type Sample } from "../cluster/ask";
import { byName, grouped } from "../cluster/best";

/** One query for each column. `seconds` is the range in which events are counted. */
export function columns(seconds: number): Record<string, string> {
  const window = windowOf(seconds);
  const BY = "engine, model, instance";
  const grown = (name: string) => `sum by (${BY}) (increase(${name}[${window}]))`;
  return {
    info: "llm_engine_info",
    listen: "llm_engine_listen_info",
    state: "llm_connections",
    client: "llm_connections_by_client",
    awaiting: "llm_connections_awaiting_first_byte",
    queue: "llm_accept_queue_connections",
    queue_max: "llm_accept_queue_connections_max",
    queue_peak: `max by (${BY}) (max_over_time(llm_accept_queue_connections[${window}]))`,
    rtt: "llm_connection_rtt_seconds",
    rtt_min: "llm_connection_rtt_min_seconds",
    mtu: "llm_connection_path_mtu_bytes",
    retransmits: grown("llm_connection_retransmits_total"),
    sent: `sum by (${BY}) (rate(llm_connection_sent_bytes_total[1m]))`,
    received: `sum by (${BY}) (rate(llm_connection_received_bytes_total[1m]))`,
    reader: `${grown("llm_connection_rwnd_limited_seconds_total")} / (${grown("llm_connection_busy_seconds_total")} > 0)`,
    buffer: `${grown("llm_connection_sndbuf_limited_seconds_total")} / (${grown("llm_connection_busy_seconds_total")} > 0)`,
  };
}

export const SCOPES = ["loopback", "private", "public", "all"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Port {
  instance: string;
  engine: string;
  model: string;
  url: string;
  /** The addresses it is bound to; empty where nobody could look. */
  bound: { address: string; scope: Scope }[];
  /** The widest of them. */
  scope: Scope | null;
  states: { state: string; count: number }[];
  /** All connections; `null` where nobody could look. */
  connections: number | null;
  established: number | null;
  clients: { client: string; count: number }[];
  awaiting: number | null;
  queue: number | null;
  queueMax: number | null;
  queuePeak: number | null;
  rtt: number | null;
  rttMin: number | null;
  mtu: number | null;
  retransmits: number | null;
  sent: number | null;
  received: number | null;
  /** Shares of the time with data to send in which a slow reader, or the engine's own buffer, held it up. */
  reader: number | null;
  buffer: number | null;
}

const scopeOf = (text: string | undefined): Scope => SCOPES.find((scope) => scope === text) ?? "all";

/** The ports in the answer to `columns`: those of all engines, whether or not anybody looks at their sockets. */
export function portsOf(samples: Sample[]): Port[] {
  const named = samples.filter(({ labels }) => labels.instance);
  const ports = [...grouped(named, ({ labels }) => labels.instance ?? "")].map(([instance, group]): Port => {
    const of = (column: string) => group.filter((sample) => sample.column === column);
    const one = (column: string) => of(column)[0]?.value ?? null;
    const info = of("info")[0]?.labels ?? group[0]?.labels ?? {};
    const bound = of("listen")
      .map(({ labels }) => ({ address: labels.address ?? "", scope: scopeOf(labels.scope) }))
      .sort((a, b) => SCOPES.indexOf(b.scope) - SCOPES.indexOf(a.scope));
    const states = of("state").map(({ labels, value }) => ({ state: labels.state ?? "", count: value }));
    return {
      instance,
      engine: info.engine ?? "",
      model: info.model ?? "",
      url: of("info")[0]?.labels.url ?? "",
      bound,
      scope: bound[0]?.scope ?? null,
      states: states.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count),
      connections: states.length > 0 ? states.reduce((sum, { count }) => sum + count, 0) : null,
      established: states.find(({ state }) => state === "established")?.count ?? null,
      clients: of("client").map(({ labels, value }) => ({ client: labels.client ?? "", count: value })).filter(({ count }) => count > 0).sort((a, b) => Number(a.client === "other") - Number(b.client === "other") || b.count - a.count),
      awaiting: one("awaiting"),
      queue: one("queue"),
      queueMax: one("queue_max"),
      queuePeak: one("queue_peak"),
      rtt: one("rtt"),
      rttMin: one("rtt_min"),
      mtu: one("mtu"),
      retransmits: one("retransmits"),
      sent: one("sent"),
      received: one("received"),
      reader: one("reader"),
      buffer: one("buffer"),
    };
  });
  return ports.sort((a, b) => byName(a.instance, b.instance));
}

/** Whether somebody could look at the sockets of a port. */
export const isSeen = (port: Port): boolean => port.connections !== null || port.bound.length > 0;

export const PROBE_COLUMNS: Record<string, string> = {
  success: "probe_success",
  duration: "probe_duration_seconds",
  status: "probe_http_status_code",
  expiry: "probe_ssl_earliest_cert_expiry",
  phase: "{__name__=~\"probe_(http|icmp|dns)_duration_seconds\"}",
};

export interface Probe {
  key: string;
  target: string;
  module: string;
  query: string;
  isUp: boolean | null;
  seconds: number | null;
  status: number | null;
  /** Unix seconds. */
  expiry: number | null;
  phases: { phase: string; seconds: number }[];
}

/** The parts of a probe in the order in which they happen. */
const PHASES = ["resolve", "setup", "connect", "tls", "processing", "rtt", "request", "transfer"];
const phaseRank = (phase: string) => (PHASES.includes(phase) ? PHASES.indexOf(phase) : PHASES.length);

export const probeKey = (labels: Record<string, string>): string => `${labels.module ?? ""} ${labels.instance ?? ""} ${labels.query ?? ""}`.trim();

export function probesOf(samples: Sample[]): Probe[] {
  return [...grouped(samples, ({ labels }) => probeKey(labels))]
    .map(([key, group]): Probe => {
      const one = (column: string) => group.find((sample) => sample.column === column)?.value ?? null;
      const { instance = "", module = "", query = "" } = group[0]?.labels ?? {};
      const success = one("success");
      return {
        key,
        target: instance,
        module,
        query,
        isUp: success === null ? null : success > 0,
        seconds: one("duration"),
        status: one("status"),
        expiry: one("expiry"),
        phases: group.filter(({ column }) => column === "phase").map(({ labels, value }) => ({ phase: labels.phase ?? "", seconds: value })).sort((a, b) => phaseRank(a.phase) - phaseRank(b.phase)),
      };
    })
    .sort((a, b) => byName(a.target, b.target) || byName(a.module, b.module));
}

export const portSelector = (instance: string): string => `{instance=${quote(instance)}}`;
