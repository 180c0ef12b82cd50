/** The texts of lanes, sparklanes, grids and tables, which the pages of a cluster share. */
import { translator } from "../prefs.svelte";

export const laneTexts = {
  segment: { en: "{state} · {start} to {end} · {lasting}", zh: "{state} · {start} 至 {end} · {lasting}" },
  nothing: { en: "no data in this range", zh: "该时段无数据" },
  beats: { en: "{name}: up in {up} of the range, down in {down}, no data in {none}", zh: "{name}：该时段内在线 {up}，离线 {down}，无数据 {none}" },
  beat_up: { en: "up", zh: "在线" },
  beat_down: { en: "down", zh: "离线" },
  beat_partly: { en: "down for a part", zh: "部分时间离线" },
  beat_none: { en: "no data", zh: "无数据" },
  extent: { en: "{low} to {high}", zh: "{low} 至 {high}" },
  spark: { en: "{name}: {value}; in this range {extent}", zh: "{name}：{value}；该时段内 {extent}" },
  as_table: { en: "As table", zh: "以表格显示" },
  time: { en: "Time", zh: "时间" },
  absent: { en: "n/a", zh: "无数据" },
  absent_why: { en: "n/a: {reason}", zh: "无数据：{reason}" },
  more_rows: { en: "{count} rows", zh: "{count} 行" },
  sort: { en: "Sort by {column}", zh: "按{column}排序" },
  heat_keys: { en: "Arrow keys move through the cells, Enter opens one.", zh: "方向键在单元格间移动，回车打开。" },
  failed: { en: "The store did not answer: {reason}", zh: "存储未能应答：{reason}" },
  unreachable: { en: "modelwatch cannot be reached. What is shown is from {time}.", zh: "无法连接 modelwatch，当前显示的是 {time} 的数据。" },
  loading: { en: "Asking the store…", zh: "正在查询…" },
  source_engine: { en: "as the engine says", zh: "引擎上报" },
  source_gateway: { en: "seen by the gateway", zh: "网关观测" },
  source_log: { en: "as its log says", zh: "引擎日志" },
  source_wire: { en: "estimated from TCP connections", zh: "由 TCP 连接估算" },
  source_host: { en: "as the kernel says", zh: "内核数据" },
  mark_gateway: { en: "gw", zh: "网关" },
  mark_log: { en: "log", zh: "日志" },
  mark_wire: { en: "TCP", zh: "TCP" },
  source_other: { en: "from {source}", zh: "来源 {source}" },
  also: { en: "{source}: {value}", zh: "{source}：{value}" },
  see_sources: { en: "What each source says", zh: "查看各数据源状态" },
  explore: { en: "Open in Explore", zh: "在指标探索中打开" },
} as const;

export type LaneText = keyof typeof laneTexts;

/** One of these texts in the reader's language. */
export const l = translator(laneTexts);
