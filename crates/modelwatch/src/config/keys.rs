//! The table of keys. A row is all there is to a key: its place, type, default, meaning in both
//! languages, and where its value goes.

use std::time::Duration;

use super::{
    Config, keys_alerts, keys_channel, keys_gateway, keys_incidents, keys_logs, keys_pipeline,
    keys_receive, keys_reports, keys_scrape,
};

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Text,
    TextList,
    /// An inline table of texts.
    TextMap,
    Flag,
    Count {
        min: u64,
    },
    Period {
        min: Duration,
    },
    Size {
        min: u64,
    },
    Address,
    Url,
    /// An address of an engine, which may speak TLS.
    EngineUrl,
    Choice(&'static [&'static str]),
}

/// A value that passed its type's check.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    TextList(Vec<String>),
    TextMap(Vec<(String, String)>),
    Flag(bool),
    Count(u64),
    Period(Duration),
    Address(std::net::SocketAddr),
}

pub(super) struct Key {
    /// Section and name. Which sections are lists of tables says [`super::parse::LISTS`].
    pub(super) path: &'static str,
    pub(super) kind: Type,
    /// As it would be written in the file.
    pub(super) default: &'static str,
    pub(super) help_en: &'static str,
    pub(super) help_zh: &'static str,
    /// Stores the value. Its variant is the one that `kind` yields, so any other is ignored.
    pub(super) set: fn(&mut Config, Value),
}

/// All keys, in order of their tables.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    let more = keys_alerts::KEYS.iter().chain(keys_channel::KEYS).chain(keys_gateway::KEYS);
    let more = more
        .chain(keys_incidents::KEYS)
        .chain(keys_logs::KEYS)
        .chain(keys_pipeline::KEYS)
        .chain(keys_receive::KEYS)
        .chain(keys_reports::KEYS)
        .chain(keys_scrape::KEYS);
    KEYS.iter().chain(more)
}

/// Keys that have no table of their own, sorted by path.
pub(super) static KEYS: &[Key] = &[
    Key {
        path: "accelerator_command.command",
        kind: Type::TextList,
        default: "",
        help_en: "A program that tells of accelerators that nothing else can read, and its arguments. No shell takes part; the program gets no input and almost no environment.",
        help_zh: "用于读取其他方式无法采集的加速卡的程序及其参数。不经过 shell，程序没有输入，也几乎没有环境变量。",
        set: |config, value| {
            if let (Some(command), Value::TextList(given)) =
                (config.accelerator_commands.last_mut(), value)
            {
                command.command = given;
            }
        },
    },
    Key {
        path: "accelerator_command.devices",
        kind: Type::Text,
        default: "",
        help_en: "Where in the JSON that the program prints the devices are: names parted by dots, * for every entry, empty for the whole. Either this or pattern is needed.",
        help_zh: "设备在程序输出的 JSON 中的位置：以点分隔的名称，* 表示所有条目，空文本表示整个文档。此项与 pattern 必须且只能填写一项。",
        set: |config, value| {
            if let (Some(command), Value::Text(given)) =
                (config.accelerator_commands.last_mut(), value)
            {
                command.devices = Some(given);
            }
        },
    },
    Key {
        path: "accelerator_command.fields",
        kind: Type::TextList,
        default: "",
        help_en: "Where each reading is, for example \"accelerator_power_watts = power / 1000\", \"accelerator_temperature_celsius{sensor=core} = temp\", \"uuid = id\". On the right stands a path in the device, a group of pattern, or @key.",
        help_zh: "各读数的位置，例如 \"accelerator_power_watts = power / 1000\"、\"accelerator_temperature_celsius{sensor=core} = temp\"、\"uuid = id\"。等号右侧为设备内的路径、pattern 的命名分组或 @key。",
        set: |config, value| {
            if let (Some(command), Value::TextList(given)) =
                (config.accelerator_commands.last_mut(), value)
            {
                command.fields = given;
            }
        },
    },
    Key {
        path: "accelerator_command.pattern",
        kind: Type::Text,
        default: "",
        help_en: "A regular expression for programs that print text: each line that it matches is a device, its named groups are what fields can use.",
        help_zh: "用于文本输出的正则表达式：每个匹配的行为一个设备，命名分组可在 fields 中使用。",
        set: |config, value| {
            if let (Some(command), Value::Text(given)) =
                (config.accelerator_commands.last_mut(), value)
            {
                command.pattern = Some(given);
            }
        },
    },
    Key {
        path: "accelerator_command.period",
        kind: Type::Period { min: collect::accelerator::COMMAND_PERIOD_MIN },
        default: "",
        help_en: "How often the program is run; every 15 seconds when absent.",
        help_zh: "运行程序的周期；省略时为 15 秒。",
        set: |config, value| {
            if let (Some(command), Value::Period(given)) =
                (config.accelerator_commands.last_mut(), value)
            {
                command.period = given;
            }
        },
    },
    Key {
        path: "accelerator_command.timeout",
        kind: Type::Period { min: Duration::from_secs(1) },
        default: "",
        help_en: "When the program and everything that it started is ended if it is not over; after 5 seconds when absent.",
        help_zh: "程序超过多久未结束便连同其子进程一并终止；省略时为 5 秒。",
        set: |config, value| {
            if let (Some(command), Value::Period(given)) =
                (config.accelerator_commands.last_mut(), value)
            {
                command.timeout = given;
            }
        },
    },
    Key {
        path: "accelerator_command.vendor",
        kind: Type::Text,
        default: "",
        help_en: "The label vendor of the devices.",
        help_zh: "设备的 vendor 标签。",
        set: |config, value| {
            if let (Some(command), Value::Text(given)) =
                (config.accelerator_commands.last_mut(), value)
            {
                command.vendor = given;
            }
        },
    },
    Key {
        path: "collect.accelerator_libraries",
        kind: Type::TextList,
        default: "[]",
        help_en: "Libraries of accelerators that are not in one of the usual places, each as vendor=path, for example \"iluvatar=/opt/corex/lib/libixml.so\".",
        help_zh: "不在常用位置的加速卡厂商库，每项写作 厂商=路径，例如 \"iluvatar=/opt/corex/lib/libixml.so\"。",
        set: |config, value| {
            if let Value::TextList(texts) = value {
                config.collect.accelerator_libraries = texts;
            }
        },
    },
    Key {
        path: "collect.dcgm_names",
        kind: Type::Flag,
        default: "true",
        help_en: "Give readings of NVIDIA GPUs under the names of DCGM's exporter too. Turn it off where that exporter is scraped as well.",
        help_zh: "同时以 DCGM exporter 的指标名提供 NVIDIA GPU 数据。若已另行抓取 DCGM exporter，请关闭此项以免重复。",
        set: |config, value| {
            if let Value::Flag(flag) = value {
                config.collect.has_dcgm_names = flag;
            }
        },
    },
    Key {
        path: "collect.discover",
        kind: Type::Flag,
        default: "true",
        help_en: "Find engines by looking at listening sockets. Engines named by [[engine]] are watched either way.",
        help_zh: "通过监听端口自动发现推理引擎。无论是否开启，[[engine]] 中列出的引擎都会被监控。",
        set: |config, value| {
            if let Value::Flag(flag) = value {
                config.collect.discover = flag;
            }
        },
    },
    Key {
        path: "collect.engine_period",
        kind: Type::Period { min: Duration::from_secs(1) },
        default: "\"5s\"",
        help_en: "How often engines are read.",
        help_zh: "读取推理引擎指标的周期。",
        set: |config, value| {
            if let Value::Period(period) = value {
                config.collect.engine_period = period;
            }
        },
    },
    Key {
        path: "collect.host_period",
        kind: Type::Period { min: Duration::from_secs(1) },
        default: "\"1s\"",
        help_en: "How often the host is read.",
        help_zh: "读取主机指标的周期。",
        set: |config, value| {
            if let Value::Period(period) = value {
                config.collect.host_period = period;
            }
        },
    },
    Key {
        path: "collect.model_folders",
        kind: Type::TextList,
        default: "[]",
        help_en: "Folders in which to look for models that are being downloaded, beside those that Hugging Face, ModelScope, Ollama and llama.cpp use by default and those that the environment of running engines names.",
        help_zh: "额外监视模型下载的目录。Hugging Face、ModelScope、Ollama 与 llama.cpp 的默认目录，以及运行中引擎的环境变量所指的目录会自动监视。",
        set: |config, value| {
            if let Value::TextList(texts) = value {
                config.collect.model_folders = texts;
            }
        },
    },
    Key {
        path: "collect.root",
        kind: Type::Text,
        default: "\"/\"",
        help_en: "Where /proc and /sys of the watched host are found: the mount point of the host's root when modelwatch runs in a container.",
        help_zh: "被监控主机的 /proc 与 /sys 所在的根路径；在容器中运行时填写宿主机根目录的挂载点。",
        set: |config, value| {
            if let Value::Text(text) = value {
                config.collect.root = text.into();
            }
        },
    },
    Key {
        path: "engine.api_key_env",
        kind: Type::Text,
        default: "",
        help_en: "Name of the environment variable that holds the key for this engine's metrics. The key itself never belongs in this file.",
        help_zh: "存放该引擎访问密钥的环境变量名。密钥本身不应写入配置文件。",
        set: |config, value| {
            if let (Some(engine), Value::Text(text)) = (config.engines.last_mut(), value) {
                engine.api_key_env = Some(text);
            }
        },
    },
    Key {
        path: "engine.ca_file",
        kind: Type::Text,
        default: "",
        help_en: "File in PEM with the certificates that are trusted where the address begins with https://. Default: those of the system.",
        help_zh: "地址以 https:// 开头时所信任的证书文件（PEM 格式），默认使用系统证书。",
        set: |config, value| {
            if let (Some(engine), Value::Text(text)) = (config.engines.last_mut(), value) {
                engine.tls.ca_file = text;
            }
        },
    },
    Key {
        path: "engine.cert_file",
        kind: Type::Text,
        default: "",
        help_en: "File in PEM with the certificate to show to an engine that wants to see one, such as MindIE. Needs key_file.",
        help_zh: "引擎要求客户端证书时（例如 MindIE）所出示的证书文件（PEM 格式），须同时填写 key_file。",
        set: |config, value| {
            if let (Some(engine), Value::Text(text)) = (config.engines.last_mut(), value) {
                engine.tls.cert_file = text;
            }
        },
    },
    Key {
        path: "engine.insecure_skip_verify",
        kind: Type::Flag,
        default: "",
        help_en: "Take any certificate. Whoever is between modelwatch and the engine can then read and change what they say, a key included.",
        help_zh: "不校验引擎的证书。此时处于 modelwatch 与引擎之间的任何人都能读取和篡改通信内容，包括密钥。",
        set: |config, value| {
            if let (Some(engine), Value::Flag(flag)) = (config.engines.last_mut(), value) {
                engine.tls.insecure_skip_verify = flag;
            }
        },
    },
    Key {
        path: "engine.key_file",
        kind: Type::Text,
        default: "",
        help_en: "File in PEM with the key of cert_file, not encrypted.",
        help_zh: "cert_file 对应的私钥文件（PEM 格式，未加密）。",
        set: |config, value| {
            if let (Some(engine), Value::Text(text)) = (config.engines.last_mut(), value) {
                engine.tls.key_file = text;
            }
        },
    },
    Key {
        path: "engine.kind",
        kind: Type::Choice(collect::EngineSetting::KINDS),
        default: "",
        help_en: "What kind of engine it is. Found out by itself when absent.",
        help_zh: "引擎类型；省略时自动识别。",
        set: |config, value| {
            if let (Some(engine), Value::Text(text)) = (config.engines.last_mut(), value) {
                engine.kind = Some(text);
            }
        },
    },
    Key {
        path: "engine.metrics_port",
        kind: Type::Count { min: 1 },
        default: "",
        help_en: "Port of the engine's metrics, for engines that give them at a port of their own: MindIE and Triton. Default: what its process was told, else two above the engine's.",
        help_zh: "引擎指标端口，适用于指标使用独立端口的引擎（MindIE、Triton）。默认取引擎进程的启动参数，否则为引擎端口加 2。",
        set: |config, value| {
            if let (Some(engine), Value::Count(count)) = (config.engines.last_mut(), value) {
                engine.metrics_port = Some(count);
            }
        },
    },
    Key {
        path: "engine.url",
        kind: Type::EngineUrl,
        default: "",
        help_en: "Address of an engine to watch, for example \"http://127.0.0.1:8000\" or \"https://10.0.0.5:1025\". Required in each [[engine]].",
        help_zh: "要监控的推理引擎地址，例如 \"http://127.0.0.1:8000\" 或 \"https://10.0.0.5:1025\"。每个 [[engine]] 必填。",
        set: |config, value| {
            if let (Some(engine), Value::Text(text)) = (config.engines.last_mut(), value) {
                engine.url = text;
            }
        },
    },
    Key {
        path: "log.level",
        kind: Type::Choice(&["error", "warn", "info", "debug", "trace"]),
        default: "\"info\"",
        help_en: "How much modelwatch says about itself on standard error.",
        help_zh: "modelwatch 自身日志（标准错误输出）的详细程度。",
        set: |config, value| {
            if let Value::Text(text) = value {
                config.log_level = text;
            }
        },
    },
    Key {
        path: "probe.api_key_env",
        kind: Type::Text,
        default: "",
        help_en: "Name of the environment variable that holds a key to send as a bearer token with http and llm.",
        help_zh: "存放访问密钥的环境变量名，http 与 llm 探测以 Bearer Token 方式发送。",
        set: |config, value| {
            if let (Some(probe), Value::Text(text)) = (config.probes.last_mut(), value) {
                probe.api_key_env = Some(text);
            }
        },
    },
    Key {
        path: "probe.ca_file",
        kind: Type::Text,
        default: "",
        help_en: "File in PEM with the certificates that tls and https trust. Default: those of the system.",
        help_zh: "tls 与 https 探测所信任的证书文件（PEM 格式），默认使用系统证书。",
        set: |config, value| {
            if let (Some(probe), Value::Text(text)) = (config.probes.last_mut(), value) {
                probe.ca_file = text;
            }
        },
    },
    Key {
        path: "probe.kind",
        kind: Type::Choice(collect::probe::ProbeKind::NAMES),
        default: "",
        help_en: "What is asked: dns (does a server answer), http (is the status 2xx), icmp (ping), llm (does an engine generate a token), tcp (is a connection taken), tls (is the certificate trusted, and until when). Required in each [[probe]].",
        help_zh: "探测方式：dns（服务器是否应答）、http（状态码是否为 2xx）、icmp（ping）、llm（引擎能否生成 Token）、tcp（能否建立连接）、tls（证书是否可信及到期时间）。每个 [[probe]] 必填。",
        set: |config, value| {
            if let (Some(probe), Value::Text(text)) = (config.probes.last_mut(), value) {
                probe.kind = text;
            }
        },
    },
    Key {
        path: "probe.model",
        kind: Type::Text,
        default: "",
        help_en: "The model that an llm probe asks. Required for llm.",
        help_zh: "llm 探测所请求的模型，llm 必填。",
        set: |config, value| {
            if let (Some(probe), Value::Text(text)) = (config.probes.last_mut(), value) {
                probe.model = text;
            }
        },
    },
    Key {
        path: "probe.period",
        kind: Type::Period { min: Duration::from_secs(1) },
        default: "",
        help_en: "How often it is asked. Default: one minute, five minutes for llm.",
        help_zh: "探测周期，默认 1 分钟，llm 默认 5 分钟。",
        set: |config, value| {
            if let (Some(probe), Value::Period(period)) = (config.probes.last_mut(), value) {
                probe.period = Some(period);
            }
        },
    },
    Key {
        path: "probe.query",
        kind: Type::Text,
        default: "",
        help_en: "The name whose address a dns probe asks for. Required for dns.",
        help_zh: "dns 探测所查询的域名，dns 必填。",
        set: |config, value| {
            if let (Some(probe), Value::Text(text)) = (config.probes.last_mut(), value) {
                probe.query = text;
            }
        },
    },
    Key {
        path: "probe.send_prompt",
        kind: Type::Flag,
        default: "",
        help_en: "Allow an llm probe to send a prompt of one word and to take the engine's time for one token. Required for llm.",
        help_zh: "允许 llm 探测发送一个词的提示并占用引擎生成一个 Token 的时间，llm 必填。",
        set: |config, value| {
            if let (Some(probe), Value::Flag(flag)) = (config.probes.last_mut(), value) {
                probe.send_prompt = flag;
            }
        },
    },
    Key {
        path: "probe.target",
        kind: Type::Text,
        default: "",
        help_en: "What is asked: a DNS server, a host, HOST:PORT, or a URL that begins with http:// or https://, as the kind wants it. Required in each [[probe]].",
        help_zh: "探测目标：按探测方式填写 DNS 服务器、主机、主机:端口，或以 http://、https:// 开头的 URL。每个 [[probe]] 必填。",
        set: |config, value| {
            if let (Some(probe), Value::Text(text)) = (config.probes.last_mut(), value) {
                probe.target = text;
            }
        },
    },
    Key {
        path: "probe.timeout",
        kind: Type::Period { min: Duration::from_millis(100) },
        default: "",
        help_en: "How long an answer may take before the probe counts as failed. Default: five seconds.",
        help_zh: "等待响应的最长时间，超时视为探测失败，默认 5 秒。",
        set: |config, value| {
            if let (Some(probe), Value::Period(period)) = (config.probes.last_mut(), value) {
                probe.timeout = Some(period);
            }
        },
    },
    Key {
        path: "query.concurrency_max",
        kind: Type::Count { min: 1 },
        default: "4",
        help_en: "How many queries run at the same time; more wait for their turn, see query.waiting_max.",
        help_zh: "同时执行的查询数上限，超出的查询排队等待。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.query.concurrency_max = count;
            }
        },
    },
    Key {
        path: "query.result_bytes_max",
        kind: Type::Size { min: 1 << 20 },
        default: "\"128MiB\"",
        help_en: "Largest answer to one query, before it is compressed; beyond it the query fails.",
        help_zh: "单个查询结果的最大字节数（压缩前），超出则查询失败。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.query.result_bytes_max = count;
            }
        },
    },
    Key {
        path: "query.samples_max",
        kind: Type::Count { min: 1 },
        default: "50000000",
        help_en: "Most samples that one query may load; beyond it the query fails.",
        help_zh: "单个查询可加载的样本数上限，超出则查询失败。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.query.samples_max = count;
            }
        },
    },
    Key {
        path: "query.timeout",
        kind: Type::Period { min: Duration::from_millis(100) },
        default: "\"2m\"",
        help_en: "Longest time that one query may take, its wait included.",
        help_zh: "单个查询的最长执行时间（含排队时间）。",
        set: |config, value| {
            if let Value::Period(period) = value {
                config.query.timeout = period;
            }
        },
    },
    Key {
        path: "query.waiting_max",
        kind: Type::Count { min: 0 },
        default: "1000",
        help_en: "How many queries may wait for their turn; further ones are refused with 503.",
        help_zh: "可排队等待执行的查询数上限，超出的查询以 503 拒绝。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.query.waiting_max = count;
            }
        },
    },
    Key {
        path: "server.admin_api",
        kind: Type::Flag,
        default: "false",
        help_en: "Allow snapshots and the deletion of series through /api/v1/admin/tsdb, to everybody who reaches the port.",
        help_zh: "允许通过 /api/v1/admin/tsdb 创建快照、删除序列；任何能访问该端口的人都可使用。",
        set: |config, value| {
            if let Value::Flag(flag) = value {
                config.server.admin_api = flag;
            }
        },
    },
    Key {
        path: "server.allow_remote_without_login",
        kind: Type::Flag,
        default: "false",
        help_en: "Listen on an address that others can reach although there is no login: everybody who reaches the port sees everything. Put a reverse proxy with TLS and a login in front.",
        help_zh: "允许在没有登录保护的情况下监听外部可达的地址：任何能访问该端口的人都能看到全部数据。请在前面放置带 TLS 与登录的反向代理。",
        set: |config, value| {
            if let Value::Flag(flag) = value {
                config.server.allow_remote_without_login = flag;
            }
        },
    },
    Key {
        path: "server.allowed_hosts",
        kind: Type::TextList,
        default: "[]",
        help_en: "Host names under which the page may be opened, besides addresses and localhost. Protects against DNS rebinding.",
        help_zh: "除 IP 地址与 localhost 外，允许用于访问页面的主机名，用于防御 DNS 重绑定攻击。",
        set: |config, value| {
            if let Value::TextList(texts) = value {
                config.server.allowed_hosts = texts;
            }
        },
    },
    Key {
        path: "server.listen",
        kind: Type::Address,
        default: "\"127.0.0.1:9640\"",
        help_en: "Address and port of the page and the API. Port 0 takes a free one.",
        help_zh: "页面与 API 的监听地址和端口；端口 0 表示任选空闲端口。",
        set: |config, value| {
            if let Value::Address(address) = value {
                config.server.listen = address;
            }
        },
    },
    Key {
        path: "storage.accept_old",
        kind: Type::Flag,
        default: "false",
        help_en: "Take samples however old they are. For importing history; later samples than storage.window go into blocks of their own, which are merged afterwards.",
        help_zh: "接受任意早的样本，用于导入历史数据；超出 storage.window 的样本会写入单独的数据块，之后再合并。",
        set: |config, value| {
            if let Value::Flag(flag) = value {
                config.storage.accept_old = flag;
            }
        },
    },
    Key {
        path: "storage.bytes_max",
        kind: Type::Size { min: 64 << 20 },
        default: "\"10GiB\"",
        help_en: "Most disk space that metrics may take; the oldest are deleted first.",
        help_zh: "指标数据可占用的最大磁盘空间，超出时先删除最旧的数据。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.storage.bytes_max = count;
            }
        },
    },
    Key {
        path: "storage.events_retention",
        kind: Type::Period { min: Duration::from_secs(24 * 3_600) },
        default: "\"90d\"",
        help_en: "How long events (engines that came and went, changes, models, warnings) are kept, in whole days; at most 256 MiB of them.",
        help_zh: "事件（引擎上下线、配置变更、模型加载、警告等）保留多久，按整日删除；最多占用 256 MiB。",
        set: |config, value| {
            if let Value::Period(period) = value {
                config.storage.events_retention = period;
            }
        },
    },
    Key {
        path: "storage.fsync_every_batch",
        kind: Type::Flag,
        default: "false",
        help_en: "Force every batch to the disk instead of once a second. Without it a power failure can cost the last second; a crash of the program costs nothing either way.",
        help_zh: "每批数据都强制落盘，而不是每秒一次。关闭时断电可能丢失最近一秒的数据；程序崩溃在两种设置下都不会丢数据。",
        set: |config, value| {
            if let Value::Flag(flag) = value {
                config.storage.fsync_every_batch = flag;
            }
        },
    },
    Key {
        path: "storage.instance_series_max",
        kind: Type::Count { min: 1000 },
        default: "100000",
        help_en: "Most series with the same value of the label instance; samples of further ones are refused and counted, so that one target that explodes does not take the others' places.",
        help_zh: "instance 标签取值相同的序列数上限；超出部分被拒绝并计数，避免单个目标的序列爆炸影响其他目标。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.storage.instance_series_max = count;
            }
        },
    },
    Key {
        path: "storage.logs_bytes_max",
        kind: Type::Size { min: 16 << 20 },
        default: "\"8GiB\"",
        help_en: "How much room lines of logs may take; above it the oldest days go.",
        help_zh: "日志占用的空间上限，超出时最早的日期先被删除。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.storage.logs_bytes_max = count;
            }
        },
    },
    Key {
        path: "storage.logs_retention",
        kind: Type::Period { min: Duration::from_secs(24 * 3_600) },
        default: "\"14d\"",
        help_en: "How long lines of logs are kept, in whole days.",
        help_zh: "日志保留多久，按整日删除。",
        set: |config, value| {
            if let Value::Period(period) = value {
                config.storage.logs_retention = period;
            }
        },
    },
    Key {
        path: "storage.path",
        kind: Type::Text,
        default: "",
        help_en: "Data directory. Default: $STATE_DIRECTORY, else /var/lib/modelwatch as root, else $XDG_DATA_HOME/modelwatch or ~/.local/share/modelwatch, else modelwatch in the folder for temporary files.",
        help_zh: "数据目录。默认依次为 $STATE_DIRECTORY、root 用户的 /var/lib/modelwatch、$XDG_DATA_HOME/modelwatch 或 ~/.local/share/modelwatch，均不可用时为临时目录下的 modelwatch。",
        set: |config, value| {
            if let Value::Text(text) = value {
                config.storage.path = text.into();
            }
        },
    },
    Key {
        path: "storage.requests_bytes_max",
        kind: Type::Size { min: 16 << 20 },
        default: "\"4GiB\"",
        help_en: "How much room records of requests may take; above it the oldest days go.",
        help_zh: "请求记录占用的空间上限，超出时最早的日期先被删除。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.storage.requests_bytes_max = count;
            }
        },
    },
    Key {
        path: "storage.requests_retention",
        kind: Type::Period { min: Duration::from_secs(24 * 3_600) },
        default: "\"30d\"",
        help_en: "How long records of requests through the gateway are kept, in whole days.",
        help_zh: "经网关的请求记录保留多久，按整日删除。",
        set: |config, value| {
            if let Value::Period(period) = value {
                config.storage.requests_retention = period;
            }
        },
    },
    Key {
        path: "storage.retention",
        kind: Type::Period { min: Duration::from_secs(3_600) },
        default: "\"15d\"",
        help_en: "How long metrics are kept.",
        help_zh: "指标数据的保留时长。",
        set: |config, value| {
            if let Value::Period(period) = value {
                config.storage.retention = period;
            }
        },
    },
    Key {
        path: "storage.rows_retention",
        kind: Type::Period { min: Duration::from_secs(3_600) },
        default: "\"396d\"",
        help_en: "How long sums of one and of ten minutes are kept, which long ranges are shown from.",
        help_zh: "1 分钟与 10 分钟降采样数据的保留时长，用于展示长时间范围。",
        set: |config, value| {
            if let Value::Period(period) = value {
                config.storage.rows_retention = period;
            }
        },
    },
    Key {
        path: "storage.series_max",
        kind: Type::Count { min: 1_000 },
        default: "2000000",
        help_en: "Most series held at the same time; samples of further ones are refused and counted.",
        help_zh: "同时保留的序列数上限，超出的新序列会被拒绝并计数。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.storage.series_max = count;
            }
        },
    },
    Key {
        path: "storage.window",
        kind: Type::Period { min: Duration::from_secs(1) },
        default: "\"10m\"",
        help_en: "How late a sample may come that is older than others of its series. One that is newer than all of its series is taken however late.",
        help_zh: "乱序样本的时间窗口：比同一序列已有样本更早的样本最多可迟到多久；比该序列所有样本都新的样本不受此限。",
        set: |config, value| {
            if let Value::Period(period) = value {
                config.storage.window = period;
            }
        },
    },
];
