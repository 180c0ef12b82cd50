// The small page: numbers without charts, for a binary that was built without Node.
"use strict";

const zh = navigator.language.startsWith("zh");
const text = (en, cn) => (zh ? cn : en);
const place = (id) => document.getElementById(id);

const NUMBERS = [
  [text("Tokens generated per second", "每秒生成 Token 数"), "sum(rate(llm_generation_tokens_total[30s]))", (value) => value.toFixed(1)],
  [text("Requests running", "运行中的请求"), "sum(llm_requests_running)", (value) => value.toFixed(0)],
  [text("Requests waiting", "等待中的请求"), "sum(llm_requests_waiting)", (value) => value.toFixed(0)],
  [text("Host CPU", "主机 CPU"), '100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle"}[10s])))', (value) => `${value.toFixed(0)} %`],
  [text("Host memory in use", "主机已用内存"), "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)", (value) => `${value.toFixed(0)} %`],
];
const STATES = { up: text("up", "在线"), starting: text("starting", "启动中"), down: text("down", "离线") };
const LEVELS = {
  ok: text("Healthy", "运行正常"),
  warn: text("Something needs attention", "有情况需要关注"),
  crit: text("Something is wrong", "存在故障"),
  unknown: text("Not known yet", "尚未知晓"),
};

function row(cells) {
  const line = document.createElement("tr");
  for (const cell of cells) line.appendChild(document.createElement("td")).textContent = cell;
  return line;
}

async function ask(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function show() {
  try {
    const overview = await ask("/api/v1/overview");
    const { level, code } = overview.verdict;
    place("verdict").className = level;
    // The sentences of all codes are part of the full page only.
    place("verdict").textContent = level === "ok" ? LEVELS.ok : `${LEVELS[level]} (${code})`;
    const engines = overview.engines.map((engine) => row([`${engine.name} ${engine.url} ${engine.models.join(", ")}`, STATES[engine.state]]));
    place("list").replaceChildren(...engines);
    const values = await Promise.all(
      NUMBERS.map(async ([name, query, format]) => {
        const found = (await ask(`/api/v1/query?query=${encodeURIComponent(query)}`)).data.result[0];
        return row([name, found ? format(Number(found.value[1])) : "–"]);
      }),
    );
    place("values").replaceChildren(...values);
  } catch (error) {
    place("verdict").className = "crit";
    place("verdict").textContent = text("Disconnected, trying again", "连接已断开，正在重试");
  }
}

document.documentElement.lang = zh ? "zh-CN" : "en";
place("numbers").textContent = text("Key figures", "关键指标");
place("engines").textContent = text("Engines", "推理引擎");
place("note").textContent = text(
  "This is the small page: the full one was not built. Build it with cargo xtask run.",
  "这是精简页面：完整页面尚未构建，可用 cargo xtask run 构建。",
);
show();
setInterval(show, 5000);
