/** Answers as the server gives them. Written, not captured: times and numbers are made up. */
import type { Channel, DeadLetter, Group, HistoryLane, Incident, Maintenance, Objective, Preview, Routing, Rule, Silence } from "./ask";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export const incident = (now: number, change: Partial<Incident> = {}): Incident => ({
  id: "7f3a", state: "firing", severity: "critical", name: "EngineStalled",
  started: now - 23 * MINUTE, updated: now - MINUTE, resolved: null,
  group_labels: { alertname: "EngineStalled", model: "Qwen3-32B" },
  common_labels: { alertname: "EngineStalled", severity: "critical", engine: "vllm", model: "Qwen3-32B" },
  annotations: {
    summary: "Qwen3-32B has running requests but has made no token for 45 s.", summary_zh: "Qwen3-32B 有请求在运行，但已 45 秒没有产出 Token。",
    cause: "The engine hangs: often a collective that waits for a device that has left the bus.", cause_zh: "引擎挂起：常见原因是集合通信在等待掉线的设备。",
    remedy: "Look for Xid errors of its devices, then restart the engine.", remedy_zh: "检查相关设备的 Xid 错误，然后重启引擎。",
    runbook_url: "https://example.org/runbooks/stalled",
  },
  alerts: [
    { fingerprint: "a1b2c3d4e5f60718", labels: { alertname: "EngineStalled", severity: "critical", engine: "vllm", model: "Qwen3-32B", instance: "10.0.0.5:8000" }, annotations: {}, starts: now - 23 * MINUTE, ends: null, state: "firing", value: 45, generator_url: "http://127.0.0.1:9640/graph?g0.expr=llm_requests_running+%3E+0&g0.tab=1", silenced_by: [], inhibited_by: [] },
    { fingerprint: "a1b2c3d4e5f60719", labels: { alertname: "EngineStalled", severity: "critical", engine: "vllm", model: "Qwen3-32B", instance: "10.0.0.6:8000" }, annotations: {}, starts: now - 12 * MINUTE, ends: null, state: "firing", value: null, generator_url: "", silenced_by: [], inhibited_by: [] },
  ],
  alerts_total: 2, route: "all", channels: ["team", "oncall"], acknowledged_by: null, assignee: null, is_flapping: false,
  notes: [{ time: now - 5 * MINUTE, author: "Mei", text: "node-2 dropped off the network before." }],
  timeline: [{ time: now - 23 * MINUTE, code: "verdict.engine_down", params: { model: "Qwen3-32B", instance: "10.0.0.5:8000" } }],
  ...change,
});

export function incidents(now: number): Incident[] {
  const others: Partial<Incident>[] = [
    { id: "8c11", severity: "warning", name: "KvCachePressure", started: now - 3 * HOUR, alerts_total: 1, annotations: { summary: "KV cache of Qwen3-32B is at 97 % and requests are preempted.", summary_zh: "Qwen3-32B 的 KV 缓存已用 97%，请求被抢占。" }, assignee: "Mei", state: "acknowledged", acknowledged_by: "Mei" },
    { id: "9d20", severity: "warning", name: "GpuThermalThrottle", started: now - 40 * MINUTE, annotations: { summary: "GPU 3 of node-2 slows down because of heat.", summary_zh: "node-2 的 GPU 3 因过热降频。" }, group_labels: { alertname: "GpuThermalThrottle", host: "node-2" }, alerts_total: 1 },
    { id: "aa31", severity: "info", name: "CertificateExpiresSoon", started: now - 26 * HOUR, annotations: { summary: "The certificate of llm.example.org expires in 12 days.", summary_zh: "llm.example.org 的证书将在 12 天后过期。" }, state: "silenced", alerts_total: 1 },
    { id: "bb42", severity: "warning", name: "QueueGrows", started: now - 50 * MINUTE, annotations: { summary: "Requests of DeepSeek-V4 wait longer and longer.", summary_zh: "DeepSeek-V4 的请求排队越来越长。" }, is_flapping: true, alerts_total: 3 },
  ];
  return [incident(now), ...others.map((change) => incident(now, { alerts: incident(now).alerts.slice(0, 1), notes: [], ...change }))];
}

export const findings = (now: number) => [{
  kind: "change", signal: "tpot", since: now - 3_600_000, code: "finding.change_tpot",
  labels: { engine: "vllm", model: "qwen3", instance: "10.0.0.1:8000" },
  params: { model: "qwen3", instance: "10.0.0.1:8000", old: "0.32.0", new: "0.33.0", value: "27.0", usual: "21.0", speed: "-22" },
  evidence: { query: "llm_inter_token_latency_seconds", window_ms: 172_800_000 },
}];

export const resolved = (now: number): Incident => incident(now, { id: "cc53", state: "resolved", started: now - 9 * HOUR, resolved: now - 8 * HOUR, name: "TtftBudgetBurns", severity: "warning", annotations: { summary: "Time to first token of Qwen3-32B misses its objective.", summary_zh: "Qwen3-32B 的首 Token 延迟未达目标。" } });

export const lanes = (now: number): HistoryLane[] => [
  { name: "EngineStalled", labels: { model: "Qwen3-32B" }, severity: "critical", spans: [[now - 23 * MINUTE, null, "firing"]] },
  { name: "KvCachePressure", labels: { model: "Qwen3-32B" }, severity: "warning", spans: [[now - 9 * HOUR, now - 8 * HOUR, "firing"], [now - 3 * HOUR, now - 2 * HOUR, "firing"], [now - 2 * HOUR, null, "acknowledged"]] },
  { name: "CertificateExpiresSoon", labels: { host: "llm.example.org" }, severity: "info", spans: [[now - 26 * HOUR, null, "silenced"]] },
];

export const rule = (now: number, change: Partial<Rule> = {}): Rule => ({
  id: "engine/KvCachePressure/0", kind: "alerting", name: "KvCachePressure", query: "llm_kv_cache_usage_ratio > 0.95 and rate(llm_preemptions_total[5m]) > 0.1",
  for_ms: 5 * MINUTE, keep_firing_for_ms: 0, labels: { severity: "warning" }, severity: "warning",
  annotations: { summary: "KV cache of {{ $labels.model }} is at {{ $value | humanizePercentage }}.", summary_zh: "{{ $labels.model }} 的 KV 缓存已用 {{ $value | humanizePercentage }}。", cause: "More or longer requests than the memory holds.", cause_zh: "请求数量或长度超出显存容量。", remedy: "Lower max-num-seqs or add a replica.", remedy_zh: "降低 max-num-seqs 或增加副本。" },
  health: "ok", error: null, state: "firing", last_evaluation: now - 4_000, seconds: 0.0021, series: 4,
  thresholds: [{ index: 0, value: 0.95, text: "> 0.95" }, { index: 1, value: 0.1, text: "> 0.1" }], is_enabled: true, is_changed: false,
  alerts: [{ labels: { alertname: "KvCachePressure", model: "Qwen3-32B" }, annotations: {}, state: "firing", active_at: now - 3 * HOUR, value: 0.97 }],
  ...change,
});

export const groups = (now: number): Group[] => [
  { name: "engine", file: "engine.yml", origin: "builtin", interval_ms: 15_000, last_evaluation: now - 4_000, seconds: 0.012, rules: [
    rule(now),
    rule(now, { id: "engine/EngineDown/1", name: "EngineDown", query: "llm_up == 0", thresholds: [{ index: 0, value: 0, text: "== 0" }], state: "inactive", severity: "critical", labels: { severity: "critical" }, alerts: [], series: 4 }),
    rule(now, { id: "engine/QueueGrows/2", name: "QueueGrows", query: "deriv(llm_requests_waiting[10m]) > 0.05", thresholds: [{ index: 0, value: 0.05, text: "> 0.05" }], state: "pending", alerts: [], is_changed: true }),
  ] },
  { name: "ours", file: "/etc/modelwatch/rules/ours.yml", origin: "file", interval_ms: 60_000, last_evaluation: now - 30_000, seconds: 0.4, rules: [
    rule(now, { id: "ours/Broken/0", name: "Broken", query: "a and on (x) b", thresholds: [], health: "err", error: "many-to-many matching is not allowed", state: "inactive", alerts: [], annotations: { summary: "Something" } }),
    rule(now, { id: "ours/job:rate/1", kind: "recording", name: "job:rate", query: "sum by (job) (rate(x_total[1m]))", thresholds: [], severity: null, state: "inactive", alerts: [], annotations: {}, labels: {} }),
  ] },
  { name: "page", file: "page", origin: "page", interval_ms: 15_000, last_evaluation: now - 4_000, seconds: 0.001, rules: [
    rule(now, { id: "page/DiskSlow/0", name: "DiskSlow", query: "rate(node_disk_io_time_seconds_total[5m]) > 0.9", thresholds: [{ index: 0, value: 0.9, text: "> 0.9" }], state: "inactive", is_enabled: false, alerts: [], annotations: { summary: "A disk is busy all the time." } }),
  ] },
];

export const preview = (now: number, fired: number): Preview => ({
  rules: [{ name: "KvCachePressure", fired, omitted: 0, series: Array.from({ length: Math.min(fired, 2) }, (_, at) => ({ labels: { model: at === 0 ? "Qwen3-32B" : "DeepSeek-V4" }, pending: [[now - (9 - at) * HOUR, now - (9 - at) * HOUR + 5 * MINUTE]], spans: [[now - (9 - at) * HOUR + 5 * MINUTE, now - (8 - at) * HOUR], [now - 2 * HOUR, null]] })) }],
  problems: [], step_ms: 15_000, is_whole: true,
});

export const objectives: Objective[] = [
  { model: "*", ttft_seconds: 2, tpot_seconds: null, success_ratio: 0.99, ratio: 0.95, origin: "configuration" },
  { model: "Qwen3-32B", ttft_seconds: 1.5, tpot_seconds: 0.05, success_ratio: null, ratio: 0.9, origin: "page" },
];

export const silences = (now: number): Silence[] => [
  { id: "5f1c-old", status: { state: "expired" }, matchers: [{ name: "host", value: "node-1", isRegex: false, isEqual: true }], startsAt: new Date(now - 30 * HOUR).toISOString(), endsAt: new Date(now - 20 * HOUR).toISOString(), createdBy: "Mei", comment: "Driver update" },
  { id: "5f1c-now", status: { state: "active" }, matchers: [{ name: "alertname", value: "CertificateExpiresSoon", isRegex: false, isEqual: true }, { name: "host", value: "llm\\..*", isRegex: true, isEqual: true }], startsAt: new Date(now - HOUR).toISOString(), endsAt: new Date(now + 70 * HOUR).toISOString(), createdBy: "Mei", comment: "The new certificate is ordered" },
];

export const windows = (now: number): Maintenance[] => [
  { id: "m1", name: "Kernel updates", matchers: ['host=~"node-.*"'], start: now + 5 * HOUR, end: now + 7 * HOUR, repeat: "weekly", zone: "Europe/Berlin", origin: "configuration", is_active: false },
  { id: "m2", name: "Move of node-4", matchers: ['host="node-4"'], start: now - HOUR, end: now + HOUR, repeat: "none", zone: "Europe/Berlin", origin: "page", is_active: true },
];

export const channels = (now: number): Channel[] => [
  { name: "team", kind: "feishu", target: "open.feishu.cn", language: "zh", is_enabled: true, waiting: 0, sent: 128, failed: 2, dead: 0, last_sent: now - 12 * MINUTE, last_error: null, rate: "100/min" },
  { name: "oncall", kind: "smtp", target: "mail.example.org", language: "en", is_enabled: true, waiting: 3, sent: 17, failed: 9, dead: 2, last_sent: now - 5 * HOUR, last_error: { time: now - 2 * MINUTE, text: "mail.example.org:587: connection refused. Is the mail server running?" }, rate: null },
  { name: "hook", kind: null, target: null, language: null, is_enabled: false, waiting: 0, sent: 0, failed: 0, dead: 0, last_sent: null, last_error: null, rate: null },
];
export const dead = (now: number): DeadLetter[] => [{ id: "1", key: "7f3a-1", time: now - 4 * HOUR, died: now - 3 * HOUR, title: "EngineStalled Qwen3-32B", reason: "550 no such user" }];

export const routing: Routing = {
  routes: [
    { name: "all", parent: null, matchers: [], channels: ["team"], group_by: ["alertname", "model"], group_wait_ms: 0, group_interval_ms: 300_000, repeat_interval_ms: 14_400_000, continue: false, escalate_after_ms: 900_000, escalate_to: ["oncall"] },
    { name: "quiet", parent: "all", matchers: ['severity="info"'], channels: [], group_by: ["..."], group_wait_ms: 30_000, group_interval_ms: 300_000, repeat_interval_ms: 86_400_000, continue: true, escalate_after_ms: null, escalate_to: null },
  ],
  inhibitions: [{ source: ['alertname="EngineDown"'], target: ['severity=~"warning|info"'], equal: ["instance"] }],
  alertmanagers: [{ url: "http://10.0.0.7:9093", state: "up", sent: 400, failed: 0, error: null }],
};
