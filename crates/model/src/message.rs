//! Every text that the server, the command line and the page share, in both languages.
//!
//! Stored and sent data carries a code and parameters; the reader's language is applied last.
//! Texts that only the page uses live in the page's own catalogues.

use crate::detail;

/// A language that texts exist in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Chinese,
}

impl Language {
    /// From a locale or language tag: anything that starts with `zh` is Chinese, the rest English.
    pub fn from_tag(tag: &str) -> Self {
        if tag.trim_start().to_ascii_lowercase().starts_with("zh") {
            Self::Chinese
        } else {
            Self::English
        }
    }

    /// `en` or `zh`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }
}

/// One text. `{name}` stands for a parameter.
#[derive(Debug)]
pub struct Message {
    pub code: &'static str,
    pub en: &'static str,
    pub zh: &'static str,
}

/// The text of `code` with its parameters filled in. An unknown code is shown as it is: a newer
/// peer may know more codes than we do.
pub fn render<N: AsRef<str>, V: AsRef<str>>(
    code: &str,
    params: &[(N, V)],
    language: Language,
) -> String {
    let Ok(index) = MESSAGES.binary_search_by(|message| message.code.cmp(code)) else {
        return code.to_owned();
    };
    let message = &MESSAGES[index];
    let template = match language {
        Language::English => message.en,
        Language::Chinese => message.zh,
    };
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        text.push_str(before);
        let value = params.iter().find(|(candidate, _)| candidate.as_ref() == name);
        let value = value.map_or("?", |(_, value)| value.as_ref());
        let is_detail = language == Language::Chinese && matches!(name, "detail" | "reason");
        text.push_str(&if is_detail { detail::chinese(value) } else { value.into() });
        rest = after;
    }
    text.push_str(rest);
    text
}

/// All messages, sorted by code.
pub static MESSAGES: &[Message] = &[
    Message {
        code: "audit.acknowledged",
        en: "{author} acknowledged the incident {name} ({id})",
        zh: "{author} 确认了事件 {name}（{id}）",
    },
    Message {
        code: "audit.assigned",
        en: "{author} assigned the incident {name} ({id}) to {assignee}",
        zh: "{author} 将事件 {name}（{id}）指派给 {assignee}",
    },
    Message {
        code: "audit.dismissed",
        en: "{author} closed the incident {name} ({id})",
        zh: "{author} 关闭了事件 {name}（{id}）",
    },
    Message {
        code: "audit.noted",
        en: "{author} noted on the incident {name} ({id}): {text}",
        zh: "{author} 为事件 {name}（{id}）添加了备注：{text}",
    },
    Message {
        code: "audit.report_removed",
        en: "{author} deleted the report {report}",
        zh: "{author} 删除了报告 {report}",
    },
    Message {
        code: "audit.schedule_put",
        en: "{author} saved the schedule {name} of reports",
        zh: "{author} 保存了报告计划 {name}",
    },
    Message {
        code: "audit.schedule_removed",
        en: "{author} deleted the schedule {name} of reports",
        zh: "{author} 删除了报告计划 {name}",
    },
    Message {
        code: "audit.silence_ended",
        en: "A silence was ended: {matchers} ({id}), made by {author}",
        zh: "静默已结束：{matchers}（{id}），创建者 {author}",
    },
    Message {
        code: "audit.silence_put",
        en: "{author} silenced {matchers} until {end} ({id}): {text}",
        zh: "{author} 静默了 {matchers}，至 {end}（{id}）：{text}",
    },
    Message {
        code: "audit.unacknowledged",
        en: "{author} took back the acknowledgement of the incident {name} ({id})",
        zh: "{author} 撤销了对事件 {name}（{id}）的确认",
    },
    Message {
        code: "audit.unassigned",
        en: "{author} made the incident {name} ({id}) nobody's",
        zh: "{author} 取消了事件 {name}（{id}）的指派",
    },
    Message {
        code: "audit.window_put",
        en: "{author} set the maintenance window {name} from {start} to {end}: {matchers}",
        zh: "{author} 设置了维护窗口 {name}，{start} 至 {end}：{matchers}",
    },
    Message {
        code: "audit.window_removed",
        en: "{author} removed the maintenance window {name}",
        zh: "{author} 删除了维护窗口 {name}",
    },
    Message { code: "bench.arrival_constant", en: "evenly spaced", zh: "等间隔到达" },
    Message {
        code: "bench.arrival_poisson", en: "at random (Poisson)", zh: "随机到达（泊松）"
    },
    Message {
        code: "bench.beyond",
        en: "{option} {value}: only {limit} is allowed",
        zh: "{option} {value}：允许范围为 {limit}",
    },
    Message {
        code: "bench.cpu",
        en: "  generator     used {percent}% of this machine's processors",
        zh: "  压测端        占用本机处理器的 {percent}%",
    },
    Message {
        code: "bench.cut_short",
        en: "  ended early   {count} requests were given up and count nowhere; loads that had not begun: {loads}",
        zh: "  提前结束      放弃了 {count} 个请求（不计入统计）；尚未开始的负载：{loads} 个",
    },
    Message {
        code: "bench.estimated",
        en: "  (of {count} requests the engine did not tell the tokens: counted from events, a lower bound)",
        zh: "  （有 {count} 个请求引擎未返回 token 数，按事件计数，为下限）",
    },
    Message {
        code: "bench.failed",
        en: "  failed        {count} × {kind} {reason}",
        zh: "  失败          {count} × {kind} {reason}",
    },
    Message {
        code: "bench.file",
        en: "{path} cannot be used: {reason}",
        zh: "无法使用 {path}：{reason}",
    },
    Message {
        code: "bench.generator_limited",
        en: "  ATTENTION     the generator itself was late ({lag} ms at p99) or short of processor time ({percent}%), so it, not the engine, may be what was measured. Use another machine, or less load",
        zh: "  注意          压测端自身发送滞后（p99 {lag} ms）或处理器不足（{percent}%），测得的可能是压测端而非引擎的极限。请换一台机器，或降低负载",
    },
    Message {
        code: "bench.goodput",
        en: "  goodput       {rate} requests/s: {count} of {sent} requests within {slo}",
        zh: "  有效吞吐      {rate} 请求/s：{sent} 个请求中有 {count} 个满足 {slo}",
    },
    Message {
        code: "bench.hidden",
        en: "  note          {count} requests made tokens that were not shown, so their TPOT is too short; the engine's own is better",
        zh: "  提示          有 {count} 个请求产生了未显示的 token，其 TPOT 偏小，应以引擎自报为准",
    },
    Message {
        code: "bench.load_closed",
        en: "Closed loop, {concurrency} at a time",
        zh: "闭环，并发 {concurrency}",
    },
    Message {
        code: "bench.load_open",
        en: "Open loop, {rate} requests/s, {arrival}, at most {limit} in flight",
        zh: "开环，每秒 {rate} 个请求，{arrival}，同时最多 {limit} 个",
    },
    Message { code: "bench.max", en: "max", zh: "最大" },
    Message { code: "bench.mean", en: "mean", zh: "均值" },
    Message {
        code: "bench.model_choice",
        en: "{url} has {count} models ({names}); choose one with --model",
        zh: "{url} 有 {count} 个模型（{names}），请用 --model 指定",
    },
    Message { code: "bench.ms", en: "ms", zh: "毫秒" },
    Message {
        code: "bench.no_ca_bundle",
        en: "this system has no bundle of trusted certificates; name one with --ca-file",
        zh: "本系统没有可信证书集合，请用 --ca-file 指定",
    },
    Message {
        code: "bench.no_certificate",
        en: "{path} holds no certificate in PEM form",
        zh: "{path} 中没有 PEM 格式的证书",
    },
    Message {
        code: "bench.no_key",
        en: "the environment variable {name} is not set; --api-key-env names the variable that holds the key, not the key",
        zh: "环境变量 {name} 未设置；--api-key-env 应填保存密钥的变量名，而不是密钥本身",
    },
    Message {
        code: "bench.no_model",
        en: "{url} lists no model; name it with --model",
        zh: "{url} 未列出任何模型，请用 --model 指定",
    },
    Message {
        code: "bench.no_models",
        en: "{url} does not tell which models there are ({reason}). Is it an OpenAI-compatible API? If so, name the model with --model",
        zh: "{url} 未返回模型列表（{reason}）。它是 OpenAI 兼容接口吗？如果是，请用 --model 指定模型",
    },
    Message {
        code: "bench.no_prompts", en: "{path} holds no prompts", zh: "{path} 中没有提示词"
    },
    Message {
        code: "bench.nothing_measured", en: "nothing was measured", zh: "没有测得任何数据"
    },
    Message {
        code: "bench.one_limit",
        en: "--concurrency {value}: with --rate it is the most that may be in flight, a single number",
        zh: "--concurrency {value}：与 --rate 同用时为同时在途的上限，只能是一个数",
    },
    Message {
        code: "bench.plot_rate",
        en: "requests/s that were answered (marks: concurrency or rate asked for)",
        zh: "实际完成的每秒请求数（标注：并发数或设定速率）",
    },
    Message {
        code: "bench.plot_share",
        en: "% of all that took no longer",
        zh: "不超过该时长的占比（%）",
    },
    Message {
        code: "bench.progress",
        en: "load {place} of {loads}: {done} requests done, {failed} of them failed",
        zh: "负载 {place}/{loads}：已完成 {done} 个请求，其中失败 {failed} 个",
    },
    Message {
        code: "bench.rate",
        en: "  throughput    {requests} requests/s, {output} tokens/s out, {input} tokens/s in",
        zh: "  吞吐          {requests} 请求/s，输出 {output} token/s，输入 {input} token/s",
    },
    Message {
        code: "bench.requests",
        en: "  requests      {ok} of {sent} answered in {seconds} s",
        zh: "  请求          {sent} 个中成功 {ok} 个，历时 {seconds} s",
    },
    Message { code: "bench.row_e2e", en: "E2E, whole answer", zh: "E2E，整个回答" },
    Message {
        code: "bench.row_engine_prefill",
        en: "engine says: prefill",
        zh: "引擎自报：预填充",
    },
    Message { code: "bench.row_engine_tpot", en: "engine says: TPOT", zh: "引擎自报：TPOT" },
    Message { code: "bench.row_itl", en: "ITL, gaps between tokens", zh: "ITL，token 间隔" },
    Message {
        code: "bench.row_lag", en: "sent late (in all above)", zh: "发送滞后（已计入上列）"
    },
    Message { code: "bench.row_own_lag", en: "generator's own lag", zh: "压测端自身滞后" },
    Message {
        code: "bench.row_tpot", en: "TPOT, per token after", zh: "TPOT，其后每个 token"
    },
    Message {
        code: "bench.row_ttfa", en: "TTFA, first of answer", zh: "TTFA，首个回答 token"
    },
    Message { code: "bench.row_ttft", en: "TTFT, first token", zh: "TTFT，首个 token" },
    Message {
        code: "bench.secret_header",
        en: "the header {name} carries a secret, and a command line can be read by everybody on the machine; use --api-key-env",
        zh: "请求头 {name} 含有密钥，而命令行对本机所有人可见；请改用 --api-key-env",
    },
    Message {
        code: "bench.sent_again",
        en: "  note          {count} requests were sent twice, because the engine closed their connection",
        zh: "  提示          有 {count} 个请求因引擎关闭连接而重发",
    },
    Message {
        code: "bench.start",
        en: "Generates load on {url}, model {model}:",
        zh: "将对 {url} 的模型 {model} 施加负载：",
    },
    Message {
        code: "bench.start_duration",
        en: "  nothing is sent later than {duration} after the first request of a load",
        zh: "  每个负载自首个请求起 {duration} 后不再发送",
    },
    Message {
        code: "bench.start_end",
        en: "This makes the engine work. Ctrl-C ends it early and tells what was measured.",
        zh: "这会占用引擎资源。按 Ctrl-C 可提前结束并输出已测得的结果。",
    },
    Message {
        code: "bench.start_file",
        en: "  {count} prompts of {path}, answers of at most {output} tokens",
        zh: "  使用 {path} 中的 {count} 条提示词，回答最多 {output} 个 token",
    },
    Message {
        code: "bench.start_load",
        en: "  up to {requests} requests: {load}",
        zh: "  最多 {requests} 个请求：{load}",
    },
    Message {
        code: "bench.start_prefix",
        en: "  before each prompt one of {prefixes} shared beginnings of {tokens} words",
        zh: "  每条提示词前加 {prefixes} 种共享前缀之一，各 {tokens} 个词",
    },
    Message {
        code: "bench.start_prompts",
        en: "  prompts of {prompt} invented words, answers of at most {output} tokens, seed {seed}",
        zh: "  随机生成 {prompt} 个词的提示词，回答最多 {output} 个 token，随机种子 {seed}",
    },
    Message {
        code: "bench.start_warmup",
        en: "  {count} more to warm up before each load, which are left out",
        zh: "  每个负载前另有 {count} 个预热请求，不计入结果",
    },
    Message { code: "bench.sweep_failed", en: "failed", zh: "失败" },
    Message { code: "bench.sweep_goodput", en: "goodput/s", zh: "有效/s" },
    Message { code: "bench.sweep_load", en: "load", zh: "负载" },
    Message { code: "bench.sweep_output", en: "tokens/s out", zh: "输出 token/s" },
    Message { code: "bench.sweep_rate", en: "requests/s", zh: "请求/s" },
    Message {
        code: "bench.tokens",
        en: "  tokens        {input} in and {output} out for each request on average",
        zh: "  token         平均每个请求输入 {input}、输出 {output}",
    },
    Message {
        code: "bench.wrong_body",
        en: "--body is no JSON object",
        zh: "--body 不是 JSON 对象",
    },
    Message {
        code: "bench.wrong_duration",
        en: "{option} {value}: expected a duration such as 500ms, 30s or 5m",
        zh: "{option} {value}：应为时长，例如 500ms、30s 或 5m",
    },
    Message {
        code: "bench.wrong_header",
        en: "--header {name}: expected 'Name: value', and no header that modelwatch sets itself",
        zh: "--header {name}：应为“名称: 值”，且不能是 modelwatch 自行设置的请求头",
    },
    Message {
        code: "bench.wrong_key",
        en: "the key holds characters that no header may have",
        zh: "密钥含有请求头不允许的字符",
    },
    Message {
        code: "bench.wrong_lengths",
        en: "{option} {value}: expected a number of tokens up to {limit}: 128, or evenly from 64-256, or normal with mean and deviation 128~32",
        zh: "{option} {value}：应为不超过 {limit} 的 token 数：128，或均匀分布 64-256，或正态分布（均值~标准差）128~32",
    },
    Message {
        code: "bench.wrong_list",
        en: "{option} {value}: expected numbers with commas between them",
        zh: "{option} {value}：应为以逗号分隔的数字",
    },
    Message {
        code: "bench.wrong_prompt",
        en: "{path}, line {line}: no prompt. Expected a JSON string, an object with messages or prompt, or a conversation of ShareGPT",
        zh: "{path} 第 {line} 行不是提示词：应为 JSON 字符串、含 messages 或 prompt 的对象，或 ShareGPT 对话",
    },
    Message {
        code: "bench.wrong_slo",
        en: "--slo {value}: expected limits such as ttft=500ms,tpot=50ms,e2e=10s",
        zh: "--slo {value}：应为形如 ttft=500ms,tpot=50ms,e2e=10s 的上限",
    },
    Message {
        code: "bench.wrong_url",
        en: "{url}: expected an address such as http://127.0.0.1:8000, without a name, a password or a query",
        zh: "{url}：应为形如 http://127.0.0.1:8000 的地址，不含用户名、密码与查询参数",
    },
    Message { code: "bench.wrote", en: "  wrote         {path}", zh: "  已写入        {path}" },
    Message {
        code: "cause.accelerator_error",
        en: "{who} reported {value} errors",
        zh: "{who} 上报了 {value} 个错误",
    },
    Message {
        code: "cause.accelerator_lost",
        en: "{who} did not answer; its driver may have lost it",
        zh: "{who} 无响应，驱动可能已丢失该设备",
    },
    Message {
        code: "cause.clients_slow",
        en: "{who}: clients or the network read slowly; sending waited for them {value}% of the time",
        zh: "{who}：客户端或网络读取过慢，发送有 {value}% 的时间在等待对方",
    },
    Message {
        code: "cause.cpu_fallback",
        en: "{who} no longer had an accelerator open and probably ran on the CPU",
        zh: "{who} 不再占用加速卡，很可能已回退到 CPU 运行",
    },
    Message {
        code: "cause.cpu_throttled",
        en: "{who}: its container's CPU limit held it back in {value}% of the periods",
        zh: "{who}：容器 CPU 配额在 {value}% 的周期内限制了其运行",
    },
    Message {
        code: "cause.disk",
        en: "The disk {who} was busy {value}% of the time",
        zh: "磁盘 {who} 有 {value}% 的时间处于繁忙状态",
    },
    Message {
        code: "cause.download",
        en: "{model} was being downloaded at {value} MB/s",
        zh: "正在以 {value} MB/s 下载 {model}",
    },
    Message {
        code: "cause.engine_changed",
        en: "{engine} at {url} was set up otherwise: {fact} changed from {old} to {new}",
        zh: "{engine}（{url}）的配置有变：{fact} 由 {old} 变为 {new}",
    },
    Message { code: "cause.engine_down", en: "{who} did not answer", zh: "{who} 无响应" },
    Message {
        code: "cause.engine_hung",
        en: "{who} made no progress for {value} s though requests ran",
        zh: "{who} 有请求在执行，却已 {value} 秒没有进展",
    },
    Message {
        code: "cause.engine_on_cpu",
        en: "{engine} at {url} runs on the CPU though there is an accelerator",
        zh: "{engine}（{url}）在有加速卡的情况下运行于 CPU",
    },
    Message {
        code: "cause.engine_oom_killed",
        en: "{engine} at {url} was killed for lack of memory",
        zh: "{engine}（{url}）因内存不足被终止",
    },
    Message { code: "cause.engine_restarted", en: "{who} restarted", zh: "{who} 发生了重启" },
    Message {
        code: "cause.host_bound",
        en: "{who}: {value} requests waited while the accelerators had time to spare; the host, the network or the engine's limits hold it back",
        zh: "{who}：有 {value} 个请求在等待，而加速卡仍有余力，瓶颈在主机、网络或引擎自身的限制",
    },
    Message {
        code: "cause.host_cpu",
        en: "The processors of {who} were {value}% busy",
        zh: "{who} 的 CPU 使用率达 {value}%",
    },
    Message {
        code: "cause.kv_full",
        en: "{who}: the KV cache was {value}% full, so that requests waited",
        zh: "{who}：KV 缓存占用达 {value}%，请求因此排队",
    },
    Message {
        code: "cause.kv_preempted",
        en: "{who}: the KV cache was {value}% full, so that requests lost their place and were computed again",
        zh: "{who}：KV 缓存占用达 {value}%，请求被抢占并重新计算",
    },
    Message {
        code: "cause.memory_low",
        en: "{who} had {value}% of its memory left",
        zh: "{who} 仅剩 {value}% 内存",
    },
    Message {
        code: "cause.model_loaded",
        en: "{who}: a model was loaded",
        zh: "{who}：加载了模型",
    },
    Message {
        code: "cause.model_thrash",
        en: "{who}: models took turns in memory and were loaded again and again",
        zh: "{who}：模型之间反复换入换出",
    },
    Message {
        code: "cause.network",
        en: "The network of {who} carried {value}% of what it can",
        zh: "{who} 的网络已用去 {value}% 的带宽",
    },
    Message {
        code: "cause.partly_on_cpu",
        en: "{who}: only {value}% of the model was on an accelerator, the rest on the CPU",
        zh: "{who}：模型仅有 {value}% 位于加速卡，其余在 CPU 上",
    },
    Message {
        code: "cause.power",
        en: "{who}: a limit of power lowered the clock by {value}%",
        zh: "{who}：功耗限制使时钟频率下降了 {value}%",
    },
    Message {
        code: "cause.prefill_burst",
        en: "{who}: prompts came in at {value} tokens/s, several times the usual, and held decoding up",
        zh: "{who}：提示输入达每秒 {value} Token，为平时的数倍，拖慢了解码",
    },
    Message {
        code: "cause.slots_full",
        en: "{who}: all places for requests were taken, {value} waited",
        zh: "{who}：并发槽位已满，{value} 个请求在等待",
    },
    Message {
        code: "cause.swapping",
        en: "{who} read {value} pages/s from swap",
        zh: "{who} 每秒从交换区读取 {value} 页",
    },
    Message {
        code: "cause.thermal",
        en: "{who} was too hot and lowered its clock",
        zh: "{who} 过热，已降低时钟频率",
    },
    Message { code: "check.config", en: "Configuration", zh: "配置" },
    Message { code: "check.engines", en: "Engines", zh: "推理引擎" },
    Message { code: "check.machine", en: "Machine", zh: "本机" },
    Message { code: "check.sources", en: "Sources", zh: "数据源" },
    Message {
        code: "config.channel_address",
        en: "the channel {name} has an address that is none: {reason}",
        zh: "渠道 {name} 的邮件地址无效：{reason}",
    },
    Message {
        code: "config.channel_command",
        en: "the channel {name} runs a program: write its absolute path in command, and allow_command = true",
        zh: "渠道 {name} 会运行程序：请在 command 中填写绝对路径，并设置 allow_command = true",
    },
    Message {
        code: "config.channel_incomplete",
        en: "the channel {name} of kind {kind} needs {key}",
        zh: "渠道 {name}（类型 {kind}）缺少 {key}",
    },
    Message {
        code: "config.channel_name",
        en: "the name of the channel {name} may have at most 64 letters, digits, and the characters - _ .",
        zh: "渠道名称 {name} 只能使用字母、数字和 - _ . 字符，最多 64 个",
    },
    Message {
        code: "config.channel_no_secret",
        en: "{key} of the channel {name}: {reason}",
        zh: "渠道 {name} 的 {key}：{reason}",
    },
    Message {
        code: "config.channel_rate",
        en: "rate_limit of the channel {name}: expected a count and a unit, such as 20/min; units are s, min, h and d, the count at most 1000",
        zh: "渠道 {name} 的 rate_limit：应为数量与单位，例如 20/min；单位为 s、min、h、d，数量不超过 1000",
    },
    Message {
        code: "config.channel_secret",
        en: "{key} of the channel {name} is a secret, which does not belong into this file: write env:NAME or file:/path, where it is found",
        zh: "渠道 {name} 的 {key} 是机密，不应写入配置文件：请填写其存放位置 env:变量名 或 file:/路径",
    },
    Message {
        code: "config.channel_template",
        en: "{key} of the channel {name} cannot be used: {reason}",
        zh: "渠道 {name} 的 {key} 无法使用：{reason}",
    },
    Message {
        code: "config.channel_twice",
        en: "there are two channels named {name}",
        zh: "存在两个名为 {name} 的渠道",
    },
    Message {
        code: "config.channel_url",
        en: "url of the channel {name}: expected an address that begins with one of {expected}, without a name or password in it",
        zh: "渠道 {name} 的 url：应以 {expected} 之一开头，且不含用户名或密码",
    },
    Message {
        code: "config.command_incomplete",
        en: "this [[accelerator_command]] has no {key}",
        zh: "此 [[accelerator_command]] 缺少 {key}",
    },
    Message {
        code: "config.command_rules",
        en: "this [[accelerator_command]] cannot be used: {reason}",
        zh: "此 [[accelerator_command]] 无法使用：{reason}",
    },
    Message {
        code: "config.engine_plain",
        en: "ca_file, cert_file, key_file and insecure_skip_verify are for addresses that begin with https://, and {url} does not",
        zh: "ca_file、cert_file、key_file 与 insecure_skip_verify 仅用于以 https:// 开头的地址，而此处为 {url}",
    },
    Message {
        code: "config.engine_port",
        en: "metrics_port = {port}: no port; expected a number from 1 to 65535",
        zh: "metrics_port = {port}：端口应为 1 到 65535 之间的整数",
    },
    Message {
        code: "config.engine_twice",
        en: "the engine {url} is listed twice",
        zh: "引擎 {url} 重复列出",
    },
    Message {
        code: "config.errors",
        en: "modelwatch: something is wrong with the configuration {path}:",
        zh: "modelwatch：配置 {path} 有误：",
    },
    Message {
        code: "config.gateway_incomplete",
        en: "[gateway] has no {key}",
        zh: "[gateway] 缺少 {key}",
    },
    Message {
        code: "config.gateway_range",
        en: "{key}: {value} is no address and no range such as 10.0.0.0/8",
        zh: "{key}：{value} 不是有效的地址或网段（例如 10.0.0.0/8）",
    },
    Message {
        code: "config.gateway_redact",
        en: "gateway.redact: {value} is no regular expression: {reason}",
        zh: "gateway.redact：{value} 不是有效的正则表达式：{reason}",
    },
    Message {
        code: "config.gateway_twice",
        en: "there are two [[gateway.upstream]] with the name {name}; give each its own",
        zh: "有两个 [[gateway.upstream]] 同名：{name}，请为每个取不同的名称",
    },
    Message {
        code: "config.gateway_upstreams",
        en: "[gateway] has no engine behind it: add a [[gateway.upstream]] with name and url",
        zh: "[gateway] 之后没有引擎：请添加 [[gateway.upstream]]，并填写 name 与 url",
    },
    Message { code: "config.incidents", en: "{reason}", zh: "{reason}" },
    Message {
        code: "config.job_twice",
        en: "the scrape job {job} is there twice",
        zh: "抓取任务 {job} 重复出现",
    },
    Message {
        code: "config.key_missing",
        en: "this [[{section}]] has no {key}",
        zh: "该 [[{section}]] 缺少 {key}",
    },
    Message {
        code: "config.log_path",
        en: "log_file.path = \"{path}\" has to begin with /, as in /var/log/app/*.log",
        zh: "log_file.path = \"{path}\" 必须以 / 开头，例如 /var/log/app/*.log",
    },
    Message {
        code: "config.log_pipeline",
        en: "the log pipeline {name} cannot be used: {key}: {reason}",
        zh: "日志流水线 {name} 无法使用：{key}：{reason}",
    },
    Message {
        code: "config.log_pipeline_step",
        en: "step {step} of the log pipeline {name} cannot be used: {key}: {reason}",
        zh: "日志流水线 {name} 的第 {step} 步无法使用：{key}：{reason}",
    },
    Message {
        code: "config.objective_empty",
        en: "the objective of {model} asks for nothing; give it ttft, tpot or success",
        zh: "模型 {model} 的目标没有任何要求，请设置 ttft、tpot 或 success",
    },
    Message {
        code: "config.objective_twice",
        en: "the model {model} has an objective already",
        zh: "模型 {model} 已经设置过目标",
    },
    Message {
        code: "config.probe_prompt",
        en: "this [[probe]] would make an engine work; set send_prompt = true to accept that, and model to the model that is asked",
        zh: "该 [[probe]] 会让推理引擎执行一次生成；请设置 send_prompt = true 表示接受，并用 model 指定所请求的模型",
    },
    Message {
        code: "config.probe_target",
        en: "target = \"{target}\" is nothing that a probe of kind {kind} can ask: dns wants a server, tcp wants host:port, tls wants a host, http and llm want a URL that begins with http:// or https://, icmp wants a host",
        zh: "target = \"{target}\" 不能用于 {kind} 探测：dns 需要服务器地址，tcp 需要 主机:端口，tls 需要主机，http 与 llm 需要以 http:// 或 https:// 开头的 URL，icmp 需要主机",
    },
    Message {
        code: "config.probe_twice",
        en: "the same [[probe]] of {target} is listed twice",
        zh: "对 {target} 的同一 [[probe]] 重复列出",
    },
    Message {
        code: "config.receive_incomplete",
        en: "[receive] has no {key}",
        zh: "[receive] 缺少 {key}",
    },
    Message {
        code: "config.receive_remote",
        en: "{key} = \"{listen}\" can be reached from other machines, and senders show neither a token nor use TLS: everybody could forge lines. Listen on 127.0.0.1, use TLS, or set receive.allow_remote_without_token = true to accept that",
        zh: "{key} = \"{listen}\" 可被其他机器访问，而发送方既无令牌也不使用 TLS：任何人都可以伪造日志。请监听 127.0.0.1、使用 TLS，或设置 receive.allow_remote_without_token = true 表示接受该风险",
    },
    Message {
        code: "config.receive_token",
        en: "receive.tokens holds references, not tokens: write \"env:NAME\" or \"file:/path\"",
        zh: "receive.tokens 只接受引用，不接受令牌本身：请写成 \"env:变量名\" 或 \"file:/路径\"",
    },
    Message {
        code: "config.receive_token_file",
        en: "the token in {path}, named by receive.tokens, cannot be read: {reason}",
        zh: "无法读取 receive.tokens 指定的令牌文件 {path}：{reason}",
    },
    Message {
        code: "config.relabel",
        en: "a rule of the scrape job {job} cannot be used: {reason}",
        zh: "抓取任务 {job} 的一条重标记规则无法使用：{reason}",
    },
    Message {
        code: "config.remote_without_login",
        en: "server.listen = \"{listen}\" can be reached from other machines, and there is no login: everybody would see everything. Listen on 127.0.0.1, or set server.allow_remote_without_login = true to accept that",
        zh: "server.listen = \"{listen}\" 可被其他机器访问，而目前没有登录保护：任何人都能看到全部数据。请监听 127.0.0.1，或设置 server.allow_remote_without_login = true 表示接受该风险",
    },
    Message {
        code: "config.report",
        en: "report {name}: {key} cannot be {value}",
        zh: "报告 {name}：{key} 不能为 {value}",
    },
    Message {
        code: "config.report_twice",
        en: "two reports are called {name}; names tell them apart",
        zh: "有两个报告都名为 {name}；名称必须唯一",
    },
    Message {
        code: "config.scrape_login",
        en: "the scrape job {job} needs either bearer_token_env, or username and password_env together",
        zh: "抓取任务 {job} 应仅设置 bearer_token_env，或同时设置 username 与 password_env",
    },
    Message {
        code: "config.scrape_timeout",
        en: "the scrape job {job} has a timeout of {timeout}, which is longer than its interval of {interval}",
        zh: "抓取任务 {job} 的 timeout（{timeout}）大于 interval（{interval}）",
    },
    Message {
        code: "config.scrape_without_targets",
        en: "the scrape job {job} has none of targets, file_sd and http_sd",
        zh: "抓取任务 {job} 未设置 targets、file_sd 或 http_sd",
    },
    Message {
        code: "config.syntax",
        en: "this is not TOML: {reason}",
        zh: "TOML 语法错误：{reason}",
    },
    Message {
        code: "config.unknown_key",
        en: "unknown key {key}; did you mean {nearest}?",
        zh: "未知的配置项 {key}，是否应为 {nearest}？",
    },
    Message {
        code: "config.unreadable",
        en: "the file cannot be read: {reason}",
        zh: "无法读取该文件：{reason}",
    },
    Message {
        code: "config.variable_missing",
        en: "the environment variable {name}, named by {key}, is not set",
        zh: "{key} 指定的环境变量 {name} 未设置",
    },
    Message {
        code: "config.wrong_address",
        en: "{key} = {value}: expected an IP address and a port such as \"127.0.0.1:9640\"",
        zh: "{key} = {value}：应为 IP 地址加端口，例如 \"127.0.0.1:9640\"",
    },
    Message {
        code: "config.wrong_choice",
        en: "{key} = {value}: expected one of {expected}",
        zh: "{key} = {value}：应为以下之一：{expected}",
    },
    Message {
        code: "config.wrong_count",
        en: "{key} = {value}: expected a whole number of at least {expected}",
        zh: "{key} = {value}：应为不小于 {expected} 的整数",
    },
    Message {
        code: "config.wrong_engine_url",
        en: "{key} = {value}: expected an address such as \"http://127.0.0.1:8000\" or \"https://10.0.0.5:1025\", after which only a path may come",
        zh: "{key} = {value}：应为形如 \"http://127.0.0.1:8000\" 或 \"https://10.0.0.5:1025\" 的地址，其后只能跟路径",
    },
    Message {
        code: "config.wrong_period",
        en: "{key} = {value}: expected a duration such as \"5s\" or \"15d\", at least {expected}",
        zh: "{key} = {value}：应为时长，例如 \"5s\" 或 \"15d\"，且不短于 {expected}",
    },
    Message {
        code: "config.wrong_shape",
        en: "{section} must be written as {expected}",
        zh: "{section} 应写作 {expected}",
    },
    Message {
        code: "config.wrong_size",
        en: "{key} = {value}: expected a size such as \"512MiB\" or \"10GiB\", at least {expected}",
        zh: "{key} = {value}：应为容量，例如 \"512MiB\" 或 \"10GiB\"，且不小于 {expected}",
    },
    Message {
        code: "config.wrong_type",
        en: "{key} = {value}: expected {expected}",
        zh: "{key} = {value}：应为 {expected}",
    },
    Message {
        code: "config.wrong_url",
        en: "{key} = {value}: expected an address such as \"http://127.0.0.1:8000\", after which only a path may come; https is not supported yet",
        zh: "{key} = {value}：应为形如 \"http://127.0.0.1:8000\" 的地址，其后只能跟路径；暂不支持 https",
    },
    Message {
        code: "event.alertmanager_back",
        en: "Alertmanager {url} takes alerts again",
        zh: "Alertmanager {url} 已恢复接收告警",
    },
    Message {
        code: "event.alertmanager_lost",
        en: "Alertmanager {url} does not take alerts: {reason}. They are kept for a while and sent again",
        zh: "Alertmanager {url} 未能接收告警：{reason}。告警会暂存并重发",
    },
    Message {
        code: "event.alerts_refused",
        en: "Alerts were refused: more than {limit} fire, or their labels are too many or too long",
        zh: "告警被拒绝：触发中的告警超过 {limit} 条，或标签过多、过长",
    },
    Message {
        code: "event.bodies_read",
        en: "somebody read the prompt and answer of request {request}",
        zh: "有人查看了请求 {request} 的提示词与回答",
    },
    Message {
        code: "event.certificate_read",
        en: "the gateway uses the new certificate in {path}",
        zh: "网关已启用 {path} 中的新证书",
    },
    Message {
        code: "event.certificate_refused",
        en: "the gateway keeps its old certificate, since the new one in {path} cannot be used: {reason}; correct the file",
        zh: "{path} 中的新证书不可用，网关继续使用原有证书：{reason}；请修正该文件",
    },
    Message {
        code: "event.channel_tested",
        en: "{author} sent a test to the channel {channel}",
        zh: "{author} 向渠道 {channel} 发送了测试消息",
    },
    Message {
        code: "event.engine_changed",
        en: "{engine} at {url}: {fact} changed from {old} to {new}",
        zh: "{engine}（{url}）：{fact} 由 {old} 变为 {new}",
    },
    Message {
        code: "event.engine_down",
        en: "{engine} at {url} stopped answering: {reason}",
        zh: "{engine}（{url}）已停止响应：{reason}",
    },
    Message {
        code: "event.engine_found",
        en: "{engine} {version} found at {url}, model {model}",
        zh: "发现 {engine} {version}（{url}），模型 {model}",
    },
    Message {
        code: "event.engine_hung",
        en: "{engine} at {url} answers but makes no progress: {running} requests run, and for {seconds} s no step, token or finished request was counted (counters stand at {evidence})",
        zh: "{engine}（{url}）有响应但没有进展：{running} 个请求在执行，{seconds} 秒内没有任何迭代、Token 或完成的请求（计数停在 {evidence}）",
    },
    Message {
        code: "event.engine_moves",
        en: "{engine} at {url} makes progress again after {seconds} s",
        zh: "{engine}（{url}）停滞 {seconds} 秒后恢复进展",
    },
    Message {
        code: "event.engine_on_cpu",
        en: "{engine} at {url} runs on the CPU: this machine has an accelerator, but none of the engine's processes has one open, and nothing in its settings asks for that",
        zh: "{engine}（{url}）正在 CPU 上运行：本机有加速卡，但引擎的所有进程都没有打开它，配置也未要求如此",
    },
    Message {
        code: "event.engine_oom_killed",
        en: "the kernel killed a process in the container of {engine} at {url} for lack of memory (limit {limit})",
        zh: "{engine}（{url}）所在容器内有进程因内存不足被内核终止（上限 {limit}）",
    },
    Message {
        code: "event.engine_ready",
        en: "{engine} at {url} can serve {model}, {seconds} s after its start",
        zh: "{engine}（{url}）启动 {seconds} 秒后可提供 {model} 服务",
    },
    Message {
        code: "event.engine_restarted",
        en: "{engine} at {url} was restarted",
        zh: "{engine}（{url}）已重启",
    },
    Message {
        code: "event.engine_up",
        en: "{engine} at {url} answers again",
        zh: "{engine}（{url}）已恢复响应",
    },
    Message {
        code: "event.incident_fired",
        en: "{name} fires (alerts: {count}), incident {id}",
        zh: "{name} 触发：{count} 条告警，事件 {id}",
    },
    Message {
        code: "event.incident_resolved",
        en: "{name} is over, incident {id}",
        zh: "{name} 已恢复，事件 {id}",
    },
    Message {
        code: "event.incidents_damaged",
        en: "{count} lines of {path} were damaged and left out: some of what was known of incidents is gone",
        zh: "{path} 中有 {count} 行已损坏并被忽略：部分事件信息丢失",
    },
    Message {
        code: "event.incidents_kept",
        en: "What becomes of incidents is kept again in {path}",
        zh: "事件状态已恢复写入 {path}",
    },
    Message {
        code: "event.incidents_unkept",
        en: "What becomes of incidents cannot be kept in {path}: {reason}. Alerts and notifications go on; make room or mend the disk",
        zh: "事件状态无法写入 {path}：{reason}。告警与通知照常进行；请清理空间或修复磁盘",
    },
    Message {
        code: "event.instance_series_limit",
        en: "{instance} brings too many series; samples of its new ones are refused. Find out why, or raise [storage] instance_series_max",
        zh: "{instance} 的序列数已达上限，其新序列的样本被拒绝。请查明原因，或调大 [storage] instance_series_max",
    },
    Message {
        code: "event.letter_forgotten",
        en: "{author} deleted a dead letter of the channel {channel}",
        zh: "{author} 删除了渠道 {channel} 的一条死信",
    },
    Message {
        code: "event.letter_retried",
        en: "{author} sent a dead letter of the channel {channel} again",
        zh: "{author} 重新发送了渠道 {channel} 的一条死信",
    },
    Message {
        code: "event.lines_refused",
        en: "lines of logs cannot be stored: {reason}. Files are read later, and senders are told to come again; make room on the disk or see why it refuses",
        zh: "日志无法写入：{reason}。文件稍后再读，发送方会收到重试应答；请清理磁盘空间或检查磁盘拒绝写入的原因",
    },
    Message {
        code: "event.lines_taken", en: "lines of logs are stored again", zh: "日志恢复写入"
    },
    Message {
        code: "event.log_pattern_new",
        en: "{service} wrote what it has not written before: {line}",
        zh: "{service} 写出了从未出现过的日志：{line}",
    },
    Message {
        code: "event.model_loaded",
        en: "{engine} at {url} loaded {model} (seconds that took: {seconds})",
        zh: "{engine}（{url}）已加载模型 {model}（耗时秒数：{seconds}）",
    },
    Message {
        code: "event.model_partly_on_cpu",
        en: "{engine} at {url} has only {percent}% of {model} in accelerator memory; the rest runs on the CPU",
        zh: "{engine}（{url}）仅将模型 {model} 的 {percent}% 放入显存，其余在 CPU 上运行",
    },
    Message {
        code: "event.model_pull_began",
        en: "{model} is being downloaded to {path} ({tool}); free there: {free}",
        zh: "开始下载模型 {model} 到 {path}（{tool}），可用空间 {free}",
    },
    Message {
        code: "event.model_pull_ended",
        en: "{model} has been downloaded to {path}: {arrived} in {seconds} s",
        zh: "模型 {model} 已下载到 {path}：{seconds} 秒内收到 {arrived}",
    },
    Message {
        code: "event.model_pull_stopped",
        en: "the download of {model} to {path} stopped before all was there: {arrived} came in {seconds} s. If that was not meant, start it again ({tool})",
        zh: "模型 {model} 到 {path} 的下载中断：{seconds} 秒内收到 {arrived}。如非有意中止，请重新下载（{tool}）",
    },
    Message {
        code: "event.model_pull_will_not_fit",
        en: "{model} will not fit into {path}: {remaining} are still to come and {free} are free. Free some space there, or stop the download",
        zh: "{path} 放不下模型 {model}：还需下载 {remaining}，可用空间仅 {free}。请释放空间或停止下载",
    },
    Message {
        code: "event.model_thrash",
        en: "{engine} at {url} keeps loading models that it has just unloaded: {count} times in {minutes} min. They do not fit into memory together",
        zh: "{engine}（{url}）反复加载刚刚卸载的模型：{minutes} 分钟内 {count} 次。这些模型无法同时放入内存",
    },
    Message {
        code: "event.model_unloaded",
        en: "{engine} at {url} unloaded {model} (seconds it was loaded: {seconds})",
        zh: "{engine}（{url}）已卸载模型 {model}（驻留秒数：{seconds}）",
    },
    Message {
        code: "event.objective_removed",
        en: "{author} removed the objective of {model}",
        zh: "{author} 移除了模型 {model} 的目标",
    },
    Message {
        code: "event.objective_set",
        en: "{author} set the objective of {model}",
        zh: "{author} 设置了模型 {model} 的目标",
    },
    Message {
        code: "event.prompt_truncated",
        en: "{engine} at {url} probably dropped the beginning of a prompt: {tokens} tokens are left of it in a context of {context} (model {model}). Raise the context length",
        zh: "{engine}（{url}）很可能丢弃了提示词的开头：上下文 {context} 中仅剩 {tokens} 个 Token（模型 {model}）。请增大上下文长度",
    },
    Message {
        code: "event.requests_kept",
        en: "records of requests are kept again in {path}; {lost} were lost",
        zh: "请求记录已恢复写入 {path}，期间丢失 {lost} 条",
    },
    Message {
        code: "event.requests_lost",
        en: "records of requests cannot be kept in {path}: {reason}. Requests pass all the same",
        zh: "请求记录无法写入 {path}：{reason}。请求转发不受影响",
    },
    Message {
        code: "event.rule_changed",
        en: "{author} changed the rule {rule}",
        zh: "{author} 修改了规则 {rule}",
    },
    Message {
        code: "event.rule_forgotten",
        en: "{author} deleted the rule {rule}",
        zh: "{author} 删除了规则 {rule}",
    },
    Message {
        code: "event.rule_reset",
        en: "{author} took back the changes of the rule {rule}",
        zh: "{author} 撤销了对规则 {rule} 的修改",
    },
    Message {
        code: "event.rule_written",
        en: "{author} wrote the rule {rule}",
        zh: "{author} 编写了规则 {rule}",
    },
    Message {
        code: "event.series_limit",
        en: "there are too many series; samples of new ones are refused. Find out what brings so many, or raise [storage] series_max",
        zh: "序列总数已达上限，新序列的样本被拒绝。请查明序列过多的来源，或调大 [storage] series_max",
    },
    Message {
        code: "event.storage_damaged",
        en: "the data directory {path} was not whole when it was opened: {reason}. Such places: {count}; the rest is served",
        zh: "打开数据目录 {path} 时发现数据不完整：{reason}。共 {count} 处，其余数据照常提供",
    },
    Message {
        code: "event.storage_failed",
        en: "samples can no longer be written: {reason}. What is stored stays readable; free space in {path} and writing resumes by itself",
        zh: "无法继续写入样本：{reason}。已存储的数据仍可读取；请为 {path} 释放空间，写入会自动恢复",
    },
    Message {
        code: "event.storage_recovered",
        en: "samples are written again to {path}; {lost} were dropped meanwhile",
        zh: "已恢复向 {path} 写入样本；其间丢弃了 {lost} 个样本",
    },
    Message {
        code: "event.xid",
        en: "GPU {index} ({model}, {uuid}) reported Xid {code}; NVIDIA's immediate action: {action}; process: {pid}",
        zh: "GPU {index}（{model}，{uuid}）报告了 Xid {code}；NVIDIA 建议的处置：{action}；进程：{pid}",
    },
    Message { code: "explain.advice", en: "  What to do     {text}", zh: "  处理  {text}" },
    Message { code: "explain.at", en: " ({time})", zh: "（{time}）" },
    Message { code: "explain.cause", en: "  What happened  {text}", zh: "  原因  {text}" },
    Message {
        code: "explain.cut",
        en: "longer than {limit} KiB and read in part only: {count}",
        zh: "超过 {limit} KiB、仅读取了开头的记录：{count} 条",
    },
    Message {
        code: "explain.heading",
        en: "{severity}  {id}, {count} times, first in line {line}{time}",
        zh: "{severity}  {id}，共 {count} 次，首见于第 {line} 行{time}",
    },
    Message {
        code: "explain.heading_once",
        en: "{severity}  {id}, in line {line}{time}",
        zh: "{severity}  {id}，第 {line} 行{time}",
    },
    Message { code: "explain.link", en: "  More           {url}", zh: "  参考  {url}" },
    Message {
        code: "explain.more",
        en: "{count} more kinds of them are not shown",
        zh: "另有 {count} 种未列出",
    },
    Message {
        code: "explain.nothing",
        en: "Nothing of it is known to be wrong, and it has no warning and no error.",
        zh: "未发现已知问题，也没有警告或错误。",
    },
    Message {
        code: "explain.nothing_known",
        en: "No line of it is known.",
        zh: "没有匹配到已知的日志行。",
    },
    Message {
        code: "explain.summary",
        en: "{path}: lines {lines}, errors {errors}, warnings {warnings}",
        zh: "{path}：{lines} 行，{errors} 个错误，{warnings} 个警告",
    },
    Message {
        code: "explain.unknown",
        en: "Warnings and errors that are not known, the gravest and most frequent first:",
        zh: "其他未收录的警告与错误（按严重程度和次数排列）：",
    },
    Message {
        code: "export.done",
        en: "exported {samples} samples, {bytes} bytes",
        zh: "已导出 {samples} 个样本，共 {bytes} 字节",
    },
    Message {
        code: "export.expected_time",
        en: "expected seconds since 1970 or a time such as 2026-11-24T10:00:00Z",
        zh: "应为 Unix 秒数，或形如 2026-11-24T10:00:00Z 的时间",
    },
    Message {
        code: "export.no_store",
        en: "there is no data directory {path}; name one with --path, or go through a running modelwatch with --url",
        zh: "数据目录 {path} 不存在；请用 --path 指定，或用 --url 通过运行中的 modelwatch 进行",
    },
    Message {
        code: "export.progress",
        en: "  {samples} samples written",
        zh: "  已写出 {samples} 个样本",
    },
    Message {
        code: "export.wrong_option",
        en: "{option} {value}: {reason}",
        zh: "{option} {value}：{reason}",
    },
    Message {
        code: "failure.absent",
        en: "this machine has no such thing ({detail})",
        zh: "本机无此项（{detail}）",
    },
    Message {
        code: "failure.io",
        en: "the operating system reports an error: {detail}",
        zh: "操作系统报错：{detail}",
    },
    Message {
        code: "failure.malformed",
        en: "the answer cannot be understood: {detail}",
        zh: "无法解析响应：{detail}",
    },
    Message {
        code: "failure.panicked",
        en: "a defect of modelwatch; please report it: {detail}",
        zh: "modelwatch 自身缺陷，请反馈：{detail}",
    },
    Message {
        code: "failure.permission_denied",
        en: "permission denied: {detail}",
        zh: "权限不足：{detail}",
    },
    Message { code: "failure.refused", en: "refused: {detail}", zh: "请求被拒绝：{detail}" },
    Message {
        code: "failure.timed_out",
        en: "no answer in time: {detail}",
        zh: "响应超时：{detail}",
    },
    Message {
        code: "failure.too_large",
        en: "the answer is too large: {detail}",
        zh: "响应过大：{detail}",
    },
    Message {
        code: "failure.unreachable",
        en: "not reachable: {detail}",
        zh: "无法连接：{detail}",
    },
    Message {
        code: "filter.not_a_number",
        en: "{field} needs a number, a comparison such as >200, or a range such as 1..5 (character {at} of the filter)",
        zh: "{field} 应为数值、比较（如 >200）或范围（如 1..5）（筛选条件第 {at} 个字符）",
    },
    Message {
        code: "filter.not_an_expression",
        en: "this is no regular expression, or too large a one (character {at} of the filter)",
        zh: "正则表达式有误或过于复杂（筛选条件第 {at} 个字符）",
    },
    Message {
        code: "filter.not_searched",
        en: "{field} is kept, not searched (character {at} of the filter)",
        zh: "{field} 仅保存，不可搜索（筛选条件第 {at} 个字符）",
    },
    Message {
        code: "filter.parenthesis_open",
        en: "a parenthesis is not closed (character {at} of the filter)",
        zh: "括号未闭合（筛选条件第 {at} 个字符）",
    },
    Message {
        code: "filter.quote_open",
        en: "a quote is not closed (character {at} of the filter)",
        zh: "引号未闭合（筛选条件第 {at} 个字符）",
    },
    Message {
        code: "filter.too_deep",
        en: "the filter is nested too deep (character {at}); take parentheses away",
        zh: "筛选条件嵌套过深（第 {at} 个字符），请减少括号层数",
    },
    Message {
        code: "filter.too_long",
        en: "the filter is too long; shorten it",
        zh: "筛选条件过长，请缩短",
    },
    Message {
        code: "filter.too_many",
        en: "the filter has too many conditions (character {at}); take some away",
        zh: "筛选条件过多（第 {at} 个字符），请删减",
    },
    Message {
        code: "filter.too_many_wildcards",
        en: "a value has too many wildcards (character {at} of the filter)",
        zh: "一个值中的通配符过多（筛选条件第 {at} 个字符）",
    },
    Message {
        code: "filter.unexpected",
        en: "this is not expected here (character {at} of the filter)",
        zh: "此处的内容无法识别（筛选条件第 {at} 个字符）",
    },
    Message {
        code: "filter.unknown_field",
        en: "there is no field {field} (character {at} of the filter)",
        zh: "没有字段 {field}（筛选条件第 {at} 个字符）",
    },
    Message {
        code: "filter.value_missing",
        en: "a value is missing (character {at} of the filter)",
        zh: "缺少值（筛选条件第 {at} 个字符）",
    },
    Message {
        code: "finding.change_cpu",
        en: "{model} ({instance}) changed its use of processors by {percent} % at the same load since {old} became {new}: {value} cores, before {usual}",
        zh: "{model}（{instance}）由 {old} 变更为 {new} 后，同等负载下的 CPU 用量变化 {percent}%：现为 {value} 核，此前 {usual} 核",
    },
    Message {
        code: "finding.change_power",
        en: "{model} ({instance}) changed its power by {percent} % at the same load since {old} became {new}: {value} W, before {usual} W",
        zh: "{model}（{instance}）由 {old} 变更为 {new} 后，同等负载下的功耗变化 {percent}%：现为 {value} W，此前 {usual} W",
    },
    Message {
        code: "finding.change_tpot",
        en: "decode speed of {model} ({instance}) changed by {speed} % since {old} became {new}: {value} ms per token at the same load, before {usual} ms",
        zh: "{model}（{instance}）由 {old} 变更为 {new} 后，解码速度变化 {speed}%：同等负载下每 Token {value} 毫秒，此前 {usual} 毫秒",
    },
    Message {
        code: "finding.change_ttft",
        en: "time to the first token of {model} ({instance}) changed by {percent} % since {old} became {new}: {value} ms at the same load, before {usual} ms",
        zh: "{model}（{instance}）由 {old} 变更为 {new} 后，首 Token 延迟变化 {percent}%：同等负载下 {value} 毫秒，此前 {usual} 毫秒",
    },
    Message {
        code: "finding.floor_accelerator_memory",
        en: "{who} holds {per_day} MB more accelerator memory each day, at equal use of the KV cache, for {hours} hours: {value} MB now",
        zh: "{who} 占用的显存在相同 KV 缓存用量下每天增加 {per_day} MB，已持续 {hours} 小时，现为 {value} MB",
    },
    Message {
        code: "finding.floor_files",
        en: "{who} has {per_day} more files open each day, for {hours} hours: {value} now",
        zh: "{who} 打开的文件每天增加 {per_day} 个，已持续 {hours} 小时，现为 {value} 个",
    },
    Message {
        code: "finding.floor_own_memory",
        en: "modelwatch itself ({instance}) needs {per_day} MB more memory each day, for {hours} hours: {value} MB now",
        zh: "modelwatch 自身（{instance}）的内存每天增加 {per_day} MB，已持续 {hours} 小时，现为 {value} MB",
    },
    Message {
        code: "finding.floor_resident",
        en: "{who} needs {per_day} MB more memory each day, for {hours} hours: {value} MB now",
        zh: "{who} 的内存每天增加 {per_day} MB，已持续 {hours} 小时，现为 {value} MB",
    },
    Message {
        code: "finding.floor_threads",
        en: "{who} has {per_day} more threads each day, for {hours} hours: {value} now",
        zh: "{who} 的线程每天增加 {per_day} 个，已持续 {hours} 小时，现为 {value} 个",
    },
    Message {
        code: "finding.forecast_disk",
        en: "{mountpoint} on {instance} will be full in about {hours} hours: {left} GB are left, {per_day} GB less each day",
        zh: "{instance} 的 {mountpoint} 预计约 {hours} 小时后写满：剩余 {left} GB，每天减少 {per_day} GB",
    },
    Message {
        code: "finding.forecast_memory",
        en: "the memory of {instance} will be used up in about {hours} hours: {left} GB are left, {per_day} GB less each day",
        zh: "{instance} 的内存预计约 {hours} 小时后耗尽：剩余 {left} GB，每天减少 {per_day} GB",
    },
    Message {
        code: "finding.load_cpu",
        en: "{model} ({instance}) uses {value} cores, at this load {usual} were usual in the day before ({percent} %)",
        zh: "{model}（{instance}）使用 {value} 个 CPU 核，前一天同等负载下通常为 {usual}（{percent}%）",
    },
    Message {
        code: "finding.load_power",
        en: "{model} ({instance}) draws {value} W, at this load {usual} W were usual in the day before ({percent} %)",
        zh: "{model}（{instance}）功耗 {value} W，前一天同等负载下通常为 {usual} W（{percent}%）",
    },
    Message {
        code: "finding.load_tpot",
        en: "{model} ({instance}) takes {value} ms per token, at this load {usual} ms were usual in the day before ({percent} %)",
        zh: "{model}（{instance}）每 Token 耗时 {value} 毫秒，前一天同等负载下通常为 {usual} 毫秒（{percent}%）",
    },
    Message {
        code: "finding.load_ttft",
        en: "the first token of {model} ({instance}) takes {value} ms, at this load {usual} ms were usual in the day before ({percent} %)",
        zh: "{model}（{instance}）首 Token 延迟 {value} 毫秒，前一天同等负载下通常为 {usual} 毫秒（{percent}%）",
    },
    Message {
        code: "finding.peer_clock",
        en: "{who} runs at {value} MHz, those that do the same work at {usual} MHz",
        zh: "{who} 的核心频率为 {value} MHz，承担相同工作的其他卡为 {usual} MHz",
    },
    Message {
        code: "finding.peer_memory",
        en: "{who} has {value} GB in use, those that do the same work {usual} GB",
        zh: "{who} 已用显存 {value} GB，承担相同工作的其他卡为 {usual} GB",
    },
    Message {
        code: "finding.peer_power",
        en: "{who} draws {value} W, those that do the same work {usual} W",
        zh: "{who} 的功耗为 {value} W，承担相同工作的其他卡为 {usual} W",
    },
    Message {
        code: "finding.peer_temperature",
        en: "{who} is at {value} °C, those that do the same work at {usual} °C",
        zh: "{who} 的温度为 {value} °C，承担相同工作的其他卡为 {usual} °C",
    },
    Message {
        code: "finding.peer_tpot",
        en: "{model} on {instance} takes {value} ms per token, its other replicas {usual} ms at the same load",
        zh: "{instance} 上的 {model} 每 Token 耗时 {value} 毫秒，其他副本在同等负载下为 {usual} 毫秒",
    },
    Message {
        code: "finding.peer_ttft",
        en: "the first token of {model} on {instance} takes {value} ms, that of its other replicas {usual} ms at the same load",
        zh: "{instance} 上的 {model} 首 Token 延迟 {value} 毫秒，其他副本在同等负载下为 {usual} 毫秒",
    },
    Message {
        code: "finding.peer_utilization",
        en: "{who} is busy {value} % of the time, those that work for the same engine {usual} %",
        zh: "{who} 的利用率为 {value}%，服务同一引擎的其他卡为 {usual}%",
    },
    Message {
        code: "finding.restart_cpu",
        en: "{model} ({instance}) changed its use of processors by {percent} % at the same load since its restart: {value} cores, before {usual}",
        zh: "{model}（{instance}）重启后，同等负载下的 CPU 用量变化 {percent}%：现为 {value} 核，此前 {usual} 核",
    },
    Message {
        code: "finding.restart_power",
        en: "{model} ({instance}) changed its power by {percent} % at the same load since its restart: {value} W, before {usual} W",
        zh: "{model}（{instance}）重启后，同等负载下的功耗变化 {percent}%：现为 {value} W，此前 {usual} W",
    },
    Message {
        code: "finding.restart_tpot",
        en: "decode speed of {model} ({instance}) changed by {speed} % since its restart: {value} ms per token at the same load, before {usual} ms",
        zh: "{model}（{instance}）重启后，解码速度变化 {speed}%：同等负载下每 Token {value} 毫秒，此前 {usual} 毫秒",
    },
    Message {
        code: "finding.restart_ttft",
        en: "time to the first token of {model} ({instance}) changed by {percent} % since its restart: {value} ms at the same load, before {usual} ms",
        zh: "{model}（{instance}）重启后，首 Token 延迟变化 {percent}%：同等负载下 {value} 毫秒，此前 {usual} 毫秒",
    },
    Message {
        code: "finding.week_throughput",
        en: "{model} ({instance}) makes {value} tokens/s, at this hour of the week {usual} are usual ({percent} %)",
        zh: "{model}（{instance}）每秒生成 {value} 个 Token，往周同一小时通常为 {usual}（{percent}%）",
    },
    Message {
        code: "finding.week_tpot",
        en: "{model} ({instance}) takes {value} ms per token, at this hour of the week and this load {usual} ms are usual ({percent} %)",
        zh: "{model}（{instance}）每 Token 耗时 {value} 毫秒，往周同一小时同等负载下通常为 {usual} 毫秒（{percent}%）",
    },
    Message {
        code: "finding.week_ttft",
        en: "the first token of {model} ({instance}) takes {value} ms, at this hour of the week and this load {usual} ms are usual ({percent} %)",
        zh: "{model}（{instance}）首 Token 延迟 {value} 毫秒，往周同一小时同等负载下通常为 {usual} 毫秒（{percent}%）",
    },
    Message {
        code: "gateway.address_denied",
        en: "requests from this address are not accepted",
        zh: "不接受来自该地址的请求",
    },
    Message {
        code: "gateway.body_too_large",
        en: "the body of the request is larger than {megabytes} MiB",
        zh: "请求体超过 {megabytes} MiB 上限",
    },
    Message {
        code: "gateway.body_too_slow",
        en: "the body of the request took too long to arrive",
        zh: "请求体传输超时",
    },
    Message {
        code: "gateway.concurrency",
        en: "this key may have {limit} requests at the same time; wait for one of them to end",
        zh: "该密钥最多同时执行 {limit} 个请求，请等待其中一个结束",
    },
    Message {
        code: "gateway.key_expired",
        en: "this key has expired; ask for a new one",
        zh: "密钥已过期，请申请新的密钥",
    },
    Message {
        code: "gateway.key_missing",
        en: "a key is needed: send it as `Authorization: Bearer KEY`",
        zh: "需要密钥：请以 `Authorization: Bearer KEY` 方式发送",
    },
    Message {
        code: "gateway.key_unknown",
        en: "this key is not known or was revoked",
        zh: "密钥无效或已被吊销",
    },
    Message {
        code: "gateway.malformed",
        en: "the request cannot be read: {reason}",
        zh: "无法解析请求：{reason}",
    },
    Message {
        code: "gateway.management",
        en: "this path manages the engine and is closed here; set gateway.allow_management = true to open it",
        zh: "该路径用于管理推理引擎，此处不开放；设置 gateway.allow_management = true 可开放",
    },
    Message {
        code: "gateway.model_denied",
        en: "this key may not use the model {model}",
        zh: "该密钥无权使用模型 {model}",
    },
    Message {
        code: "gateway.model_unknown",
        en: "no engine here serves the model {model}; `GET /v1/models` lists those that are",
        zh: "没有引擎提供模型 {model}；可通过 `GET /v1/models` 查看可用模型",
    },
    Message {
        code: "gateway.no_upstream",
        en: "no engine can be reached at the moment",
        zh: "目前没有可用的推理引擎",
    },
    Message {
        code: "gateway.overloaded",
        en: "too much is being sent at the moment; try again shortly",
        zh: "当前负载过高，请稍后重试",
    },
    Message {
        code: "gateway.path_denied",
        en: "this path is not open here",
        zh: "此处不开放该路径",
    },
    Message {
        code: "gateway.request_rate",
        en: "this key may send {limit} requests per minute",
        zh: "该密钥每分钟最多发送 {limit} 个请求",
    },
    Message {
        code: "gateway.token_budget",
        en: "this key has used its budget of {limit} tokens",
        zh: "该密钥的 {limit} Token 额度已用完",
    },
    Message {
        code: "gateway.token_rate",
        en: "this key may use {limit} tokens per minute",
        zh: "该密钥每分钟最多使用 {limit} 个 Token",
    },
    Message {
        code: "gateway.unsupported",
        en: "this kind of request is not supported",
        zh: "不支持此类请求",
    },
    Message {
        code: "gateway.upstream_broken",
        en: "the engine {upstream} closed the connection or sent something unreadable",
        zh: "引擎 {upstream} 断开了连接或返回了无法解析的内容",
    },
    Message {
        code: "gateway.upstream_timeout",
        en: "the engine {upstream} did not answer in time",
        zh: "引擎 {upstream} 未在规定时间内响应",
    },
    Message {
        code: "gateway.upstream_unreachable",
        en: "the engine {upstream} cannot be reached",
        zh: "无法连接引擎 {upstream}",
    },
    Message {
        code: "help.about",
        en: "Watches over locally deployed AI models: the machine, the engines, what they answer.",
        zh: "监控本地部署的 AI 大模型：主机、推理引擎及其输出。",
    },
    Message {
        code: "help.after",
        en: "Without a command modelwatch serves: it finds the engines on this machine by itself (vLLM, llama.cpp,\nOllama and others), reads them and the host, and shows everything at http://127.0.0.1:9640/.\n\nExamples:\n  modelwatch                             start with no configuration at all\n  modelwatch serve --config watch.toml   start with a configuration file\n  modelwatch check --config watch.toml   what would happen: settings, engines, what is missing\n  modelwatch --lang zh-CN                speak Chinese (default: from LC_ALL, LC_MESSAGES, LANG)\n\nAll keys of the configuration: docs/configuration.md, or `modelwatch docs configuration`.",
        zh: "不带命令时即启动服务：自动发现本机的推理引擎（vLLM、llama.cpp、Ollama 等），\n采集引擎与主机数据，并在 http://127.0.0.1:9640/ 展示。\n\n示例：\n  modelwatch                             无需任何配置直接启动\n  modelwatch serve --config watch.toml   使用配置文件启动\n  modelwatch check --config watch.toml   预检：最终配置、可发现的引擎、缺少什么\n  modelwatch --lang en                   使用英文（默认取自 LC_ALL、LC_MESSAGES、LANG）\n\n全部配置项见 docs/configuration.zh-CN.md，或运行 `modelwatch docs configuration`。",
    },
    Message {
        code: "help.agent",
        en: "Collect without keeping anything, and serve /metrics for a Prometheus or another modelwatch",
        zh: "仅采集、不落盘，通过 /metrics 供 Prometheus 或另一个 modelwatch 抓取",
    },
    Message { code: "help.arguments", en: "Arguments", zh: "参数" },
    Message {
        code: "help.ascii",
        en: "Draw with ASCII characters only, as on a dumb terminal",
        zh: "只用 ASCII 字符绘制（如哑终端）",
    },
    Message {
        code: "help.bench",
        en: "Generate load on an OpenAI-compatible endpoint, and measure how fast it answers",
        zh: "对 OpenAI 兼容接口施加负载并测量响应速度",
    },
    Message {
        code: "help.bench_after",
        en: "Times are those of the client: TTFT to the first token, TPOT per token after it, ITL the gaps between\ntokens, E2E the whole answer. With --rate they count from when a request should have been sent, so that an\nengine that stalls cannot hide it. What they mean exactly: docs/bench.md.\n\nExit status: 0 measured, 1 no request was answered, 2 nothing was sent: something on the command line is wrong.\n\nExamples:\n  modelwatch bench http://127.0.0.1:8000\n  modelwatch bench http://127.0.0.1:8000 --concurrency 1,2,4,8 --svg sweep.svg\n  modelwatch bench http://127.0.0.1:8000 --rate 2.5 --duration 2m --slo ttft=500ms,tpot=50ms\n  modelwatch bench https://llm.example/v1 --api-key-env LLM_KEY --prompts prompts.jsonl --json run.json",
        zh: "时间均为客户端视角：TTFT 到首个 token，TPOT 其后每个 token，ITL 为 token 间隔，E2E 为整个回答。\n使用 --rate 时，时间从请求应当发送的时刻算起，引擎停顿无法被掩盖。准确定义见 docs/bench.md。\n\n退出码：0 已测得结果，1 没有请求成功，2 命令行有误、未发送任何请求。\n\n示例：\n  modelwatch bench http://127.0.0.1:8000\n  modelwatch bench http://127.0.0.1:8000 --concurrency 1,2,4,8 --svg sweep.svg\n  modelwatch bench http://127.0.0.1:8000 --rate 2.5 --duration 2m --slo ttft=500ms,tpot=50ms\n  modelwatch bench https://llm.example/v1 --api-key-env LLM_KEY --prompts prompts.jsonl --json run.json",
    },
    Message {
        code: "help.bench_api",
        en: "What to ask: chat (the default) or completions",
        zh: "请求的接口：chat（默认）或 completions",
    },
    Message {
        code: "help.bench_api_key_env",
        en: "Environment variable that holds the key of the endpoint",
        zh: "保存接口密钥的环境变量名",
    },
    Message {
        code: "help.bench_arrival",
        en: "How requests of --rate are spread: poisson (the default, at random) or constant",
        zh: "--rate 的请求到达方式：poisson（默认，随机）或 constant（等间隔）",
    },
    Message {
        code: "help.bench_body",
        en: "JSON object whose members go into every request, such as one with \"temperature\"",
        zh: "其成员附加到每个请求的 JSON 对象，例如含 \"temperature\" 的对象",
    },
    Message {
        code: "help.bench_ca_file",
        en: "Certificates to trust instead of the system's (PEM)",
        zh: "代替系统证书的可信证书文件（PEM）",
    },
    Message {
        code: "help.bench_concurrency",
        en: "Requests at a time (default 1), or several to measure one after the other: 1,2,4,8; with --rate the most that may be in flight",
        zh: "并发请求数（默认 1），可给多个依次测量：1,2,4,8；与 --rate 同用时为同时在途的上限",
    },
    Message {
        code: "help.bench_duration",
        en: "Send nothing later than this after the first request: 30s, 5m",
        zh: "自首个请求起超过该时长后不再发送：30s、5m",
    },
    Message {
        code: "help.bench_header",
        en: "Header for every request, 'Name: value'; may be given more than once",
        zh: "附加到每个请求的请求头，“名称: 值”；可多次指定",
    },
    Message {
        code: "help.bench_ignore_eos",
        en: "Let answers go on to their limit, on engines that know ignore_eos (vLLM, SGLang, llama.cpp)",
        zh: "让回答一直生成到上限（需引擎支持 ignore_eos：vLLM、SGLang、llama.cpp）",
    },
    Message {
        code: "help.bench_json",
        en: "File for everything that was measured, every request included",
        zh: "将全部测量结果（含每个请求）写入该 JSON 文件",
    },
    Message {
        code: "help.bench_model",
        en: "Model to ask; not needed where the endpoint has only one",
        zh: "请求的模型；接口只有一个模型时可省略",
    },
    Message {
        code: "help.bench_no_stream",
        en: "Ask for whole answers, which have neither TTFT nor TPOT",
        zh: "不使用流式输出（此时没有 TTFT 与 TPOT）",
    },
    Message {
        code: "help.bench_output_tokens",
        en: "Limit of each answer: 128 (the default), evenly from 64-256, or normal 128~32",
        zh: "每个回答的 token 上限：128（默认）、均匀分布 64-256 或正态分布 128~32",
    },
    Message {
        code: "help.bench_prefix_tokens",
        en: "Words before each prompt that are the same for many, as a system prompt is (default 0)",
        zh: "每条提示词前的共享词数，模拟相同的系统提示（默认 0）",
    },
    Message {
        code: "help.bench_prefixes",
        en: "How many different such beginnings there are (default 1)",
        zh: "共享前缀的种数（默认 1）",
    },
    Message {
        code: "help.bench_prompt_tokens",
        en: "Length of invented prompts: 128 (the default), evenly from 64-256, or normal 128~32",
        zh: "随机提示词的长度：128（默认）、均匀分布 64-256 或正态分布 128~32",
    },
    Message {
        code: "help.bench_prompts",
        en: "File of prompts, a JSON value a line: bodies of OpenAI's API, ShareGPT conversations, or strings",
        zh: "提示词文件，每行一个 JSON：OpenAI 请求体、ShareGPT 对话或字符串",
    },
    Message {
        code: "help.bench_rate",
        en: "Open loop: so many requests a second, or several rates to measure one after the other: 1,2,4",
        zh: "开环：每秒请求数，可给多个依次测量：1,2,4",
    },
    Message {
        code: "help.bench_requests",
        en: "Requests of each load (default 100; with --duration as many as there is time for)",
        zh: "每个负载的请求数（默认 100；指定 --duration 时不限）",
    },
    Message {
        code: "help.bench_seed",
        en: "Seed of everything that is random; the same seed asks the same (default 0)",
        zh: "随机种子；相同种子产生相同请求（默认 0）",
    },
    Message {
        code: "help.bench_slo",
        en: "Count requests that keep limits: ttft=500ms,tpot=50ms,e2e=10s",
        zh: "统计满足上限的请求：ttft=500ms,tpot=50ms,e2e=10s",
    },
    Message {
        code: "help.bench_svg",
        en: "File for a drawing: of several loads latency over rate, of one how TTFT and ITL are distributed",
        zh: "图形文件（SVG）：多个负载时为时延随速率变化，单个负载时为 TTFT 与 ITL 分布",
    },
    Message {
        code: "help.bench_timeout",
        en: "How long one request may take in all (default 10m)",
        zh: "单个请求的最长时间（默认 10m）",
    },
    Message {
        code: "help.bench_url",
        en: "The endpoint, such as http://127.0.0.1:8000",
        zh: "接口地址，例如 http://127.0.0.1:8000",
    },
    Message {
        code: "help.bench_warmup",
        en: "Requests before each load that are left out (default 1)",
        zh: "每个负载前不计入结果的预热请求数（默认 1）",
    },
    Message {
        code: "help.channel",
        en: "Name of the channel, as in the configuration",
        zh: "配置中的渠道名称",
    },
    Message {
        code: "help.check",
        en: "Show the resolved configuration, every error in it, and what can be watched from here",
        zh: "显示最终配置及其中所有错误，以及本机可监控的内容",
    },
    Message { code: "help.commands", en: "Commands", zh: "命令" },
    Message {
        code: "help.concurrent_max",
        en: "Most requests at the same time",
        zh: "同时处理的请求数上限",
    },
    Message {
        code: "help.config",
        en: "Configuration file (TOML); without it everything has its default",
        zh: "配置文件（TOML）；不指定则全部使用默认值",
    },
    Message {
        code: "help.connect",
        en: "Show the modelwatch at this address, such as http://host:9640; otherwise the one of the configuration, and where none answers collect here",
        zh: "显示该地址的 modelwatch，如 http://host:9640；不指定时连接配置中的服务，没有响应则在本进程内采集",
    },
    Message {
        code: "help.data",
        en: "Read this data directory itself, while no modelwatch uses it",
        zh: "直接读取该数据目录（须没有 modelwatch 正在使用）",
    },
    Message { code: "help.docs", en: "Print a reference page", zh: "打印参考文档" },
    Message {
        code: "help.end",
        en: "Newest time to export, as seconds or like 2026-11-24T10:00:00Z",
        zh: "导出的截止时间：Unix 秒数，或形如 2026-11-24T10:00:00Z",
    },
    Message {
        code: "help.expires",
        en: "After how long it expires, like 30d; without it never",
        zh: "有效期，例如 30d；不填则永不过期",
    },
    Message {
        code: "help.explain",
        en: "Say which lines of a log matter, what they mean and what to do",
        zh: "找出日志中重要的行，说明原因与处理办法",
    },
    Message {
        code: "help.export",
        en: "Write stored samples as OpenMetrics or CSV",
        zh: "将已存储的样本导出为 OpenMetrics 或 CSV",
    },
    Message {
        code: "help.expression",
        en: "PromQL, for example 'rate(node_disk_read_bytes_total[5m])'",
        zh: "PromQL 表达式，例如 'rate(node_disk_read_bytes_total[5m])'",
    },
    Message {
        code: "help.files",
        en: "Files in the Prometheus text format with timestamps, or OpenMetrics, plain or gzip; - is standard input",
        zh: "带时间戳的 Prometheus 文本格式或 OpenMetrics 文件，可用 gzip 压缩；- 表示标准输入",
    },
    Message {
        code: "help.format",
        en: "How to write: openmetrics (the default, which can be imported again) or csv",
        zh: "导出格式：openmetrics（默认，可再次导入）或 csv",
    },
    Message {
        code: "help.gpus",
        en: "Only these accelerators, such as 0,1 or node-1/0 or the beginning of a uuid",
        zh: "仅显示指定的加速卡，如 0,1、node-1/0 或 uuid 的开头",
    },
    Message { code: "help.help", en: "Print this help", zh: "显示本帮助" },
    Message {
        code: "help.import",
        en: "Read samples from files into a data directory or a running modelwatch",
        zh: "将文件中的样本导入数据目录或运行中的 modelwatch",
    },
    Message {
        code: "help.interval",
        en: "How often values are evaluated: whole seconds, 1s to 60s (default 1s)",
        zh: "取值间隔，1s 到 60s 的整秒（默认 1s）",
    },
    Message {
        code: "help.key",
        en: "Make, list and revoke keys for the gateway",
        zh: "创建、列出与吊销网关密钥",
    },
    Message {
        code: "help.key_create",
        en: "Make a key; it is shown once",
        zh: "创建密钥（仅显示一次）",
    },
    Message {
        code: "help.key_list",
        en: "Show all keys: names, states and limits",
        zh: "列出全部密钥的名称、状态与限额",
    },
    Message {
        code: "help.key_revoke",
        en: "Revoke a key; within two seconds it is refused",
        zh: "吊销密钥，两秒内生效",
    },
    Message {
        code: "help.lang",
        en: "Language of the messages: en or zh-CN",
        zh: "消息语言：en 或 zh-CN",
    },
    Message {
        code: "help.last",
        en: "A range that ends now, or at --end: 1h, 7d",
        zh: "查询到当前（或 --end）为止的一段时间：1h、7d",
    },
    Message {
        code: "help.lint_fatal",
        en: "End with status 3 when a rule is there twice",
        zh: "存在重复规则时以状态码 3 退出",
    },
    Message {
        code: "help.logs",
        en: "Logs of engines, of containers or of the kernel, plain or gzip; - is standard input",
        zh: "引擎、容器或内核的日志，支持纯文本或 gzip；- 表示标准输入",
    },
    Message {
        code: "help.logs_after",
        en: "QUERY has words, phrases (\"out of memory\"), fields (severity:error host:node-1), ranges, wildcards, regular expressions\n(/Xid .*: 79/), AND, OR, NOT and parentheses; see docs/logs.md. A time is RFC 3339 (2026-11-24T10:00:00Z), seconds since 1970,\nnow, or so long ago: -1h. Times are shown in the zone of this terminal. Exit status: 0 answered, 1 no answer, 2 something\non the command line is wrong.\n\nExamples:\n  modelwatch logs 'severity:error'\n  modelwatch logs 'engine:vllm \"out of memory\"' --since 1d --context 5\n  modelwatch logs 'host:node-1 -severity:debug' --patterns\n  modelwatch logs 'engine:vllm' --follow\n  modelwatch logs Xid --from 2026-11-24T10:00:00Z --to 2026-11-24T11:00:00Z --csv > xid.csv",
        zh: "QUERY 可包含单词、短语（\"out of memory\"）、字段（severity:error host:node-1）、范围、通配符、正则表达式\n（/Xid .*: 79/）、AND、OR、NOT 与括号，详见 docs/logs.md。时间可写作 RFC 3339（2026-11-24T10:00:00Z）、Unix 秒数、\nnow，或距今多久：-1h。时间按本终端的时区显示。退出码：0 已得到结果，1 未得到结果，2 命令行有误。\n\n示例：\n  modelwatch logs 'severity:error'\n  modelwatch logs 'engine:vllm \"out of memory\"' --since 1d --context 5\n  modelwatch logs 'host:node-1 -severity:debug' --patterns\n  modelwatch logs 'engine:vllm' --follow\n  modelwatch logs Xid --from 2026-11-24T10:00:00Z --to 2026-11-24T11:00:00Z --csv > xid.csv",
    },
    Message {
        code: "help.logs_command",
        en: "Search the lines of logs that are kept",
        zh: "搜索已保存的日志",
    },
    Message {
        code: "help.logs_context",
        en: "So many lines of the same log before and after each line",
        zh: "同时显示每行在同一日志中前后各多少行",
    },
    Message { code: "help.logs_csv", en: "Print a table as CSV", zh: "以 CSV 表格输出" },
    Message {
        code: "help.logs_follow",
        en: "Go on with new lines as they come; --limit 0 for these alone",
        zh: "持续输出新到的日志；加 --limit 0 则只输出新日志",
    },
    Message {
        code: "help.logs_from",
        en: "Begin of the time that is looked at",
        zh: "查找时间段的开始",
    },
    Message {
        code: "help.logs_json",
        en: "Print each line as JSON, with its attributes",
        zh: "每行以 JSON 输出，含属性",
    },
    Message {
        code: "help.logs_limit",
        en: "Most lines to print; 100 without it",
        zh: "最多输出的行数；不指定则为 100",
    },
    Message {
        code: "help.logs_order",
        en: "newest or oldest first; without it the newest lines, in the order in which they were written",
        zh: "先输出 newest（最新）或 oldest（最旧）；不指定则取最新的若干行，按写入先后输出",
    },
    Message {
        code: "help.logs_patterns",
        en: "Print what lines have in common, most frequent first, instead of the lines",
        zh: "不输出日志行，而是输出其共同模式，按出现次数从多到少",
    },
    Message {
        code: "help.logs_query",
        en: "Words and conditions, for example 'timeout severity:error'; without it every line",
        zh: "查询条件，例如 'timeout severity:error'；不指定则为全部日志",
    },
    Message {
        code: "help.logs_since",
        en: "How far back to look, like 15m; 1h without it",
        zh: "向前查找多久，例如 15m；不指定则为 1h",
    },
    Message {
        code: "help.logs_to",
        en: "End of that time; without it now",
        zh: "查找时间段的结束；不指定则为当前时间",
    },
    Message {
        code: "help.logs_url",
        en: "Server to ask, like http://127.0.0.1:9640; without it the one of the configuration",
        zh: "要查询的服务器，例如 http://127.0.0.1:9640；不指定则为配置中的服务器",
    },
    Message {
        code: "help.models",
        en: "The models it may ask, parted by commas; one may end with *; without it all",
        zh: "允许访问的模型，以逗号分隔，可用 * 结尾；不填则不限",
    },
    Message { code: "help.name", en: "Who it is for", zh: "密钥的用途或使用者" },
    Message { code: "help.notify", en: "Channels by which people are told", zh: "通知渠道" },
    Message {
        code: "help.notify_test",
        en: "Send a test over a channel and say whether it was taken",
        zh: "通过某个渠道发送测试消息并报告结果",
    },
    Message {
        code: "help.once",
        en: "Print one frame as plain text and end",
        zh: "以纯文本输出一屏后退出",
    },
    Message { code: "help.options", en: "Options", zh: "选项" },
    Message {
        code: "help.output",
        en: "File to write to instead of standard output",
        zh: "写入该文件，而非标准输出",
    },
    Message {
        code: "help.page",
        en: "Which page: alert-rules, configuration, engines",
        zh: "文档名称：alert-rules、configuration、engines",
    },
    Message {
        code: "help.path",
        en: "Data directory; without it the one of the configuration",
        zh: "数据目录；不指定则使用配置中的目录",
    },
    Message {
        code: "help.pipeline",
        en: "Log pipelines of the configuration",
        zh: "配置中的日志流水线",
    },
    Message {
        code: "help.pipeline_engine",
        en: "Kind of engine that the lines are said to be of",
        zh: "假定的日志所属引擎类型",
    },
    Message {
        code: "help.pipeline_log",
        en: "File of lines, - for standard input; gzip is understood",
        zh: "日志文件，- 表示标准输入，支持 gzip",
    },
    Message {
        code: "help.pipeline_name",
        en: "Take this pipeline only, whatever lines it is for",
        zh: "仅使用该流水线，忽略其 match 条件",
    },
    Message {
        code: "help.pipeline_service",
        en: "Service that the lines are said to be of",
        zh: "假定的日志所属服务",
    },
    Message {
        code: "help.pipeline_source",
        en: "How the lines are said to have come. Default: file",
        zh: "假定的日志来源方式，默认 file",
    },
    Message {
        code: "help.pipeline_test",
        en: "Show what the log pipelines of the configuration do with the lines of a file, step by step",
        zh: "逐步显示配置中的日志流水线如何处理文件中的日志行",
    },
    Message {
        code: "help.query",
        en: "Ask with PromQL, now or over a range, and print the answer",
        zh: "用 PromQL 查询某一时刻或一段时间，并打印结果",
    },
    Message {
        code: "help.query_after",
        en: "A time is RFC 3339 (2026-11-24T10:00:00Z), seconds since 1970, now, or so long ago: -1h. Times are shown in UTC.\nWarnings, costs and errors go to standard error. Exit status: 0 answered, 1 no answer, 2 something on the\ncommand line is wrong.\n\nExamples:\n  modelwatch query node_load1\n  modelwatch query 'sum by (mode) (rate(node_cpu_seconds_total[5m]))' --last 1h\n  modelwatch query llm_requests_running --time -1d --format json\n  modelwatch query node_load1 --start -7d --step 1h --format csv > load.csv\n  modelwatch query node_load1 --data /var/lib/modelwatch",
        zh: "时间可写作 RFC 3339（2026-11-24T10:00:00Z）、Unix 秒数、now，或距今多久：-1h。时间均以 UTC 显示。\n警告、开销与错误写到标准错误。退出码：0 已得到结果，1 未得到结果，2 命令行有误。\n\n示例：\n  modelwatch query node_load1\n  modelwatch query 'sum by (mode) (rate(node_cpu_seconds_total[5m]))' --last 1h\n  modelwatch query llm_requests_running --time -1d --format json\n  modelwatch query node_load1 --start -7d --step 1h --format csv > load.csv\n  modelwatch query node_load1 --data /var/lib/modelwatch",
    },
    Message {
        code: "help.query_end",
        en: "End of the range; without it now",
        zh: "查询范围的结束时间；不指定则为当前时间",
    },
    Message {
        code: "help.query_format",
        en: "How to print: table (the default; over a range with a chart for each series), csv or json",
        zh: "输出格式：table（默认；查询范围时为每条序列画出走势）、csv 或 json",
    },
    Message {
        code: "help.query_start", en: "Begin of the range", zh: "查询范围的开始时间"
    },
    Message {
        code: "help.report",
        en: "Write a report about a time: HTML, PDF, CSV",
        zh: "生成一段时间的报告：HTML、PDF、CSV",
    },
    Message {
        code: "help.report_after",
        en: "Examples:\n  modelwatch report --last 7d --html week.html\n  modelwatch report --last 7d --lang zh --pdf week.pdf\n  modelwatch report --start 2026-11-01T00:00:00Z --end 2026-12-01T00:00:00Z --zone Asia/Shanghai --pdf november.pdf",
        zh: "示例：\n  modelwatch report --last 7d --html week.html\n  modelwatch report --last 7d --lang zh --pdf week.pdf\n  modelwatch report --start 2026-11-01T00:00:00Z --end 2026-12-01T00:00:00Z --zone Asia/Shanghai --pdf november.pdf",
    },
    Message {
        code: "help.report_csv",
        en: "Write its tables into this file",
        zh: "将表格写入该文件",
    },
    Message {
        code: "help.report_end",
        en: "End of the time; now without it",
        zh: "结束时间；默认为当前时间",
    },
    Message {
        code: "help.report_html",
        en: "Write it as a page into this file",
        zh: "以网页形式写入该文件",
    },
    Message {
        code: "help.report_last",
        en: "The time until now, such as 24h, 7d, 30d; 24h without it",
        zh: "截至当前的时长，例如 24h、7d、30d；默认为 24h",
    },
    Message { code: "help.report_model", en: "Only about this model", zh: "仅针对该模型" },
    Message {
        code: "help.report_path",
        en: "The data directory, if it is not that of the configuration",
        zh: "数据目录；默认为配置中的目录",
    },
    Message {
        code: "help.report_pdf",
        en: "Write it as PDF into this file",
        zh: "以 PDF 形式写入该文件",
    },
    Message {
        code: "help.report_start",
        en: "Beginning of the time: RFC 3339 or Unix seconds",
        zh: "开始时间：RFC 3339 或 Unix 秒",
    },
    Message {
        code: "help.report_url",
        en: "A running modelwatch, such as http://127.0.0.1:9640; without it the data directory is read, or the program that uses it asked",
        zh: "正在运行的 modelwatch，例如 http://127.0.0.1:9640；默认读取数据目录，目录被占用时询问占用它的程序",
    },
    Message {
        code: "help.report_zone",
        en: "Time zone of days and times, such as Asia/Shanghai",
        zh: "日期与时间的时区，例如 Asia/Shanghai",
    },
    Message {
        code: "help.requests_per_minute",
        en: "Most requests in a minute",
        zh: "每分钟请求数上限",
    },
    Message {
        code: "help.rule_files", en: "Rule files of Prometheus", zh: "Prometheus 规则文件"
    },
    Message {
        code: "help.rule_tests",
        en: "Files of tests, which name the rule files that they are for",
        zh: "测试文件，其中指明所测的规则文件",
    },
    Message {
        code: "help.rules",
        en: "Check and test rules for alerts, in the format of Prometheus",
        zh: "检查与测试告警规则（Prometheus 格式）",
    },
    Message {
        code: "help.rules_check",
        en: "Say whether rule files can be used, and everything that is wrong with them",
        zh: "检查规则文件是否可用，并列出其中的所有问题",
    },
    Message {
        code: "help.rules_test",
        en: "Carry out unit tests of rules, in the format of promtool",
        zh: "运行规则单元测试（promtool 格式）",
    },
    Message {
        code: "help.selectors",
        en: "Which series, as a PromQL selector such as 'node_load1'; may be given more than once",
        zh: "要导出的序列（PromQL 选择器，例如 'node_load1'）；可多次指定",
    },
    Message {
        code: "help.serve",
        en: "Watch, and serve the page and the API (the default)",
        zh: "启动监控，并提供页面与 API（默认）",
    },
    Message {
        code: "help.server",
        en: "Server to ask: a modelwatch or any Prometheus; without it the address of the configuration",
        zh: "要查询的服务器：modelwatch 或任意 Prometheus；不指定则使用配置中的地址",
    },
    Message {
        code: "help.start",
        en: "Oldest time to export, as seconds or like 2026-11-24T10:00:00Z",
        zh: "导出的起始时间：Unix 秒数，或形如 2026-11-24T10:00:00Z",
    },
    Message {
        code: "help.stats",
        en: "Say what the query cost: series, samples, milliseconds",
        zh: "显示查询开销：序列数、样本数、毫秒数",
    },
    Message {
        code: "help.step",
        en: "Time between two points of the range; without it some 60 to 120 points",
        zh: "查询范围内两点的间隔；不指定则取约 60 至 120 个点",
    },
    Message {
        code: "help.store",
        en: "Check or repair a data directory that no modelwatch is using",
        zh: "检查或修复未被 modelwatch 使用的数据目录",
    },
    Message {
        code: "help.store_repair",
        en: "Save what can be read, and keep damaged files as *.bad",
        zh: "挽救可读取的数据，并将损坏的文件保留为 *.bad",
    },
    Message {
        code: "help.store_verify",
        en: "Read everything and name what is damaged; exit status 1 when something is",
        zh: "读取全部数据并列出损坏之处；发现损坏时退出码为 1",
    },
    Message {
        code: "help.time",
        en: "The time to ask about; without it now",
        zh: "要查询的时刻；不指定则为当前时间",
    },
    Message {
        code: "help.tokens_per_day",
        en: "Most tokens in a day (UTC), prompt and answer together",
        zh: "每日 Token 上限（UTC，输入与输出合计）",
    },
    Message {
        code: "help.tokens_per_minute",
        en: "Most tokens in a minute",
        zh: "每分钟 Token 上限",
    },
    Message {
        code: "help.tokens_per_month",
        en: "Most tokens in a month (UTC)",
        zh: "每月 Token 上限（UTC）",
    },
    Message {
        code: "help.top",
        en: "Show engines, accelerators and requests in the terminal",
        zh: "在终端中显示推理引擎、加速卡与请求",
    },
    Message {
        code: "help.top_after",
        en: "Keys: ? lists them, q ends. NO_COLOR turns colours off. Where standard output is no terminal, one frame is printed, as with --once.",
        zh: "按键：? 查看帮助，q 退出。设置 NO_COLOR 可关闭颜色。标准输出不是终端时，等同 --once，仅输出一屏。",
    },
    Message {
        code: "help.top_ascii",
        en: "Draw with ASCII characters only",
        zh: "仅使用 ASCII 字符绘制",
    },
    Message {
        code: "help.top_json",
        en: "Print everything shown as one JSON object and end (docs/top.md)",
        zh: "以一个 JSON 对象输出全部内容后退出（见 docs/top.md）",
    },
    Message {
        code: "help.url",
        en: "Go through a running modelwatch, for example http://127.0.0.1:9640",
        zh: "通过运行中的 modelwatch 进行，例如 http://127.0.0.1:9640",
    },
    Message { code: "help.usage", en: "Usage:", zh: "用法：" },
    Message { code: "help.version", en: "Print the version", zh: "显示版本号" },
    Message {
        code: "help.which",
        en: "Id or name, as `modelwatch key list` shows them",
        zh: "`modelwatch key list` 所显示的 ID 或名称",
    },
    Message {
        code: "hint.accelerator_left_out",
        en: "Some readings of a device are left out, because their meaning is not known: {detail}",
        zh: "设备的部分读数因含义未知而未采集：{detail}",
    },
    Message {
        code: "hint.engine_cut",
        en: "The answer was not whole, so only its beginning counts: {reason}",
        zh: "响应不完整，仅采用已收到的部分：{reason}",
    },
    Message {
        code: "hint.engine_lines",
        en: "{count} lines of the engine's metrics could not be read or came twice, and were left out",
        zh: "引擎指标中有 {count} 行无法解析或重复，已忽略",
    },
    Message {
        code: "hint.engine_other",
        en: "Something at {url} answers, but not as this engine would. Check the address, its path and kind in [[engine]], and whether it wants an API key (api_key_env)",
        zh: "{url} 有响应，但不像是该引擎。请检查 [[engine]] 中的地址、路径与 kind，以及是否需要 API 密钥（api_key_env）",
    },
    Message {
        code: "hint.engine_refused",
        en: "It answers but does not let us in. If it wants an API key, name it: [[engine]] url = \"{url}\", api_key_env = \"NAME\"",
        zh: "引擎有响应但拒绝访问。如需 API 密钥，请配置：[[engine]] url = \"{url}\"，api_key_env = \"变量名\"",
    },
    Message {
        code: "hint.engine_unreachable",
        en: "Check that the engine runs and listens at {url}",
        zh: "请检查推理引擎是否在运行，且监听 {url}",
    },
    Message {
        code: "hint.instance_series_limit",
        en: "{instance} brings too many series: {count} samples of new ones were refused. Find out why, or raise [storage] instance_series_max",
        zh: "{instance} 的序列数已达上限，新序列的 {count} 个样本被拒绝。请查明原因，或调大 [storage] instance_series_max",
    },
    Message {
        code: "hint.listener_permission",
        en: "The process of an engine cannot be seen, so its CPU and memory are missing. Run modelwatch as the same user or as root",
        zh: "无法看到推理引擎的进程，因此缺少其 CPU 与内存数据。请以同一用户或 root 运行 modelwatch",
    },
    Message {
        code: "hint.log_engine_none",
        en: "{instance} has no log that can be followed: its output goes to {output}. Send it to a file (>> /var/log/engine.log 2>&1), or run the engine as a unit of systemd or in a container",
        zh: "{instance} 没有可跟踪的日志：其输出写到 {output}。请将输出重定向到文件（>> /var/log/engine.log 2>&1），或以 systemd 单元或容器方式运行该引擎",
    },
    Message {
        code: "hint.log_files_cut",
        en: "{count} files of logs are not followed, because there are too many. Name fewer with [[log_file]], or raise the limit of open files (LimitNOFILE)",
        zh: "日志文件过多，有 {count} 个未被跟踪。请用 [[log_file]] 指定更少的文件，或调大打开文件数上限（LimitNOFILE）",
    },
    Message {
        code: "hint.log_permission",
        en: "{path} may not be read. Run modelwatch as root, or add its user to the group that owns the file (usually adm or systemd-journal)",
        zh: "没有权限读取 {path}。请以 root 运行 modelwatch，或将其用户加入该文件所属的组（通常为 adm 或 systemd-journal）",
    },
    Message {
        code: "hint.model_folders_cut",
        en: "there are too many folders to watch all of them for downloads: name fewer with collect.model_folders, or raise fs.inotify.max_user_watches",
        zh: "目录过多，无法全部监视模型下载：请在 collect.model_folders 中减少目录，或调大 fs.inotify.max_user_watches",
    },
    Message {
        code: "hint.probe_failed",
        en: "The probe failed: {reason}",
        zh: "探测失败：{reason}",
    },
    Message {
        code: "hint.scrape_large",
        en: "{url} exceeds a limit of the scrape job {job}; find out why, or raise its body_size_limit, sample_limit or label limits",
        zh: "{url} 超出了抓取任务 {job} 的限制。请查明原因，或调大其 body_size_limit、sample_limit 或标签限制",
    },
    Message {
        code: "hint.scrape_login",
        en: "{url} wants a login: set bearer_token_env, or username and password_env, in the scrape job {job}",
        zh: "{url} 要求身份验证：请在抓取任务 {job} 中设置 bearer_token_env，或 username 与 password_env",
    },
    Message {
        code: "hint.scrape_page",
        en: "open {url}: it is not the page of metrics that the scrape job {job} expects. Correct the exporter, or path and targets of the job; good lines are kept",
        zh: "请打开 {url} 查看：它不是抓取任务 {job} 所期望的指标页面。请修正导出器，或任务的 path 与 targets；有效的行已保留",
    },
    Message {
        code: "hint.scrape_slow",
        en: "{url} is too slow; find out why, or raise timeout and interval of the scrape job {job}",
        zh: "{url} 响应过慢。请查明原因，或调大抓取任务 {job} 的 timeout 与 interval",
    },
    Message {
        code: "hint.scrape_twice",
        en: "{url} has the same series more than once, {count} times at the last scrape; of those the first is kept",
        zh: "{url} 的页面中有重复的序列，最近一次抓取重复 {count} 次；重复时仅保留第一个",
    },
    Message {
        code: "hint.scrape_unreachable",
        en: "start what should answer at {url}, or correct targets and relabelling of the scrape job {job}",
        zh: "请启动应在 {url} 响应的程序，或修正抓取任务 {job} 的目标与重标记规则",
    },
    Message {
        code: "hint.series_limit",
        en: "There are too many series: {count} samples of new ones were refused. Find out what brings so many, or raise [storage] series_max",
        zh: "序列总数已达上限，新序列的 {count} 个样本被拒绝。请查明序列过多的来源，或调大 [storage] series_max",
    },
    Message {
        code: "hint.storage",
        en: "Free space or repair the file system of {path}; writing resumes by itself",
        zh: "请为 {path} 释放空间或修复其文件系统；写入会自动恢复",
    },
    Message {
        code: "hint.storage_aside",
        en: "Damaged blocks were put aside as *.bad below {path}: {count}. What could not be saved of them is missing from queries; restore it from a snapshot, or delete these files",
        zh: "{path} 下有 {count} 个损坏的数据块被移出（*.bad），其中未能挽救的数据无法查询。请从快照恢复，或删除这些文件",
    },
    Message {
        code: "hint.storage_damaged",
        en: "Queries met damaged blocks and left out what cannot be read ({count} times). Stop modelwatch and run modelwatch store verify {path}",
        zh: "查询遇到损坏的数据块，已跳过无法读取的部分（{count} 次）。请停止 modelwatch 后运行 modelwatch store verify {path}",
    },
    Message {
        code: "import.bad_exemplar",
        en: "the exemplar cannot be read; the sample was taken",
        zh: "无法解析 exemplar；样本本身已导入",
    },
    Message {
        code: "import.bad_line",
        en: "  {file}, line {line}: {reason}",
        zh: "  {file} 第 {line} 行：{reason}",
    },
    Message {
        code: "import.bad_series",
        en: "the name or the labels cannot be read",
        zh: "无法解析指标名或标签",
    },
    Message {
        code: "import.bad_time", en: "the timestamp cannot be read", zh: "无法解析时间戳"
    },
    Message { code: "import.bad_value", en: "the value cannot be read", zh: "无法解析数值" },
    Message {
        code: "import.done",
        en: "imported {samples} samples of {series} series from {files} file(s)",
        zh: "已从 {files} 个文件导入 {series} 条序列的 {samples} 个样本",
    },
    Message {
        code: "import.line_too_long",
        en: "the line is longer than 1 MiB",
        zh: "该行超过 1 MiB",
    },
    Message {
        code: "import.more_bad_lines",
        en: "  and {count} more lines that were left out",
        zh: "  另有 {count} 行被忽略",
    },
    Message { code: "import.no_time", en: "there is no timestamp", zh: "缺少时间戳" },
    Message { code: "import.not_utf8", en: "this is not UTF-8", zh: "不是 UTF-8 文本" },
    Message {
        code: "import.older_than_retention",
        en: "  some samples are older than [storage] retention and will be deleted by the next modelwatch that runs on them; raise it first",
        zh: "  部分样本早于 [storage] retention，下次启动 modelwatch 后会被删除；请先调大该值",
    },
    Message {
        code: "import.progress",
        en: "  {samples} samples imported",
        zh: "  已导入 {samples} 个样本",
    },
    Message {
        code: "import.refused",
        en: "  refused: {count} samples, {reason}",
        zh: "  拒绝 {count} 个样本：{reason}",
    },
    Message {
        code: "import.refused_duplicate",
        en: "another value is stored for the same time",
        zh: "同一时间已存有不同的值",
    },
    Message {
        code: "import.refused_instance_series_limit",
        en: "too many series of one instance; see [storage] instance_series_max",
        zh: "单个 instance 的序列过多，参见 [storage] instance_series_max",
    },
    Message {
        code: "import.refused_series_limit",
        en: "too many series; see [storage] series_max",
        zh: "序列过多，参见 [storage] series_max",
    },
    Message {
        code: "import.refused_too_far_ahead",
        en: "they lie in the future",
        zh: "时间在未来",
    },
    Message {
        code: "import.refused_too_old",
        en: "too old; set [storage] accept_old = true for the running modelwatch, or stop it and import without --url",
        zh: "时间过旧；请为运行中的 modelwatch 设置 [storage] accept_old = true，或将其停止后不带 --url 导入",
    },
    Message {
        code: "incident.acknowledged", en: "{author} acknowledged", zh: "{author} 已确认"
    },
    Message {
        code: "incident.assigned",
        en: "{author} assigned it to {assignee}",
        zh: "{author} 指派给 {assignee}",
    },
    Message {
        code: "incident.channel_missing",
        en: "There is no channel {channel}: nobody was told by it",
        zh: "渠道 {channel} 不存在，未能由其通知",
    },
    Message {
        code: "incident.delivered",
        en: "{channel} delivered the notification",
        zh: "{channel} 已送达通知",
    },
    Message {
        code: "incident.delivery_failed",
        en: "{channel} could not deliver: {detail}",
        zh: "{channel} 送达失败：{detail}",
    },
    Message {
        code: "incident.dismissed",
        en: "{author} said that it is over",
        zh: "{author} 关闭了事件",
    },
    Message {
        code: "incident.escalated",
        en: "Nobody acknowledged in time: told {channel} as well",
        zh: "无人及时确认，已升级通知 {channel}",
    },
    Message {
        code: "incident.fired",
        en: "{name} fires (alerts: {count})",
        zh: "{name} 触发：{count} 条告警",
    },
    Message {
        code: "incident.flapping",
        en: "It begins and ends all the time: held as firing until it is steady",
        zh: "频繁触发与恢复：在稳定之前视为持续触发",
    },
    Message {
        code: "incident.inhibited",
        en: "Another alert explains it: nobody is told",
        zh: "已有其他告警可解释，不再通知",
    },
    Message { code: "incident.joined", en: "More alerts: {count}", zh: "新增 {count} 条告警" },
    Message {
        code: "incident.left", en: "Alerts that ended: {count}", zh: "{count} 条告警已恢复"
    },
    Message {
        code: "incident.maintenance",
        en: "Maintenance: nobody is told",
        zh: "维护期间，不通知",
    },
    Message {
        code: "incident.not_told",
        en: "{channel} was not told: too many notifications were waiting",
        zh: "渠道 {channel} 未通知：积压的通知过多",
    },
    Message {
        code: "incident.noted", en: "{author} noted something", zh: "{author} 添加了备注"
    },
    Message {
        code: "incident.notified_changed",
        en: "Handed to {channel}: alerts joined or ended",
        zh: "已交给渠道 {channel}：告警有变化",
    },
    Message {
        code: "incident.notified_escalated",
        en: "Handed to {channel}: nobody acknowledged in time",
        zh: "已交给渠道 {channel}：超时无人确认，升级通知",
    },
    Message {
        code: "incident.notified_first",
        en: "Handed to {channel}: it fires",
        zh: "已交给渠道 {channel}：首次触发",
    },
    Message {
        code: "incident.notified_repeat",
        en: "Handed to {channel} again: it goes on",
        zh: "再次交给渠道 {channel}：仍在告警",
    },
    Message {
        code: "incident.notified_resolved",
        en: "Handed to {channel}: it is over",
        zh: "已交给渠道 {channel}：已恢复",
    },
    Message {
        code: "incident.outgrown",
        en: "What fires now is more than {author} acknowledged: it is repeated and escalated again",
        zh: "出现了 {author} 确认时没有的告警：恢复重复通知和升级",
    },
    Message {
        code: "incident.reopened",
        en: "It fires again (alerts: {count})",
        zh: "再次触发：{count} 条告警",
    },
    Message { code: "incident.resolved", en: "All its alerts ended", zh: "全部告警已恢复" },
    Message {
        code: "incident.silenced", en: "Silenced: nobody is told", zh: "已静默，不通知"
    },
    Message { code: "incident.steady", en: "It is steady again", zh: "已趋于稳定" },
    Message {
        code: "incident.unacknowledged",
        en: "{author} took the acknowledgement back",
        zh: "{author} 撤销了确认",
    },
    Message {
        code: "incident.unassigned",
        en: "{author} made it nobody's",
        zh: "{author} 取消了指派",
    },
    Message {
        code: "incident.unmuted",
        en: "No silence, maintenance or other alert holds it back any more",
        zh: "不再被静默、维护或其他告警抑制",
    },
    Message {
        code: "key.anonymous_allowed",
        en: "  note: the gateway lets callers in without a key, too; set [gateway] anonymous = \"refuse\" to stop that",
        zh: "  注意：网关目前也放行未携带密钥的请求；如需禁止，请设置 [gateway] anonymous = \"refuse\"",
    },
    Message {
        code: "key.bad_expiry",
        en: "{value} is no length of time such as 30d or 12h",
        zh: "{value} 不是有效的时长（例如 30d、12h）",
    },
    Message {
        code: "key.bad_name",
        en: "a name has 1 to 128 bytes and no control characters",
        zh: "名称须为 1 到 128 字节，且不含控制字符",
    },
    Message {
        code: "key.created",
        en: "made key {name} ({id}). This is the only time it is shown; it is stored as a hash:",
        zh: "已创建密钥 {name}（{id}）。密钥仅显示这一次，只保存其哈希：",
    },
    Message { code: "key.expires", en: "expires", zh: "过期" },
    Message {
        code: "key.format",
        en: "{path} is no file of keys: {reason}. Restore it, or remove it and make new keys",
        zh: "{path} 不是有效的密钥文件：{reason}。请恢复该文件，或删除后重新创建密钥",
    },
    Message { code: "key.id", en: "id", zh: "ID" },
    Message {
        code: "key.io",
        en: "{path}: {reason}. Run this as the user that modelwatch runs as, or name the file with [gateway] keys_file",
        zh: "{path}：{reason}。请以运行 modelwatch 的用户执行，或用 [gateway] keys_file 指定文件",
    },
    Message { code: "key.limit_concurrent", en: "{count} at once", zh: "并发 {count}" },
    Message { code: "key.limit_day", en: "{count} tokens/day", zh: "{count} Token/日" },
    Message { code: "key.limit_month", en: "{count} tokens/month", zh: "{count} Token/月" },
    Message { code: "key.limit_requests", en: "{count} requests/min", zh: "{count} 请求/分" },
    Message { code: "key.limit_tokens", en: "{count} tokens/min", zh: "{count} Token/分" },
    Message { code: "key.limits", en: "limits", zh: "限额" },
    Message { code: "key.made", en: "made", zh: "创建" },
    Message { code: "key.name", en: "name", zh: "名称" },
    Message {
        code: "key.name_taken",
        en: "there is a key named {name} already: choose another name, or revoke that one first",
        zh: "已有名为 {name} 的密钥：请换一个名称，或先吊销它",
    },
    Message {
        code: "key.no_random",
        en: "the system gives no random numbers; nothing was made",
        zh: "系统无法提供随机数，未创建密钥",
    },
    Message {
        code: "key.none",
        en: "no keys in {path}; make one with: modelwatch key create NAME",
        zh: "{path} 中没有密钥；创建方法：modelwatch key create 名称",
    },
    Message {
        code: "key.not_found",
        en: "no valid key has the id or name {name}: `modelwatch key list` shows them all",
        zh: "没有 ID 或名称为 {name} 的有效密钥：可用 `modelwatch key list` 查看",
    },
    Message {
        code: "key.revoked",
        en: "revoked key {name} ({id}); within two seconds it is refused",
        zh: "已吊销密钥 {name}（{id}），两秒内生效",
    },
    Message { code: "key.state", en: "state", zh: "状态" },
    Message { code: "key.state_expired", en: "expired", zh: "已过期" },
    Message { code: "key.state_revoked", en: "revoked", zh: "已吊销" },
    Message { code: "key.state_valid", en: "valid", zh: "有效" },
    Message {
        code: "logs.damaged",
        en: "{count} parts of the store could not be read; lines of them are missing. `modelwatch store verify` names them",
        zh: "存储中有 {count} 处无法读取，其中的日志缺失。用 `modelwatch store verify` 查看详情",
    },
    Message {
        code: "logs.empty",
        en: "no line matches from {start} to {end}. Look further back with --since, or ask for less in QUERY",
        zh: "{start} 至 {end} 没有匹配的日志。可用 --since 扩大时间范围，或放宽 QUERY 的条件",
    },
    Message {
        code: "logs.hung_up",
        en: "{url} hung up. Start again once it answers",
        zh: "{url} 断开了连接。待其恢复响应后请重新运行",
    },
    Message {
        code: "logs.known_again",
        en: "  Known          {code}, explained above",
        zh: "  已知  {code}，说明见上文",
    },
    Message {
        code: "logs.limit",
        en: "expected a number from 1 to {limit}",
        zh: "应为 1 至 {limit} 的整数",
    },
    Message {
        code: "logs.limit_context",
        en: "expected a number from 1 to {limit}, because each line is shown with those around it",
        zh: "应为 1 至 {limit} 的整数，因为每行都要显示上下文",
    },
    Message {
        code: "logs.limit_order",
        en: "expected a number from 1 to {limit}; more lines need --order newest or --order oldest",
        zh: "应为 1 至 {limit} 的整数；更多行请加 --order newest 或 --order oldest",
    },
    Message {
        code: "logs.more",
        en: "{shown} of {total} lines; more with --limit",
        zh: "共 {total} 行，已显示 {shown} 行；用 --limit 显示更多",
    },
    Message {
        code: "logs.more_patterns",
        en: "{count} lines have other patterns; more with --limit",
        zh: "另有 {count} 行属于其他模式；用 --limit 显示更多",
    },
    Message {
        code: "logs.no_answer",
        en: "{reason}. Start modelwatch there, or name another server with --url",
        zh: "{reason}。请启动该处的 modelwatch，或用 --url 指定其他服务器",
    },
    Message {
        code: "logs.no_context",
        en: "a table has no lines around others; leave one of the two out",
        zh: "表格不能显示上下文，请去掉其中一项",
    },
    Message {
        code: "logs.not_modelwatch",
        en: "{url} answers, but not as a modelwatch that keeps logs does: {status} {text}. Name another server with --url",
        zh: "{url} 有响应，但不是保存日志的 modelwatch 的响应：{status} {text}。请用 --url 指定其他服务器",
    },
    Message {
        code: "logs.skipped",
        en: "… {count} lines skipped: they came too fast to be shown",
        zh: "… 跳过 {count} 行：到达过快，无法逐行显示",
    },
    Message {
        code: "logs.too_large",
        en: "the answer is larger than {limit} MiB. Ask for fewer lines with --limit",
        zh: "结果超过 {limit} MiB。请用 --limit 减少行数",
    },
    Message {
        code: "note.engine_on_cpu",
        en: "Runs on the CPU although this machine has an accelerator; check the driver and the engine's build",
        zh: "本机有加速卡，但该引擎在 CPU 上运行；请检查驱动与引擎的构建版本",
    },
    Message {
        code: "note.llamacpp_metrics_off",
        en: "Token counts are missing: start llama-server with --metrics",
        zh: "缺少 Token 计数：请为 llama-server 加上 --metrics 参数启动",
    },
    Message {
        code: "note.lmdeploy_metrics_off",
        en: "Its metrics are switched off. Start it without --disable-metrics",
        zh: "指标已关闭。请去掉 --disable-metrics 后启动",
    },
    Message {
        code: "note.metrics_elsewhere",
        en: "Its metrics are not two ports above its own ({reason}). Start it with --metrics-port accordingly",
        zh: "未能在其端口加 2 处读到指标（{reason}）。请相应设置 --metrics-port",
    },
    Message {
        code: "note.metrics_locked",
        en: "Its metrics are for administrators. Name an administrator's key: [[engine]] api_key_env",
        zh: "指标仅管理员可读。请配置管理员密钥：[[engine]] api_key_env",
    },
    Message {
        code: "note.mindie_metrics_off",
        en: "Its metrics cannot be read. Start it with MIES_SERVICE_MONITOR_MODE=1 and the metrics port two above the service port, without HTTPS",
        zh: "无法读取指标。请设置 MIES_SERVICE_MONITOR_MODE=1，指标端口为服务端口加 2，并关闭 HTTPS",
    },
    Message {
        code: "note.ollama_metrics_off",
        en: "Token counts are missing. Set LLAMA_ARG_ENDPOINT_METRICS=1 in Ollama's environment",
        zh: "缺少 Token 计数。请在 Ollama 的环境变量中设置 LLAMA_ARG_ENDPOINT_METRICS=1",
    },
    Message {
        code: "note.sglang_metrics_off",
        en: "Its metrics are off, so tokens and latencies are missing. Start it with --enable-metrics",
        zh: "指标未开启，缺少 Token 与延迟数据。请使用 --enable-metrics 启动",
    },
    Message {
        code: "note.trtllm_metrics_off",
        en: "Its metrics are off. Set return_perf_metrics: true in its options",
        zh: "指标未开启。请在选项中设置 return_perf_metrics: true",
    },
    Message {
        code: "notify.and_more", en: "and {count} more alerts", zh: "另有 {count} 条告警"
    },
    Message { code: "notify.cause", en: "Cause", zh: "可能原因" },
    Message {
        code: "notify.cut",
        en: "… more than this channel takes",
        zh: "……内容超出该渠道的长度限制",
    },
    Message { code: "notify.escalated", en: "Escalated", zh: "升级" },
    Message {
        code: "notify.file_dropped",
        en: "The file {name} is not attached: this kind of channel takes no files.",
        zh: "未附上文件 {name}：该类渠道不支持发送文件。",
    },
    Message { code: "notify.firing", en: "Firing", zh: "告警" },
    Message { code: "notify.labels", en: "Labels", zh: "标签" },
    Message { code: "notify.link", en: "Open in modelwatch", zh: "在 modelwatch 中查看" },
    Message {
        code: "notify.no_channels",
        en: "the configuration has no [[channel]]; see docs/notifications.md",
        zh: "配置中没有 [[channel]]，参见 docs/notifications.md",
    },
    Message {
        code: "notify.not_taken",
        en: "the channel {name} did not take the test, sent by {sender}: {reason}",
        zh: "渠道 {name} 未接收测试消息（{sender}）：{reason}",
    },
    Message {
        code: "notify.other_configuration",
        en: "it has no such channel; it was started with another configuration, so restart it",
        zh: "运行中的程序没有该渠道：它以另一份配置启动，请重启",
    },
    Message { code: "notify.remedy", en: "What to do", zh: "处理建议" },
    Message { code: "notify.resolved", en: "Resolved", zh: "已恢复" },
    Message { code: "notify.runbook", en: "Runbook", zh: "处理手册" },
    Message {
        code: "notify.sender_running",
        en: "the modelwatch that runs at {url}",
        zh: "由 {url} 上运行的 modelwatch 发送",
    },
    Message {
        code: "notify.sender_self",
        en: "this command, because no modelwatch runs",
        zh: "没有正在运行的 modelwatch，由本命令直接发送",
    },
    Message { code: "notify.severity_critical", en: "Critical", zh: "严重" },
    Message { code: "notify.severity_info", en: "Info", zh: "提示" },
    Message { code: "notify.severity_warning", en: "Warning", zh: "警告" },
    Message { code: "notify.since", en: "Since", zh: "开始时间" },
    Message {
        code: "notify.taken",
        en: "The channel {name} took the test in {seconds} s, sent by {sender}",
        zh: "渠道 {name} 已接收测试消息，用时 {seconds} 秒（{sender}）",
    },
    Message {
        code: "notify.template_failed",
        en: "The template of this channel cannot be used, so that this is the built-in text: {reason}",
        zh: "该渠道的自定义模板无法使用，已改用内置文本：{reason}",
    },
    Message {
        code: "notify.test_remedy",
        en: "Nothing: somebody pressed the test button, or ran modelwatch notify test.",
        zh: "无需处理：有人点击了测试按钮，或运行了 modelwatch notify test。",
    },
    Message {
        code: "notify.test_summary",
        en: "This is a test of the channel {name}",
        zh: "这是渠道 {name} 的测试消息",
    },
    Message {
        code: "notify.title_many",
        en: "[{state}] {name} ({count} alerts)",
        zh: "【{state}】{name}（{count} 条告警）",
    },
    Message { code: "notify.title_one", en: "[{state}] {name}", zh: "【{state}】{name}" },
    Message {
        code: "notify.unknown_channel",
        en: "the configuration has no channel {name}; it has {names}",
        zh: "配置中没有渠道 {name}，现有渠道：{names}",
    },
    Message { code: "notify.until", en: "Ended", zh: "结束时间" },
    Message { code: "notify.value", en: "Value", zh: "当前值" },
    Message {
        code: "pipeline.counts",
        en: "  {pipeline}, step {step}, {kind}: done {done}, nothing to do {missed}, left out {skipped}, dropped {dropped}",
        zh: "  {pipeline} 第 {step} 步 {kind}：执行 {done}，无需处理 {missed}，跳过 {skipped}，丢弃 {dropped}",
    },
    Message { code: "pipeline.dropped", en: "  dropped", zh: "  已丢弃" },
    Message { code: "pipeline.effect_done", en: "done", zh: "已执行" },
    Message { code: "pipeline.effect_dropped", en: "dropped the line", zh: "丢弃该行" },
    Message { code: "pipeline.effect_missed", en: "nothing to do", zh: "无需处理" },
    Message {
        code: "pipeline.effect_skipped",
        en: "left out, its condition does not hold",
        zh: "已跳过，条件不满足",
    },
    Message { code: "pipeline.kept", en: "  kept: {line}", zh: "  保留：{line}" },
    Message { code: "pipeline.line", en: "line {number}: {line}", zh: "第 {number} 行：{line}" },
    Message {
        code: "pipeline.metric",
        en: "  metric {metric} ({kind}): {value}",
        zh: "  指标 {metric}（{kind}）：{value}",
    },
    Message {
        code: "pipeline.none",
        en: "the configuration has no [[log_pipeline]]; name a file that has one with --config",
        zh: "配置中没有 [[log_pipeline]]，请用 --config 指定包含流水线的配置文件",
    },
    Message {
        code: "pipeline.not_for",
        en: "  no pipeline is for this line",
        zh: "  没有流水线处理此行",
    },
    Message {
        code: "pipeline.step",
        en: "  {pipeline}, step {step}, {kind}: {effect}",
        zh: "  {pipeline} 第 {step} 步 {kind}：{effect}",
    },
    Message {
        code: "pipeline.summary",
        en: "lines {lines}, kept {kept}, dropped {dropped}",
        zh: "共 {lines} 行，保留 {kept} 行，丢弃 {dropped} 行",
    },
    Message {
        code: "pipeline.unknown",
        en: "the configuration has no log pipeline named {name}",
        zh: "配置中没有名为 {name} 的日志流水线",
    },
    Message { code: "query.avg", en: "avg", zh: "平均" },
    Message {
        code: "query.empty",
        en: "nothing matches, or there are no samples at that time",
        zh: "没有匹配的序列，或该时间没有样本",
    },
    Message {
        code: "query.end_first",
        en: "the range ends ({end}) before it begins ({start})",
        zh: "查询范围的结束时间（{end}）早于开始时间（{start}）",
    },
    Message {
        code: "query.expected_duration",
        en: "expected a duration of more than 0, such as 30s, 5m or 1h30m, or seconds",
        zh: "应为大于 0 的时长，例如 30s、5m 或 1h30m，或秒数",
    },
    Message {
        code: "query.expected_time",
        en: "expected a time such as 2026-11-24T10:00:00Z, seconds since 1970, now, or -1h for an hour ago",
        zh: "应为形如 2026-11-24T10:00:00Z 的时间、Unix 秒数、now，或 -1h（一小时前）",
    },
    Message { code: "query.last", en: "last", zh: "最新" },
    Message { code: "query.max", en: "max", zh: "最大" },
    Message { code: "query.min", en: "min", zh: "最小" },
    Message {
        code: "query.no_answer",
        en: "{reason}. Start modelwatch there, name another server with --url, or read a data directory with --data",
        zh: "{reason}。请启动该处的 modelwatch，用 --url 指定其他服务器，或用 --data 读取数据目录",
    },
    Message {
        code: "query.no_start",
        en: "a range needs --last or --start",
        zh: "查询范围需要指定 --last 或 --start",
    },
    Message {
        code: "query.no_store",
        en: "there is no store in {path}. Name the data directory of a modelwatch with --data, or ask a running one with --url",
        zh: "{path} 中没有数据存储。请用 --data 指定 modelwatch 的数据目录，或用 --url 查询运行中的 modelwatch",
    },
    Message {
        code: "query.not_prometheus",
        en: "{url} answers, but not as Prometheus' API does: {status} {text}",
        zh: "{url} 有响应，但不是 Prometheus API 的响应：{status} {text}",
    },
    Message {
        code: "query.range",
        en: "{start} to {end}, a point every {step}",
        zh: "{start} 至 {end}，每 {step} 一个点",
    },
    Message {
        code: "query.stats",
        en: "series: {series}, samples: {samples}, {ms} ms",
        zh: "序列 {series} 条，样本 {samples} 个，耗时 {ms} 毫秒",
    },
    Message {
        code: "query.too_large",
        en: "the answer is larger than {limit} MiB. Ask for fewer series, a shorter range or a longer step",
        zh: "结果超过 {limit} MiB。请减少序列、缩短查询范围或增大步长",
    },
    Message {
        code: "query.too_many_points",
        en: "--step {step} makes more than {limit} points of each series; take {least} or more",
        zh: "--step {step} 会使每条序列超过 {limit} 个点；请使用 {least} 或更大的步长",
    },
    Message {
        code: "query.wrong_option",
        en: "{option} {value}: {reason}",
        zh: "{option} {value}：{reason}",
    },
    Message {
        code: "range.bad_query",
        en: "This query cannot be drawn: {text}",
        zh: "该查询无法绘制：{text}",
    },
    Message { code: "range.failed", en: "The query failed: {text}", zh: "查询失败：{text}" },
    Message {
        code: "range.histograms",
        en: "Native histograms are left out; draw a quantile of them instead",
        zh: "原生直方图未绘制，请改为绘制其分位数",
    },
    Message { code: "range.note", en: "{text}", zh: "{text}" },
    Message {
        code: "range.sampled",
        en: "Looked at every {seconds} s only: what lasted shorter may not show. Choose a shorter range to see it",
        zh: "仅每 {seconds} 秒取值一次，更短的变化可能不显示；缩短时间范围即可看到",
    },
    Message {
        code: "range.timed_out",
        en: "The query took too long. Choose a shorter range or fewer series",
        zh: "查询超时，请缩短时间范围或减少序列",
    },
    Message {
        code: "range.too_many",
        en: "The query would read too many samples. Choose a shorter range or fewer series",
        zh: "查询需读取的样本过多，请缩短时间范围或减少序列",
    },
    Message {
        code: "range.widened",
        en: "Means are over {seconds} s, as long as the distance of two points",
        zh: "均值窗口已放宽到 {seconds} 秒（与两点间距相同）",
    },
    Message {
        code: "refused.around",
        en: "A moment reaches from {min} to {max} ms to both sides",
        zh: "前后范围须为 {min} 至 {max} 毫秒",
    },
    Message {
        code: "refused.backwards",
        en: "The time ends before it begins",
        zh: "结束时间早于开始时间",
    },
    Message { code: "refused.incident", en: "there is no such incident", zh: "事件不存在" },
    Message { code: "refused.incident_over", en: "it is over already", zh: "该事件已结束" },
    Message {
        code: "refused.matchers",
        en: "the matchers cannot be used: {reason}",
        zh: "匹配条件无法使用：{reason}",
    },
    Message {
        code: "refused.matches_all",
        en: "at least one matcher must want something: as it stands everything would match",
        zh: "至少要有一个非空的匹配条件，否则会匹配所有告警",
    },
    Message { code: "refused.name_missing", en: "a name is missing", zh: "缺少名称" },
    Message {
        code: "refused.objective",
        en: "an objective needs a model and one of ttft_seconds, tpot_seconds and success_ratio; times are above 0, parts between 0 and 1",
        zh: "目标需要模型名，以及 ttft_seconds、tpot_seconds、success_ratio 之一；时间须大于 0，比例须在 0 与 1 之间",
    },
    Message {
        code: "refused.objectives",
        en: "there are too many objectives; remove some",
        zh: "目标过多，请先移除一些",
    },
    Message {
        code: "refused.pixels",
        en: "A chart has from 1 to {max} pixels",
        zh: "图表宽度须为 1 至 {max} 像素",
    },
    Message {
        code: "refused.queries",
        en: "One request asks from 1 to {max} queries",
        zh: "一次请求可包含 1 至 {max} 个查询",
    },
    Message {
        code: "refused.report_span",
        en: "a report is about 10 minutes to 400 days, and none of it is still to come",
        zh: "报告的时间范围须为 10 分钟至 400 天，且不能晚于当前时间",
    },
    Message { code: "refused.rule", en: "line {line}: {reason}", zh: "第 {line} 行：{reason}" },
    Message {
        code: "refused.rules",
        en: "there are too many rules on the page; delete some",
        zh: "页面上的规则过多，请先删除一些",
    },
    Message {
        code: "refused.schedule", en: "{key} cannot be {value}", zh: "{key} 不能为 {value}"
    },
    Message {
        code: "refused.schedule_folder",
        en: "a schedule of the page may not write into {folder}; folders that it may are named in the configuration with reports.folders",
        zh: "页面上的计划不能写入 {folder}；允许的目录需在配置中用 reports.folders 指定",
    },
    Message {
        code: "refused.search_name",
        en: "a search has a name of 1 to {limit} characters, and none that steers a terminal",
        zh: "搜索名称应为 1 至 {limit} 个字符，且不含控制字符",
    },
    Message {
        code: "refused.searches",
        en: "there are {limit} saved searches already; delete one first",
        zh: "已保存 {limit} 条搜索，请先删除一条",
    },
    Message {
        code: "refused.severity",
        en: "{severity} is no severity; known are {known}",
        zh: "{severity} 不是有效的级别；可用级别为 {known}",
    },
    Message { code: "refused.silence", en: "there is no such silence", zh: "静默不存在" },
    Message {
        code: "refused.text_long",
        en: "{key} has {limit} bytes at most",
        zh: "{key} 最多 {limit} 字节",
    },
    Message { code: "refused.text_missing", en: "a text is missing", zh: "缺少内容" },
    Message {
        code: "refused.thresholds",
        en: "this rule has {count} thresholds, each a number",
        zh: "该规则有 {count} 个阈值，且每个都必须是数值",
    },
    Message {
        code: "refused.time",
        en: "{name} must be a time in Unix milliseconds",
        zh: "{name} 须为 Unix 毫秒时间",
    },
    Message {
        code: "refused.too_long",
        en: "A range has at most {years} years; choose a shorter one",
        zh: "时间范围最长 {years} 年，请缩短",
    },
    Message {
        code: "refused.too_many_kept",
        en: "there are {limit} {key} already; remove some",
        zh: "{key} 已达 {limit} 条上限，请先删除一些",
    },
    Message {
        code: "refused.unkept",
        en: "it was done, but cannot be kept on the disk: {reason}",
        zh: "操作已生效，但无法保存到磁盘：{reason}",
    },
    Message {
        code: "refused.window",
        en: "there is no such maintenance window made on the page",
        zh: "页面创建的维护窗口中没有这一个",
    },
    Message {
        code: "refused.window_long",
        en: "it lasts longer than what it repeats in",
        zh: "时长超过其重复周期",
    },
    Message {
        code: "refused.window_order",
        en: "the end must be after the beginning",
        zh: "结束时间须晚于开始时间",
    },
    Message { code: "refused.window_past", en: "the end is in the past", zh: "结束时间已过" },
    Message {
        code: "refused.zone",
        en: "this machine knows no zone {name}",
        zh: "本机不识别时区 {name}",
    },
    Message { code: "report.accelerator", en: "Accelerator", zh: "加速卡" },
    Message { code: "report.accelerators", en: "Accelerators", zh: "加速卡" },
    Message { code: "report.advice", en: "What to do", zh: "建议" },
    Message {
        code: "report.advise_cache",
        en: "{model}: the KV cache was full and requests were preempted. Give the cache more room (more memory for the engine, a shorter maximum context, an FP8 cache) or add a replica.",
        zh: "{model}：KV 缓存曾被占满并发生抢占。请扩大缓存（为引擎分配更多显存、缩短最大上下文、使用 FP8 缓存）或增加副本。",
    },
    Message {
        code: "report.advise_cooling",
        en: "{device} was slowed down by heat. Check its cooling, its place in the rack and the temperature of the room.",
        zh: "{device} 因过热降频。请检查散热、机架位置和机房温度。",
    },
    Message {
        code: "report.advise_cut_short",
        en: "{model}: many answers end at their limit of tokens. Raise max_tokens where answers matter whole, or ask for shorter ones.",
        zh: "{model}：大量回答因达到 Token 上限而被截断。请在需要完整回答的场景提高 max_tokens，或要求更短的回答。",
    },
    Message {
        code: "report.advise_device_errors",
        en: "{device} reported errors. Read the codes on the page of accelerators; plan a reset or a replacement if they go on.",
        zh: "{device} 报告了错误。请在加速卡页面查看错误码；若持续出现，请安排复位或更换。",
    },
    Message {
        code: "report.advise_disk",
        en: "{disk} will be full in {left} if it goes on like this. Delete models that are not used, or make it larger.",
        zh: "{disk} 按目前的增长速度将在 {left}后写满。请删除不再使用的模型或扩容。",
    },
    Message {
        code: "report.advise_errors",
        en: "{model}: too many requests fail. Begin with the most frequent outcome and pattern in the section on errors.",
        zh: "{model}：失败请求过多。请从“错误”一节中最常见的结果和日志模式入手排查。",
    },
    Message {
        code: "report.advise_idle",
        en: "{count} of {all} accelerators were hardly used. Put models together on fewer of them, or give the others other work.",
        zh: "{all} 张加速卡中有 {count} 张几乎空闲。可将模型合并到更少的卡上，或为空闲的卡安排其他任务。",
    },
    Message {
        code: "report.advise_objective",
        en: "No model has an objective. Set one on the page of alerts, so that reports and alarms can measure against it.",
        zh: "尚未为任何模型设定目标。请在告警页面设定，报告和告警才能据此衡量。",
    },
    Message {
        code: "report.advise_outage",
        en: "{model} could not be asked for a while although it has several engines. See in the section on changes what they did at the same time, and restart them one after another.",
        zh: "{model} 虽有多个引擎，仍有一段时间不可用。请在“变更”一节查看同一时间的操作，并逐个重启引擎。",
    },
    Message {
        code: "report.advise_prefix",
        en: "{model}: prompts hardly share beginnings in the cache. Put what is the same for all requests, such as system prompts, first.",
        zh: "{model}：提示词几乎没有命中前缀缓存。请把各请求相同的内容（如系统提示词）放在最前面。",
    },
    Message {
        code: "report.advise_queue",
        en: "{model}: requests often wait for a place. Add a replica, or move work that can wait to quieter hours.",
        zh: "{model}：请求经常排队。请增加副本，或将可延后的任务移到空闲时段。",
    },
    Message {
        code: "report.advise_replica",
        en: "{model} has one engine and was away with it. A second replica would have answered meanwhile.",
        zh: "{model} 只有一个引擎，引擎停止期间服务中断。增加第二个副本可避免中断。",
    },
    Message {
        code: "report.advise_tpot",
        en: "{model}: tokens come more slowly than the objective allows. Allow fewer requests at the same time, or look for accelerators with low clocks.",
        zh: "{model}：Token 生成慢于目标。请降低并发上限，或检查是否有加速卡降频。",
    },
    Message {
        code: "report.advise_ttft",
        en: "{model}: first tokens come later than the objective allows. Look at waiting requests and long prompts; chunked prefill or a further replica helps.",
        zh: "{model}：首 Token 延迟超过目标。请检查排队请求和长提示词；可启用分块预填充或增加副本。",
    },
    Message {
        code: "report.all_hardware",
        en: "Hardware is that of the whole deployment: it cannot be divided by model.",
        zh: "硬件数据针对整个部署，无法按模型划分。",
    },
    Message { code: "report.availability", en: "Availability", zh: "可用性" },
    Message {
        code: "report.availability_about",
        en: "Availability weighs each time with the tokens that are usually served at that hour: an outage when nobody asks counts little.",
        zh: "可用性按每个时段通常服务的 Token 数加权：无人使用时的中断影响很小。",
    },
    Message {
        code: "report.availability_lanes",
        en: "Whether any engine of a model answered",
        zh: "模型是否有引擎可用",
    },
    Message { code: "report.begin", en: "Begin", zh: "开始" },
    Message {
        code: "report.busiest",
        en: "The busiest hour is {day} at {hour}, with {tokens} tokens an hour, prompts included.",
        zh: "最繁忙的时段是{day} {hour}，每小时 {tokens} 个 Token（含提示词）。",
    },
    Message {
        code: "report.busiest_grid",
        en: "Tokens an hour, by weekday and hour of the day",
        zh: "每小时 Token 数（按星期与时段）",
    },
    Message { code: "report.by_key", en: "By key", zh: "按密钥" },
    Message { code: "report.by_model", en: "By model", zh: "按模型" },
    Message {
        code: "report.cache_course",
        en: "Share of the KV cache in use (highest of each time)",
        zh: "KV 缓存占用率（各时段峰值）",
    },
    Message { code: "report.cache_max", en: "KV cache, highest", zh: "KV 缓存峰值" },
    Message { code: "report.cache_mean", en: "KV cache, mean", zh: "KV 缓存均值" },
    Message { code: "report.cached", en: "From cache", zh: "缓存命中" },
    Message {
        code: "report.capacity_about",
        en: "What is left when it is busiest. A KV cache that comes near 100% makes requests wait and then preempts them.",
        zh: "最繁忙时剩余的容量。KV 缓存接近 100% 时请求会排队，随后发生抢占。",
    },
    Message { code: "report.cause", en: "Likely cause", zh: "可能原因" },
    Message { code: "report.change", en: "Change", zh: "变化" },
    Message { code: "report.cpu_mean", en: "CPU, mean", zh: "CPU 均值" },
    Message { code: "report.critical", en: "critical", zh: "严重" },
    Message { code: "report.cut_short", en: "Cut short", zh: "被截断" },
    Message { code: "report.device_errors", en: "Errors", zh: "错误数" },
    Message { code: "report.disks", en: "File systems", zh: "文件系统" },
    Message { code: "report.down", en: "Down", zh: "中断时长" },
    Message { code: "report.duration", en: "Duration", zh: "持续时长" },
    Message { code: "report.energy", en: "Energy", zh: "能耗" },
    Message {
        code: "report.energy_cost",
        en: "They cost {cost} at {price} {currency} for a kilowatt-hour.",
        zh: "按每千瓦时 {price} {currency} 计，电费为 {cost}。",
    },
    Message {
        code: "report.energy_no_price",
        en: "Set the price of a kilowatt-hour for reports to see its cost.",
        zh: "为报告设置每千瓦时电价后可显示电费。",
    },
    Message {
        code: "report.energy_per_tokens",
        en: "That is {energy} for a million tokens of output.",
        zh: "折合每百万输出 Token {energy}。",
    },
    Message {
        code: "report.energy_used",
        en: "The accelerators drew {energy}; hosts and cooling are not included.",
        zh: "加速卡共耗电 {energy}（不含主机与制冷）。",
    },
    Message { code: "report.engines", en: "Engines", zh: "推理引擎" },
    Message { code: "report.errors", en: "Failed requests", zh: "失败请求" },
    Message {
        code: "report.evidence_hot",
        en: "{time} limited by heat; highest temperature {temperature}",
        zh: "因过热受限 {time}；最高温度 {temperature}",
    },
    Message {
        code: "report.evidence_idle",
        en: "mean utilization {utilization}; they draw {power} together",
        zh: "平均利用率 {utilization}；合计功耗 {power}",
    },
    Message {
        code: "report.evidence_waiting",
        en: "somebody waited in {part} of the time; {most} at most, at {time}",
        zh: "{part} 的时段有请求排队；最多 {most} 个（{time}）",
    },
    Message {
        code: "report.expected_duration",
        en: "a duration such as 24h or 7d is expected",
        zh: "应为时长，例如 24h 或 7d",
    },
    Message {
        code: "report.expected_zone",
        en: "this machine knows no such time zone",
        zh: "本机没有该时区",
    },
    Message { code: "report.figure", en: "Figure", zh: "指标" },
    Message { code: "report.file_system", en: "File system", zh: "文件系统" },
    Message { code: "report.first_seen", en: "First", zh: "首次" },
    Message { code: "report.free", en: "Free", zh: "可用" },
    Message { code: "report.full_in", en: "Full in", zh: "预计写满" },
    Message {
        code: "report.given_up",
        en: "{reason}. Handing it on was tried for a day and is given up.",
        zh: "{reason}。投递已重试一天，不再重试。",
    },
    Message { code: "report.host", en: "Host", zh: "主机" },
    Message { code: "report.hosts", en: "Hosts", zh: "主机" },
    Message { code: "report.incident_lanes", en: "When something was wrong", zh: "异常时段" },
    Message {
        code: "report.incidents_not_kept",
        en: "Incidents are not known for this report.",
        zh: "本报告没有事件数据。",
    },
    Message {
        code: "report.incidents_since",
        en: "Incidents that were over before {time} are no longer kept; there may have been more than are told of.",
        zh: "{time} 之前已结束的事件不再保留，实际发生的事件可能多于此处所列。",
    },
    Message { code: "report.info", en: "info", zh: "提示" },
    Message { code: "report.key", en: "Key", zh: "密钥" },
    Message { code: "report.kind", en: "Kind", zh: "型号" },
    Message { code: "report.last_seen", en: "Last", zh: "最近" },
    Message { code: "report.lasts", en: "{duration}, goes on", zh: "{duration}，仍在持续" },
    Message { code: "report.lines", en: "Lines", zh: "行数" },
    Message { code: "report.list_gap", en: ", ", zh: "、" },
    Message {
        code: "report.made",
        en: "Made by modelwatch {version} at {time}",
        zh: "由 modelwatch {version} 生成于 {time}",
    },
    Message {
        code: "report.mail",
        en: "The report from {start} to {end} is attached.",
        zh: "附件为 {start} 至 {end} 的报告。",
    },
    Message {
        code: "report.memory_available_min",
        en: "Memory free, lowest",
        zh: "可用内存最低值",
    },
    Message { code: "report.memory_max", en: "Memory, highest", zh: "显存峰值" },
    Message { code: "report.memory_total", en: "Memory", zh: "内存" },
    Message {
        code: "report.method_availability",
        en: "Availability: the part of the time in which at least one engine of a model answered, where each hour weighs as many tokens as the same hour of the day has on average over the period. Times that were not observed are left out.",
        zh: "可用性：模型至少有一个引擎可用的时间占比，每小时按本周期内同一时段的平均 Token 数加权。未观测到的时间不计入。",
    },
    Message {
        code: "report.method_change",
        en: "Changes are against the period of the same length before; below 3% they are shown without colour.",
        zh: "变化是与前一个等长周期相比；低于 3% 时不着色。",
    },
    Message {
        code: "report.method_failures",
        en: "Failed requests: those that the engine failed at, was silent about, or cut off. Requests that clients left or that the gateway refused are not among them.",
        zh: "失败请求：引擎出错、超时或回答中断的请求，不含客户端中断和网关拒绝的请求。",
    },
    Message {
        code: "report.method_slots",
        en: "Curves are drawn in steps of {slot}; percentiles are read from histograms and never averaged.",
        zh: "曲线步长为 {slot}；百分位数由直方图计算，从不取平均。",
    },
    Message {
        code: "report.method_times",
        en: "TTFT is the time to the first token, TPOT the mean time for each token after it, both as the engine measures them, or the gateway where engines do not.",
        zh: "TTFT 为首 Token 延迟，TPOT 为其后每个 Token 的平均时间，均由引擎测得；引擎不提供时取网关数据。",
    },
    Message {
        code: "report.missed_about",
        en: "The objective was kept less often than it should.",
        zh: "达标率低于目标。",
    },
    Message {
        code: "report.missing",
        en: "Not read: {what} ({reason})",
        zh: "未能读取：{what}（{reason}）",
    },
    Message { code: "report.model", en: "Model", zh: "模型" },
    Message { code: "report.models", en: "Models", zh: "模型" },
    Message {
        code: "report.no_advice",
        en: "Nothing stood out that should be changed.",
        zh: "没有发现需要改进的地方。",
    },
    Message {
        code: "report.no_capacity",
        en: "No engine tells of its cache, and no file system is known.",
        zh: "没有引擎缓存数据，也没有文件系统数据。",
    },
    Message {
        code: "report.no_changes",
        en: "No version, flag or process changed, as far as was seen.",
        zh: "未发现版本、参数或进程变更。",
    },
    Message {
        code: "report.no_comparison",
        en: "The period before was not observed, or too little of it, so that nothing is compared.",
        zh: "前一周期没有观测数据或观测不足，因此不作对比。",
    },
    Message {
        code: "report.no_file",
        en: "say what to write: --html FILE, --pdf FILE or --csv FILE",
        zh: "请指定输出：--html FILE、--pdf FILE 或 --csv FILE",
    },
    Message {
        code: "report.no_font",
        en: "no font for this language is on this machine: install fonts-noto-cjk (Debian, Ubuntu) or google-noto-sans-cjk-fonts (Fedora), or use a release, which carries one",
        zh: "本机没有可用于该语言的字体：请安装 fonts-noto-cjk（Debian、Ubuntu）或 google-noto-sans-cjk-fonts（Fedora），或使用自带字体的发行版",
    },
    Message {
        code: "report.no_hardware",
        en: "Nothing is known of accelerators and hosts at this time.",
        zh: "没有该时段的加速卡与主机数据。",
    },
    Message {
        code: "report.no_incidents", en: "There were no incidents.", zh: "没有发生事件。"
    },
    Message {
        code: "report.no_keys",
        en: "No requests came through the gateway, so that it is not known whose they were.",
        zh: "没有请求经过网关，因此无法区分来源。",
    },
    Message {
        code: "report.no_longer_kept",
        en: "The report was deleted before it could be handed on.",
        zh: "报告在投递之前已被删除。",
    },
    Message {
        code: "report.no_models",
        en: "No model was seen at this time.",
        zh: "该时段没有观测到模型。",
    },
    Message {
        code: "report.no_outcomes",
        en: "No requests came through the gateway, so that it is not known how they ended.",
        zh: "没有请求经过网关，因此不知道请求的结果。",
    },
    Message {
        code: "report.no_patterns",
        en: "No log line of that time tells of an error.",
        zh: "该时段没有错误日志。",
    },
    Message {
        code: "report.no_times",
        en: "No engine told how fast it answered at this time.",
        zh: "该时段没有引擎提供速度数据。",
    },
    Message {
        code: "report.no_usage",
        en: "No tokens were counted at this time.",
        zh: "该时段没有 Token 计数。",
    },
    Message { code: "report.not_filling", en: "does not fill up", zh: "未见增长" },
    Message { code: "report.objective", en: "objective {limit}", zh: "目标 {limit}" },
    Message {
        code: "report.observed",
        en: "modelwatch watched {part} of this time.",
        zh: "modelwatch 观测了其中 {part} 的时间。",
    },
    Message { code: "report.of_deployment", en: "Deployment {name}", zh: "部署：{name}" },
    Message { code: "report.of_model", en: "Only the model {model}", zh: "仅限模型 {model}" },
    Message { code: "report.omitted", en: "and {count} more", zh: "另有 {count} 项" },
    Message {
        code: "report.omitted_earlier",
        en: "and {count} earlier",
        zh: "另有 {count} 项更早的变更",
    },
    Message {
        code: "report.one_day",
        en: "One day: the other days of the week are empty.",
        zh: "仅含一天：其余星期为空。",
    },
    Message { code: "report.outcome", en: "Outcome", zh: "结果" },
    Message { code: "report.outcome_client_abort", en: "Client left", zh: "客户端中断" },
    Message { code: "report.outcome_ok", en: "Ended well", zh: "成功" },
    Message { code: "report.outcome_other", en: "Other", zh: "其他" },
    Message { code: "report.outcome_refused", en: "Refused by the gateway", zh: "网关拒绝" },
    Message {
        code: "report.outcome_timeout",
        en: "Engine was silent for too long",
        zh: "引擎超时",
    },
    Message { code: "report.outcome_truncated", en: "Answer was cut off", zh: "回答中断" },
    Message { code: "report.outcome_upstream_error", en: "Engine failed", zh: "引擎错误" },
    Message { code: "report.outcomes", en: "How requests ended", zh: "请求结果" },
    Message { code: "report.output_each", en: "Tokens each", zh: "每请求输出" },
    Message { code: "report.p95", en: "p95", zh: "p95" },
    Message { code: "report.p99", en: "p99", zh: "p99" },
    Message { code: "report.pattern", en: "Pattern", zh: "模式" },
    Message { code: "report.patterns", en: "Errors in logs", zh: "日志中的错误" },
    Message {
        code: "report.period",
        en: "{start} to {end}, {zone}",
        zh: "{start} 至 {end}，{zone}",
    },
    Message { code: "report.period_before", en: "Before", zh: "前一周期" },
    Message { code: "report.power_mean", en: "Power, mean", zh: "平均功耗" },
    Message { code: "report.preemptions", en: "Preemptions", zh: "抢占次数" },
    Message {
        code: "report.replaced",
        en: "{count} characters are in none of the fonts and are shown as �.",
        zh: "有 {count} 个字符在字体中不存在，显示为 �。",
    },
    Message { code: "report.requests", en: "Requests", zh: "请求数" },
    Message { code: "report.room", en: "Room left", zh: "剩余" },
    Message { code: "report.section_availability", en: "Availability", zh: "可用性" },
    Message { code: "report.section_busiest", en: "Busiest hours", zh: "繁忙时段" },
    Message { code: "report.section_capacity", en: "Capacity left", zh: "剩余容量" },
    Message { code: "report.section_changes", en: "Changes", zh: "变更" },
    Message {
        code: "report.section_comparison",
        en: "Compared with the period before",
        zh: "与前一周期对比",
    },
    Message { code: "report.section_errors", en: "Errors", zh: "错误" },
    Message { code: "report.section_hardware", en: "Hardware and energy", zh: "硬件与能耗" },
    Message { code: "report.section_incidents", en: "Incidents", zh: "事件" },
    Message { code: "report.section_method", en: "How this was reckoned", zh: "计算方法" },
    Message { code: "report.section_overview", en: "Overview", zh: "总览" },
    Message { code: "report.section_speed", en: "Speed", zh: "速度" },
    Message { code: "report.section_usage", en: "Usage", zh: "用量" },
    Message { code: "report.sentence_gap", en: " ", zh: "" },
    Message { code: "report.severity", en: "Severity", zh: "级别" },
    Message { code: "report.share", en: "Share", zh: "占比" },
    Message { code: "report.size", en: "Size", zh: "容量" },
    Message {
        code: "report.slowest",
        en: "Slowest around {time}: p95 of TTFT {value}.",
        zh: "最慢时段在 {time} 前后：首 Token 延迟 p95 为 {value}。",
    },
    Message { code: "report.state_down", en: "down", zh: "中断" },
    Message { code: "report.state_partly", en: "partly", zh: "部分可用" },
    Message { code: "report.state_up", en: "up", zh: "正常" },
    Message { code: "report.success", en: "Ended well", zh: "成功率" },
    Message { code: "report.temperature_max", en: "Temperature, highest", zh: "最高温度" },
    Message { code: "report.this_period", en: "This period", zh: "本周期" },
    Message { code: "report.throttled", en: "Held back by", zh: "降频原因" },
    Message { code: "report.time", en: "Time", zh: "时间" },
    Message { code: "report.title", en: "Model service report", zh: "模型服务报告" },
    Message {
        code: "report.title_daily", en: "Daily model service report", zh: "模型服务日报"
    },
    Message {
        code: "report.title_monthly",
        en: "Monthly model service report",
        zh: "模型服务月报",
    },
    Message {
        code: "report.title_weekly", en: "Weekly model service report", zh: "模型服务周报"
    },
    Message {
        code: "report.tokens_by_model",
        en: "Output tokens by model",
        zh: "各模型输出 Token",
    },
    Message { code: "report.tokens_input", en: "Input tokens", zh: "输入 Token" },
    Message { code: "report.tokens_output", en: "Output tokens", zh: "输出 Token" },
    Message { code: "report.tpot_p50", en: "TPOT p50", zh: "TPOT p50" },
    Message { code: "report.tpot_p95", en: "TPOT p95", zh: "TPOT p95" },
    Message { code: "report.tpot_spread", en: "How TPOT was spread", zh: "TPOT 分布" },
    Message { code: "report.tpot_within", en: "TPOT within objective", zh: "TPOT 达标率" },
    Message { code: "report.ttft_course", en: "TTFT over time", zh: "首 Token 延迟变化" },
    Message {
        code: "report.ttft_of_models",
        en: "TTFT p95 is that of {count} of {all} models: the buckets of the others differ and cannot be added up.",
        zh: "TTFT p95 仅含 {all} 个模型中的 {count} 个：其余模型的分桶不同，无法合并。",
    },
    Message { code: "report.ttft_p50", en: "TTFT p50", zh: "TTFT p50" },
    Message { code: "report.ttft_p95", en: "TTFT p95", zh: "TTFT p95" },
    Message { code: "report.ttft_spread", en: "How TTFT was spread", zh: "首 Token 延迟分布" },
    Message { code: "report.ttft_within", en: "TTFT within objective", zh: "TTFT 达标率" },
    Message { code: "report.unit_days", en: "{number} d", zh: "{number} 天" },
    Message { code: "report.unit_hours", en: "{number} h", zh: "{number} 小时" },
    Message { code: "report.unit_minutes", en: "{number} min", zh: "{number} 分钟" },
    Message { code: "report.unit_seconds", en: "{number} s", zh: "{number} 秒" },
    Message { code: "report.utilization", en: "Utilization", zh: "利用率" },
    Message {
        code: "report.verdict",
        en: "{models} models answered {requests} requests with {tokens} tokens; availability was {availability}.",
        zh: "共 {models} 个模型，处理 {requests} 个请求，输出 {tokens} 个 Token；可用性为 {availability}。",
    },
    Message {
        code: "report.verdict_incidents",
        en: "There were {count} incidents, {critical} of them critical.",
        zh: "共发生 {count} 起事件，其中严重 {critical} 起。",
    },
    Message {
        code: "report.verdict_kept",
        en: "All objectives were kept.",
        zh: "所有目标均已达成。",
    },
    Message {
        code: "report.verdict_kept_measured",
        en: "All objectives that could be measured were kept.",
        zh: "所有可衡量的目标均已达成。",
    },
    Message {
        code: "report.verdict_missed",
        en: "Objectives were missed by: {models}.",
        zh: "未达成目标的模型：{models}。",
    },
    Message {
        code: "report.verdict_no_objective",
        en: "No objectives are set.",
        zh: "尚未设定目标。",
    },
    Message {
        code: "report.verdict_not_measured",
        en: "Whether objectives were kept is not known: nothing was measured of what they are about.",
        zh: "缺少相应数据，无法判断目标是否达成。",
    },
    Message {
        code: "report.verdict_nothing",
        en: "No model was seen at this time.",
        zh: "该时段没有观测到模型。",
    },
    Message {
        code: "report.version_changed",
        en: "{engine} on {instance}: version {old} was followed by {new}",
        zh: "{engine}（{instance}）：版本由 {old} 变为 {new}",
    },
    Message { code: "report.waiting_max", en: "Waiting, most", zh: "最多排队" },
    Message { code: "report.warning", en: "warning", zh: "警告" },
    Message { code: "report.what", en: "What", zh: "内容" },
    Message { code: "report.within", en: "Within", zh: "达标率" },
    Message {
        code: "report.within_objective",
        en: "{part} within the objective",
        zh: "{part} 达标",
    },
    Message { code: "report.without_key", en: "(no key)", zh: "（无密钥）" },
    Message { code: "report.written", en: "{path} is written", zh: "已写入 {path}" },
    Message {
        code: "rules.bad",
        en: "{path}: cannot be used; problems: {count}",
        zh: "{path}：不可用，问题 {count} 个",
    },
    Message {
        code: "rules.doubt",
        en: "  {place}  attention: {reason}",
        zh: "  {place}  注意：{reason}",
    },
    Message {
        code: "rules.good",
        en: "{path}: can be used; rules: {rules}, groups: {groups}",
        zh: "{path}：可用，规则 {rules} 条，分组 {groups} 个",
    },
    Message {
        code: "rules.no_file",
        en: "no file matches {pattern}",
        zh: "没有文件匹配 {pattern}",
    },
    Message { code: "rules.problem", en: "  {place}  {reason}", zh: "  {place}  {reason}" },
    Message {
        code: "rules.test",
        en: "  test {name} (line {line})",
        zh: "  测试 {name}（第 {line} 行）",
    },
    Message {
        code: "rules.test_alerts",
        en: "    line {line}: other alerts {name} fire at {time}",
        zh: "    第 {line} 行：{time} 时触发的告警 {name} 与预期不符",
    },
    Message {
        code: "rules.test_expected", en: "      expected  {what}", zh: "      预期  {what}"
    },
    Message { code: "rules.test_found", en: "      found     {what}", zh: "      实际  {what}" },
    Message {
        code: "rules.test_limit",
        en: "    the test is too large: {reason}",
        zh: "    测试规模过大：{reason}",
    },
    Message { code: "rules.test_more", en: "                {what}", zh: "            {what}" },
    Message { code: "rules.test_none", en: "none", zh: "无" },
    Message {
        code: "rules.test_query",
        en: "    line {line}: {query} at {time} failed: {reason}",
        zh: "    第 {line} 行：{time} 时 {query} 查询失败：{reason}",
    },
    Message {
        code: "rules.test_rule",
        en: "    rule {name} failed at {time}: {reason}",
        zh: "    规则 {name} 在 {time} 时执行失败：{reason}",
    },
    Message {
        code: "rules.test_samples",
        en: "    line {line}: {query} at {time} gives something else",
        zh: "    第 {line} 行：{time} 时 {query} 的结果与预期不符",
    },
    Message {
        code: "rules.test_unnamed",
        en: "  test (line {line})",
        zh: "  测试（第 {line} 行）",
    },
    Message {
        code: "rules.tests_failed",
        en: "{path}: {failed} of {count} tests failed",
        zh: "{path}：{count} 个测试中有 {failed} 个失败",
    },
    Message {
        code: "rules.tests_passed",
        en: "{path}: all {count} tests passed",
        zh: "{path}：{count} 个测试全部通过",
    },
    Message {
        code: "rules.unreadable",
        en: "{path}: cannot be read: {reason}",
        zh: "{path}：无法读取：{reason}",
    },
    Message {
        code: "search.invalid_cursor",
        en: "the place where the page should begin is not one of a page before; load the list again",
        zh: "翻页位置无效，请重新加载列表",
    },
    Message {
        code: "search.invalid_percentile",
        en: "a percentile must be between 0 and 1",
        zh: "百分位须介于 0 与 1 之间",
    },
    Message {
        code: "search.invalid_step",
        en: "a step of time must be a millisecond at least",
        zh: "时间步长至少为 1 毫秒",
    },
    Message {
        code: "search.not_a_number",
        en: "{field} is not a number",
        zh: "{field} 不是数值字段",
    },
    Message {
        code: "search.not_groupable",
        en: "records cannot be grouped by {field}",
        zh: "不能按 {field} 分组",
    },
    Message {
        code: "search.timeout",
        en: "the question took longer than it may; narrow the filter or the time",
        zh: "查询超时，请缩小筛选条件或时间范围",
    },
    Message {
        code: "search.too_many_groups",
        en: "the answer has too many groups; narrow the filter or the time",
        zh: "结果分组过多，请缩小筛选条件或时间范围",
    },
    Message {
        code: "search.too_many_keys",
        en: "records can be grouped by two fields, and by time besides",
        zh: "最多按两个字段以及时间分组",
    },
    Message {
        code: "search.too_many_steps",
        en: "the answer has too many steps of time; make them longer",
        zh: "时间步数过多，请增大步长",
    },
    Message {
        code: "search.unknown_field",
        en: "there is no field {field}",
        zh: "没有字段 {field}",
    },
    Message {
        code: "search.unknown_kind",
        en: "there are no records of the kind {field}",
        zh: "没有 {field} 类型的记录",
    },
    Message {
        code: "start.accelerator",
        en: "  accelerator   {vendor} {device} at {address}, driver {driver}",
        zh: "  加速卡        {vendor} {device}（{address}），驱动 {driver}",
    },
    Message {
        code: "start.cannot_listen",
        en: "failed to listen on {listen}: {reason}. Check [server] listen",
        zh: "无法监听 {listen}：{reason}。请检查 [server] listen",
    },
    Message { code: "start.data", en: "  data          {path}", zh: "  数据目录      {path}" },
    Message {
        code: "start.engine",
        en: "  engine        {name} {version} at {url}, model {models}",
        zh: "  推理引擎      {name} {version}（{url}），模型 {models}",
    },
    Message {
        code: "start.engine_down",
        en: "  engine        {url} cannot be read yet",
        zh: "  推理引擎      {url} 暂时无法读取",
    },
    Message {
        code: "start.engine_starting",
        en: "  engine        {name} at {url} is loading its model",
        zh: "  推理引擎      {name}（{url}）正在加载模型",
    },
    Message {
        code: "start.gateway",
        en: "  gateway       {url} in front of {upstreams}",
        zh: "  网关          {url} → {upstreams}",
    },
    Message {
        code: "start.gateway_anonymous",
        en: "                lets callers in without a key ([gateway] anonymous)",
        zh: "                放行未携带密钥的请求（[gateway] anonymous）",
    },
    Message {
        code: "start.gateway_bodies",
        en: "                keeps prompts and answers ([gateway] keep_bodies)",
        zh: "                保存提示词与回答（[gateway] keep_bodies）",
    },
    Message {
        code: "start.gateway_failed",
        en: "the gateway does not start: {reason}",
        zh: "网关无法启动：{reason}",
    },
    Message {
        code: "start.gateway_management",
        en: "                passes management paths of engines on ([gateway] allow_management)",
        zh: "                放行引擎的管理路径（[gateway] allow_management）",
    },
    Message {
        code: "start.gateway_port_taken",
        en: "{listen} is taken by another program (which one cannot be seen without more rights). Stop it, or choose another port with [gateway] listen",
        zh: "{listen} 已被其他程序占用（权限不足，无法得知是哪个程序）。请停止该程序，或用 [gateway] listen 换一个端口",
    },
    Message {
        code: "start.gateway_port_taken_by",
        en: "{listen} is taken by {holder}. Stop it, or choose another port with [gateway] listen",
        zh: "{listen} 已被 {holder} 占用。请停止该程序，或用 [gateway] listen 换一个端口",
    },
    Message {
        code: "start.host",
        en: "  host          {name} · {os} · Linux {kernel} · {cpus} × {cpu} · {memory} GiB",
        zh: "  主机          {name} · {os} · Linux {kernel} · {cpus} × {cpu} · {memory} GiB",
    },
    Message { code: "start.metrics", en: "  metrics       {url}", zh: "  指标          {url}" },
    Message {
        code: "start.no_accelerator",
        en: "  accelerators  none found",
        zh: "  加速卡        未发现",
    },
    Message {
        code: "start.no_engine",
        en: "  engines       none found yet; looking every 5 s (vLLM, llama.cpp, Ollama and others). To name one: [[engine]] url = \"http://...\"",
        zh: "  推理引擎      暂未发现；每 5 秒查找一次（vLLM、llama.cpp、Ollama 等）。可用 [[engine]] url = \"http://...\" 指定",
    },
    Message {
        code: "start.no_engine_named",
        en: "  engines       none named, and none looked for, because [collect] discover = false. To name one: [[engine]] url = \"http://...\"",
        zh: "  推理引擎      未指定，且因 [collect] discover = false 不自动查找。可用 [[engine]] url = \"http://...\" 指定",
    },
    Message { code: "start.page", en: "  page          {url}", zh: "  页面          {url}" },
    Message {
        code: "start.port_taken",
        en: "{listen} is taken by another program (which one cannot be seen without more rights). Stop it, or choose another port with [server] listen",
        zh: "{listen} 已被其他程序占用（权限不足，无法得知是哪个程序）。请停止该程序，或用 [server] listen 换一个端口",
    },
    Message {
        code: "start.port_taken_by",
        en: "{listen} is taken by {holder}. Stop it, or choose another port with [server] listen",
        zh: "{listen} 已被 {holder} 占用。请停止该程序，或用 [server] listen 换一个端口",
    },
    Message {
        code: "start.receiver", en: "  receives logs {url}", zh: "  接收日志      {url}"
    },
    Message {
        code: "start.receiver_certificate",
        en: "the certificate of the receivers of logs cannot be used: {path}: {reason}. Check the files that [receive] names",
        zh: "无法使用日志接收端口的证书：{path}：{reason}。请检查 [receive] 中的证书文件",
    },
    Message {
        code: "start.receiver_failed",
        en: "failed to listen on {listen}: {reason}. Check [receive] {key}",
        zh: "无法监听 {listen}：{reason}。请检查 [receive] {key}",
    },
    Message {
        code: "start.receiver_port_taken",
        en: "{listen} is taken by {holder}. Stop it, or choose another port with [receive] {key}",
        zh: "{listen} 已被 {holder} 占用。请停止该程序，或用 [receive] {key} 换一个端口",
    },
    Message { code: "start.stopping", en: "  stopping", zh: "  正在停止" },
    Message {
        code: "start.store_failed",
        en: "the data directory {path} cannot be used: {reason}. Make it writable, or choose another with [storage] path",
        zh: "无法使用数据目录 {path}：{reason}。请检查写权限，或用 [storage] path 换一个目录",
    },
    Message {
        code: "start.store_in_use",
        en: "the data directory {path} is in use by another modelwatch (process {pid}). Stop it, or choose another directory with [storage] path",
        zh: "数据目录 {path} 正被另一个 modelwatch（进程 {pid}）使用。请停止它，或用 [storage] path 换一个目录",
    },
    Message {
        code: "start.store_repaired",
        en: "  data          {path}: {reason}",
        zh: "  数据目录      {path}：{reason}",
    },
    Message { code: "start.title", en: "modelwatch {version}", zh: "modelwatch {version}" },
    Message { code: "state.absent", en: "absent", zh: "不存在" },
    Message { code: "state.failing", en: "failing", zh: "失败" },
    Message { code: "state.ok", en: "ok", zh: "正常" },
    Message { code: "state.starting", en: "starting", zh: "启动中" },
    Message {
        code: "store.aside",
        en: "    kept as it was in {path}",
        zh: "    原文件保留为 {path}",
    },
    Message {
        code: "store.damaged_file",
        en: "  damaged: {path}: {reason}",
        zh: "  损坏：{path}：{reason}",
    },
    Message {
        code: "store.damaged_pieces",
        en: "  damaged: {path}: {count} pieces cannot be read",
        zh: "  损坏：{path}：{count} 处数据无法读取",
    },
    Message {
        code: "store.damaged_tail",
        en: "  damaged: {path}: the last {count} bytes were never completed, or make no sense",
        zh: "  损坏：{path}：末尾 {count} 字节未写完或无法识别",
    },
    Message {
        code: "store.found",
        en: "{path}: {blocks} blocks, {segments} segments of the log, {samples} samples; {records} events in {parts} parts, {logged} in the log",
        zh: "{path}：{blocks} 个数据块，{segments} 个日志段，{samples} 个样本；事件分区 {parts} 个，含 {records} 条事件，日志中 {logged} 条",
    },
    Message {
        code: "store.in_use",
        en: "the data directory {path} is in use by a running modelwatch (process {pid}). Stop it first",
        zh: "数据目录 {path} 正被运行中的 modelwatch（进程 {pid}）使用，请先将其停止",
    },
    Message {
        code: "store.none",
        en: "there is no store in {path}. Name the data directory of a modelwatch",
        zh: "{path} 中没有数据存储。请指定 modelwatch 的数据目录",
    },
    Message {
        code: "store.problems",
        en: "Damaged files: {count}. modelwatch store repair {path} saves what can be read and keeps these files as *.bad; modelwatch also starts without it",
        zh: "共 {count} 个文件损坏。modelwatch store repair {path} 可挽救能读取的数据，并将这些文件保留为 *.bad；不修复也可以启动 modelwatch",
    },
    Message {
        code: "store.repaired",
        en: "Repaired files: {count}. modelwatch can be started again; delete the files *.bad when nothing is missed",
        zh: "已修复 {count} 个文件。可以重新启动 modelwatch；确认数据无缺后可删除 *.bad 文件",
    },
    Message {
        code: "store.saved",
        en: "    {count} samples were saved",
        zh: "    已挽救 {count} 个样本",
    },
    Message { code: "store.sound", en: "Nothing is damaged", zh: "没有发现损坏" },
    Message { code: "top.address", en: "Address", zh: "地址" },
    Message { code: "top.age", en: "AGE", zh: "时长" },
    Message { code: "top.back", en: "Esc goes back", zh: "Esc 返回" },
    Message {
        code: "top.back_scroll", en: "↓ scrolls, Esc goes back", zh: "↓ 滚动，Esc 返回"
    },
    Message {
        code: "top.clock", en: "Core clock, now / max", zh: "核心频率（当前/最高）"
    },
    Message { code: "top.connecting", en: "connecting", zh: "连接中" },
    Message { code: "top.context", en: "Context in use", zh: "上下文占用" },
    Message { code: "top.cpu", en: "cpu", zh: "CPU" },
    Message { code: "top.cpus_used", en: "CPUs used", zh: "占用 CPU 核数" },
    Message { code: "top.decode", en: "decode", zh: "解码" },
    Message { code: "top.device_memory", en: "MEMORY", zh: "显存" },
    Message { code: "top.disk", en: "disk", zh: "磁盘" },
    Message { code: "top.driver", en: "Driver", zh: "驱动" },
    Message {
        code: "top.dumb_terminal",
        en: "this terminal (TERM=dumb) cannot show a screen that changes; use --once or --json",
        zh: "该终端（TERM=dumb）无法显示动态界面，请使用 --once 或 --json",
    },
    Message { code: "top.e2e_long", en: "Until the last token", zh: "端到端耗时" },
    Message { code: "top.e2e_p95", en: "E2E p95, 1 min", zh: "E2E p95（1 分钟）" },
    Message { code: "top.ecc_of", en: "ECC {type}", zh: "ECC {type}" },
    Message { code: "top.engine", en: "ENGINE", zh: "引擎" },
    Message { code: "top.engine_name", en: "Engine", zh: "引擎" },
    Message { code: "top.engines", en: "engines", zh: "推理引擎" },
    Message {
        code: "top.engines_note",
        en: "{count} · running {running} · waiting {waiting} · {tokens} tokens/s out",
        zh: "{count} 个 · 运行中 {running} · 等待中 {waiting} · 输出 {tokens} Token/s",
    },
    Message { code: "top.error", en: "Error", zh: "错误" },
    Message { code: "top.errors", en: "Error events, 5 min", zh: "错误事件（5 分钟）" },
    Message { code: "top.event", en: "EVENT", zh: "事件" },
    Message { code: "top.events", en: "events", zh: "事件" },
    Message { code: "top.failed", en: "ERR 5m", zh: "错误(5m)" },
    Message { code: "top.failed_long", en: "Failed, 5 min", zh: "失败请求（5 分钟）" },
    Message {
        code: "top.failing",
        en: "{count} sources cannot be read: {names}",
        zh: "{count} 个数据源读取失败：{names}",
    },
    Message { code: "top.fan", en: "Fan", zh: "风扇" },
    Message { code: "top.faults", en: "Faults", zh: "故障" },
    Message { code: "top.field_denied", en: "not allowed to read it", zh: "无读取权限" },
    Message { code: "top.field_error", en: "reading it failed", zh: "读取失败" },
    Message {
        code: "top.field_unsupported", en: "this device does not tell", zh: "设备不支持"
    },
    Message {
        code: "top.fields_denied", en: "Readings that were denied", zh: "无权限读取的项"
    },
    Message { code: "top.fields_error", en: "Readings that failed", zh: "读取失败的项" },
    Message {
        code: "top.fields_unsupported",
        en: "Readings that this device does not have",
        zh: "设备不支持的项",
    },
    Message { code: "top.finish_reason", en: "Finish reason", zh: "结束原因" },
    Message {
        code: "top.finished", en: "Requests finished/s, 1 min", zh: "完成请求/s（1 分钟）"
    },
    Message { code: "top.gpus", en: "GPUs", zh: "GPU" },
    Message {
        code: "top.gpus_note", en: "{up} of {count} up", zh: "{count} 个中 {up} 个在线"
    },
    Message { code: "top.health", en: "Health", zh: "健康状态" },
    Message { code: "top.help", en: "help", zh: "帮助" },
    Message {
        code: "top.help_absent",
        en: "not known; never the same as 0",
        zh: "未知，与 0 不同",
    },
    Message {
        code: "top.help_back",
        en: "close what is open, clear the filter, go to the overview",
        zh: "关闭当前内容、清除筛选、返回总览",
    },
    Message {
        code: "top.help_detail",
        en: "everything about the chosen row",
        zh: "查看选中行的全部信息",
    },
    Message { code: "top.help_filter", en: "show only rows with this text", zh: "按文本筛选" },
    Message {
        code: "top.help_itl",
        en: "~ before TPOT: the time between tokens, where TPOT is not told",
        zh: "TPOT 前的 ~：未提供 TPOT，以 Token 间隔代替",
    },
    Message { code: "top.help_next", en: "the next screen", zh: "下一屏" },
    Message {
        code: "top.help_p95",
        en: "p95: 95 of 100 requests were faster, over the last minute",
        zh: "p95：最近一分钟内 95% 的请求不超过该值",
    },
    Message {
        code: "top.help_pages",
        en: "ten rows, or to the first or last one",
        zh: "翻十行，或跳至首行、末行",
    },
    Message {
        code: "top.help_pause",
        en: "keep what is shown; again to go on",
        zh: "暂停画面，再按继续",
    },
    Message { code: "top.help_quit", en: "end", zh: "退出" },
    Message { code: "top.help_rows", en: "choose a row, or scroll", zh: "选择行或滚动" },
    Message {
        code: "top.help_screens",
        en: "overview, engines, GPUs, requests, events",
        zh: "总览、推理引擎、GPU、请求、事件",
    },
    Message { code: "top.help_signs", en: "What signs mean", zh: "符号含义" },
    Message { code: "top.help_sort", en: "order rows by another value", zh: "切换排序方式" },
    Message {
        code: "top.help_sources",
        en: "A value that the engine does not tell itself comes from the gateway or from its connections; the detail says so.",
        zh: "引擎自身未给出的数值取自网关或网络连接，详情中会注明。",
    },
    Message {
        code: "top.help_timeline",
        en: "a request's time: queue, until the first token, decode",
        zh: "请求耗时：排队、等待首 Token、解码",
    },
    Message { code: "top.help_utc", en: "Times are UTC.", zh: "时间均为 UTC。" },
    Message { code: "top.host_use", en: "On the host", zh: "主机资源" },
    Message { code: "top.in_out", en: "IN→OUT", zh: "输入→输出" },
    Message { code: "top.in_state_for", en: "In this state for", zh: "状态持续" },
    Message { code: "top.instance", en: "INSTANCE", zh: "实例" },
    Message {
        code: "top.itl_p95",
        en: "Between tokens p95, 1 min",
        zh: "Token 间隔 p95（1 分钟）",
    },
    Message { code: "top.key", en: "KEY", zh: "密钥" },
    Message { code: "top.key_detail", en: "⏎ detail", zh: "⏎ 详情" },
    Message { code: "top.key_filter", en: "/ filter", zh: "/ 筛选" },
    Message { code: "top.key_help", en: "? help", zh: "? 帮助" },
    Message { code: "top.key_name", en: "Key", zh: "密钥" },
    Message { code: "top.key_pause", en: "space pause", zh: "空格 暂停" },
    Message { code: "top.key_quit", en: "q quit", zh: "q 退出" },
    Message { code: "top.key_sort", en: "s sort", zh: "s 排序" },
    Message { code: "top.kv", en: "KV%", zh: "KV%" },
    Message { code: "top.kv_long", en: "KV cache in use", zh: "KV 缓存占用" },
    Message { code: "top.latency", en: "TTFT p95", zh: "首 Token 延迟 p95" },
    Message {
        code: "top.latency_note",
        en: "slowest engine · 5 min · now {now}",
        zh: "最慢的引擎 · 5 分钟 · 当前 {now}",
    },
    Message { code: "top.live", en: "live", zh: "实时" },
    Message { code: "top.load", en: "Load", zh: "负载" },
    Message {
        code: "top.local",
        en: "local: this process collects by itself and keeps nothing",
        zh: "本地：由本进程采集，不保存数据",
    },
    Message { code: "top.lost", en: "LOST", zh: "失联" },
    Message {
        code: "top.lost_long",
        en: "lost: the device does not answer",
        zh: "失联：设备无响应",
    },
    Message { code: "top.memory", en: "memory", zh: "内存" },
    Message { code: "top.memory_long", en: "Memory", zh: "显存" },
    Message { code: "top.minutes", en: "5 min", zh: "5 分钟" },
    Message { code: "top.model", en: "MODEL", zh: "模型" },
    Message { code: "top.model_name", en: "Model", zh: "模型" },
    Message { code: "top.models", en: "Models", zh: "模型" },
    Message { code: "top.more", en: "… {count} more", zh: "… 另有 {count} 行" },
    Message { code: "top.network", en: "net", zh: "网络" },
    Message {
        code: "top.no_answer",
        en: "no modelwatch answers at {url}: {reason}. See whether `modelwatch serve` runs there and may be reached; without --connect, `modelwatch top` collects by itself",
        zh: "{url} 处没有 modelwatch 响应：{reason}。请确认该处运行着 `modelwatch serve` 且可以访问；不带 --connect 时 `modelwatch top` 会自行采集",
    },
    Message {
        code: "top.no_engines", en: "No engine found yet.", zh: "尚未发现推理引擎。"
    },
    Message { code: "top.no_events", en: "Nothing has happened yet.", zh: "暂无事件。" },
    Message {
        code: "top.no_gateway",
        en: "Requests are seen by the gateway, which is off: see [gateway] in docs/gateway.md.",
        zh: "请求由网关记录，网关未启用，参见 docs/gateway.md 中的 [gateway]。",
    },
    Message { code: "top.no_gpus", en: "No accelerator found.", zh: "未发现加速卡。" },
    Message {
        code: "top.no_latency",
        en: "Nothing told in the last 5 minutes.",
        zh: "最近 5 分钟没有数据。",
    },
    Message {
        code: "top.no_match",
        en: "No row has the text of the filter.",
        zh: "没有符合筛选条件的行。",
    },
    Message { code: "top.no_processes", en: "none seen", zh: "未见进程" },
    Message {
        code: "top.no_readings",
        en: "Found on the bus, but nothing can be read from it (is the driver's library installed?):",
        zh: "总线上有设备，但无法读取（是否已安装驱动库？）：",
    },
    Message {
        code: "top.no_requests",
        en: "No request in the last hour.",
        zh: "最近一小时没有请求。",
    },
    Message {
        code: "top.no_requests_local",
        en: "Requests are seen by the gateway of a running modelwatch; none runs here.",
        zh: "请求由运行中的 modelwatch 的网关记录，本机未运行。",
    },
    Message { code: "top.not_known", en: "Not known yet.", zh: "尚无数据。" },
    Message { code: "top.note", en: "Advice", zh: "建议" },
    Message { code: "top.os", en: "on", zh: "系统" },
    Message { code: "top.outcome", en: "OUTCOME", zh: "结果" },
    Message { code: "top.outcome_client_abort", en: "client left", zh: "客户端断开" },
    Message { code: "top.outcome_name", en: "Outcome", zh: "结果" },
    Message { code: "top.outcome_ok", en: "ok", zh: "成功" },
    Message { code: "top.outcome_refused", en: "refused", zh: "已拒绝" },
    Message { code: "top.outcome_timeout", en: "timeout", zh: "超时" },
    Message { code: "top.outcome_truncated", en: "cut off", zh: "不完整" },
    Message { code: "top.outcome_upstream_error", en: "error", zh: "引擎错误" },
    Message { code: "top.overview", en: "overview", zh: "总览" },
    Message { code: "top.own_cost", en: "modelwatch", zh: "modelwatch" },
    Message {
        code: "top.past_tokens", en: "Tokens out/s, 5 min", zh: "输出 Token/s（5 分钟）"
    },
    Message {
        code: "top.past_ttft", en: "TTFT p95, 5 min", zh: "首 Token 延迟 p95（5 分钟）"
    },
    Message {
        code: "top.past_utilization", en: "Utilisation, 5 min", zh: "利用率（5 分钟）"
    },
    Message { code: "top.path", en: "Path", zh: "路径" },
    Message { code: "top.paused", en: "PAUSED", zh: "已暂停" },
    Message { code: "top.polling", en: "live, every 2 s", zh: "实时（每 2 秒）" },
    Message { code: "top.power", en: "Power, now / cap", zh: "功耗（当前/上限）" },
    Message { code: "top.preemptions", en: "Preemptions, 5 min", zh: "抢占次数（5 分钟）" },
    Message { code: "top.prefill", en: "until first token", zh: "等待首 Token" },
    Message {
        code: "top.prefix_hits",
        en: "Prefix cache hits, 5 min",
        zh: "前缀缓存命中率（5 分钟）",
    },
    Message { code: "top.pressure", en: "pressure", zh: "压力" },
    Message { code: "top.process", en: "Process", zh: "进程" },
    Message { code: "top.processes", en: "Processes", zh: "进程" },
    Message { code: "top.queue", en: "queue", zh: "排队" },
    Message { code: "top.queued", en: "In the gateway", zh: "网关排队" },
    Message { code: "top.requests", en: "requests", zh: "请求" },
    Message {
        code: "top.requests_note",
        en: "{count} in the last hour",
        zh: "最近一小时 {count} 个",
    },
    Message { code: "top.resident", en: "Memory", zh: "内存" },
    Message {
        code: "top.row_gone",
        en: "This row is no longer in the list. Esc goes back to the list.",
        zh: "该行已不在列表中，按 Esc 返回列表。",
    },
    Message { code: "top.running", en: "RUN", zh: "运行" },
    Message { code: "top.running_long", en: "Requests running", zh: "运行中的请求" },
    Message { code: "top.since", en: "(for {time})", zh: "（已持续 {time}）" },
    Message { code: "top.sort_kv", en: "KV cache", zh: "KV 缓存" },
    Message { code: "top.sort_memory", en: "memory", zh: "显存" },
    Message { code: "top.sort_newest", en: "newest first", zh: "最新在前" },
    Message { code: "top.sort_output", en: "output tokens", zh: "输出 Token 数" },
    Message { code: "top.sort_place", en: "number", zh: "编号" },
    Message { code: "top.sort_power", en: "power", zh: "功耗" },
    Message { code: "top.sort_state", en: "state", zh: "状态" },
    Message { code: "top.sort_temperature", en: "temperature", zh: "温度" },
    Message { code: "top.sort_tokens", en: "tokens/s", zh: "Token/s" },
    Message { code: "top.sort_total", en: "total time", zh: "总耗时" },
    Message { code: "top.sort_ttft", en: "TTFT", zh: "首 Token 延迟" },
    Message { code: "top.sort_util", en: "utilisation", zh: "利用率" },
    Message { code: "top.sort_waiting", en: "waiting", zh: "等待数" },
    Message { code: "top.sorted", en: "order: {sort}", zh: "排序：{sort}" },
    Message { code: "top.source", en: "Source", zh: "来源" },
    Message {
        code: "top.spec_accepted",
        en: "Drafts accepted, 5 min",
        zh: "投机解码接受率（5 分钟）",
    },
    Message { code: "top.speed", en: "Speed", zh: "速度" },
    Message {
        code: "top.stale",
        en: "STALE since {time} UTC, trying again",
        zh: "数据停留在 {time} UTC，正在重连",
    },
    Message { code: "top.state", en: "STATE", zh: "状态" },
    Message { code: "top.state_down", en: "down", zh: "离线" },
    Message { code: "top.state_name", en: "State", zh: "状态" },
    Message { code: "top.state_starting", en: "starting", zh: "启动中" },
    Message { code: "top.state_unknown", en: "unknown", zh: "未知" },
    Message { code: "top.state_up", en: "up", zh: "在线" },
    Message { code: "top.status", en: "HTTP status", zh: "HTTP 状态码" },
    Message { code: "top.temperature", en: "Temperature", zh: "温度" },
    Message { code: "top.temperature_of", en: "Temperature, {sensor}", zh: "温度（{sensor}）" },
    Message { code: "top.throttle", en: "Clocks held down", zh: "降频" },
    Message {
        code: "top.throttle_hardware", en: "slowed down by the hardware", zh: "硬件降频"
    },
    Message { code: "top.throttle_none", en: "clocks are not held down", zh: "未降频" },
    Message { code: "top.throttle_normal", en: "normal", zh: "正常" },
    Message {
        code: "top.throttle_other",
        en: "clocks held down for another reason",
        zh: "其他原因降频",
    },
    Message { code: "top.throttle_power", en: "at the power cap", zh: "功耗墙" },
    Message { code: "top.throttle_thermal", en: "too hot", zh: "过热" },
    Message { code: "top.time", en: "Time", zh: "时间" },
    Message {
        code: "top.timeline",
        en: "queue ▒ first token ▓ decode █",
        zh: "排队 ▒ 等待首 Token ▓ 解码 █",
    },
    Message { code: "top.times", en: "Times", zh: "耗时" },
    Message { code: "top.tokens", en: "Tokens", zh: "Token" },
    Message { code: "top.tokens_cached", en: "Input from the cache", zh: "命中缓存的输入" },
    Message {
        code: "top.tokens_cached_long",
        en: "Tokens from cache/s, 20 s",
        zh: "缓存命中 Token/s（20 秒）",
    },
    Message {
        code: "top.tokens_in_long", en: "Tokens in/s, 20 s", zh: "输入 Token/s（20 秒）"
    },
    Message { code: "top.tokens_input", en: "Input", zh: "输入" },
    Message { code: "top.tokens_out", en: "TOK/s", zh: "Token/s" },
    Message {
        code: "top.tokens_out_long", en: "Tokens out/s, 20 s", zh: "输出 Token/s（20 秒）"
    },
    Message { code: "top.tokens_output", en: "Output", zh: "输出" },
    Message { code: "top.told_by", en: "told by: {source}", zh: "来源：{source}" },
    Message {
        code: "top.too_many_gpus",
        en: "--gpus may name at most {limit} devices",
        zh: "--gpus 最多可指定 {limit} 个设备",
    },
    Message { code: "top.total", en: "TOTAL", zh: "总耗时" },
    Message { code: "top.total_long", en: "Until the end", zh: "总耗时" },
    Message { code: "top.tpot", en: "TPOT p95", zh: "TPOT p95" },
    Message { code: "top.tpot_long", en: "Time per output token", zh: "每 Token 时间 (TPOT)" },
    Message { code: "top.tpot_p50", en: "TPOT p50, 1 min", zh: "TPOT p50（1 分钟）" },
    Message { code: "top.tpot_p95", en: "TPOT p95, 1 min", zh: "TPOT p95（1 分钟）" },
    Message { code: "top.tpot_short", en: "TPOT", zh: "TPOT" },
    Message { code: "top.ttft", en: "TTFT p50/p95", zh: "TTFT p50/p95" },
    Message { code: "top.ttft_long", en: "Until the first token", zh: "首 Token 延迟 (TTFT)" },
    Message {
        code: "top.ttft_p50", en: "TTFT p50, 1 min", zh: "首 Token 延迟 p50（1 分钟）"
    },
    Message {
        code: "top.ttft_p95", en: "TTFT p95, 1 min", zh: "首 Token 延迟 p95（1 分钟）"
    },
    Message { code: "top.ttft_short", en: "TTFT", zh: "TTFT" },
    Message {
        code: "top.unknown_gpus",
        en: "--gpus: no device answers to {gpus}",
        zh: "--gpus：没有与 {gpus} 对应的设备",
    },
    Message { code: "top.used_by", en: "USED BY", zh: "使用者" },
    Message { code: "top.util", en: "UTIL", zh: "利用率" },
    Message { code: "top.utilization", en: "Utilisation", zh: "利用率" },
    Message { code: "top.uuid", en: "UUID", zh: "UUID" },
    Message { code: "top.waiting", en: "WAIT", zh: "等待" },
    Message {
        code: "top.waiting_for_data",
        en: "waiting for the first readings",
        zh: "等待首次读数",
    },
    Message { code: "top.waiting_long", en: "Requests waiting", zh: "等待中的请求" },
    Message { code: "top.watts", en: "W/cap", zh: "W/上限" },
    Message {
        code: "top.wrong_interval",
        en: "--interval {value}: it takes whole seconds from 1s to 60s",
        zh: "--interval {value}：只接受 1s 到 60s 的整秒",
    },
    Message {
        code: "top.wrong_url",
        en: "--connect {url}: expected an address such as http://127.0.0.1:9640; https is not supported yet",
        zh: "--connect {url}：需要形如 http://127.0.0.1:9640 的地址，暂不支持 https",
    },
    Message {
        code: "transfer.store_in_use",
        en: "the data directory {path} is in use by a running modelwatch (process {pid}). Go through it with --url http://127.0.0.1:9640, or stop it",
        zh: "数据目录 {path} 正被运行中的 modelwatch（进程 {pid}）使用。请用 --url http://127.0.0.1:9640 通过它进行，或将其停止",
    },
    Message {
        code: "transfer.wrong_url",
        en: "--url {url}: expected an address such as http://127.0.0.1:9640; https is not supported yet",
        zh: "--url {url}：应为形如 http://127.0.0.1:9640 的地址；暂不支持 https",
    },
    Message {
        code: "verdict.context_full",
        en: "{model}: a request uses {percent}% of its context; at 100% it ends or loses its beginning",
        zh: "{model}：有请求已用去 {percent}% 的上下文，达到 100% 后会被截断或结束",
    },
    Message {
        code: "verdict.disk_low",
        en: "The file system {mountpoint} has {percent}% free",
        zh: "文件系统 {mountpoint} 仅剩 {percent}% 空间",
    },
    Message {
        code: "verdict.engine_down",
        en: "{model} at {instance} does not answer",
        zh: "{model}（{instance}）无响应",
    },
    Message {
        code: "verdict.healthy",
        en: "Healthy. Engines up: {engines}. No requests are waiting.",
        zh: "运行正常：{engines} 个引擎在线，没有等待中的请求",
    },
    Message { code: "verdict.incident", en: "{summary}", zh: "{summary_zh}" },
    Message {
        code: "verdict.incidents",
        en: "{summary} (and {more} more)",
        zh: "{summary_zh}（另有 {more} 项告警）",
    },
    Message {
        code: "verdict.kv_full",
        en: "{model}: the KV cache is {percent}% full; new requests will wait or be preempted",
        zh: "{model}：KV 缓存已用 {percent}%，新请求将等待或触发抢占",
    },
    Message {
        code: "verdict.memory_low",
        en: "The host has {percent}% of its memory left; an engine may be killed when it runs out",
        zh: "主机仅剩 {percent}% 内存，耗尽时推理引擎可能被系统终止",
    },
    Message {
        code: "verdict.no_engine",
        en: "No engine found. Start one (vLLM, llama.cpp, Ollama), or name it in the configuration with [[engine]]",
        zh: "未发现推理引擎。请启动一个（vLLM、llama.cpp、Ollama），或在配置中用 [[engine]] 指定",
    },
    Message {
        code: "verdict.starting",
        en: "Starting: waiting for the first readings",
        zh: "正在启动：等待首批数据",
    },
    Message {
        code: "verdict.storage_failed",
        en: "Not recording: the data directory {path} cannot be written. What is stored stays readable; free space and recording resumes by itself",
        zh: "停止记录：数据目录 {path} 无法写入。已存储的数据仍可查看；释放空间后会自动恢复",
    },
    Message {
        code: "verdict.swapping",
        en: "The host reads from swap; everything on it is slow",
        zh: "主机正在读取交换区，所有任务都会变慢",
    },
    Message {
        code: "verdict.waiting",
        en: "{model}: requests waiting for a place: {waiting}",
        zh: "{model}：{waiting} 个请求正在等待",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_both_languages_use_the_same_parameters() {
        assert!(MESSAGES.is_sorted_by(|a, b| a.code < b.code));
        for message in MESSAGES {
            let names = |text: &str| {
                let mut names: Vec<String> = text
                    .split('{')
                    .skip(1)
                    .filter_map(|part| part.split_once('}').map(|(name, _)| name.to_owned()))
                    .collect();
                names.sort();
                names
            };
            // A parameter that is a text itself has a Chinese one beside it.
            let chinese: Vec<String> = names(message.zh)
                .iter()
                .map(|name| name.strip_suffix("_zh").unwrap_or(name).to_owned())
                .collect();
            assert_eq!(names(message.en), chinese, "{}", message.code);
        }
    }

    #[test]
    fn rendering() {
        let params = [("engine", "vllm"), ("url", "http://x")];
        assert_eq!(
            render("event.engine_up", &params, Language::English),
            "vllm at http://x answers again"
        );
        assert_eq!(
            render("event.engine_up", &params, Language::Chinese),
            "vllm（http://x）已恢复响应"
        );
        assert_eq!(
            render("event.engine_up", &params[..1], Language::English),
            "vllm at ? answers again"
        );
        assert_eq!(render("no.such", &params, Language::English), "no.such");
    }

    #[test]
    fn languages() {
        assert_eq!(Language::from_tag("zh_CN.UTF-8"), Language::Chinese);
        assert_eq!(Language::from_tag("C.UTF-8"), Language::English);
    }
}
