//! The keys of `[gateway]` and of the engines behind it.

use std::time::Duration;

use super::{
    Config,
    gateway::ANONYMOUS,
    keys::{Key, Type, Value},
};

macro_rules! own {
    ($path:literal $kind:expr, $variant:ident, $default:literal, $($field:ident).+, $en:literal, $zh:literal) => {
        Key {
            path: concat!("gateway.", $path),
            kind: $kind,
            default: $default,
            help_en: $en,
            help_zh: $zh,
            set: |config: &mut Config, value| {
                if let Value::$variant(value) = value {
                    config.gateway.$($field).+ = value.into();
                }
            },
        }
    };
}

/// A key of the engine that was begun last.
macro_rules! upstream {
    ($path:literal $kind:expr, $variant:ident, $field:ident, $en:literal, $zh:literal) => {
        Key {
            path: concat!("gateway.upstream.", $path),
            kind: $kind,
            default: "",
            help_en: $en,
            help_zh: $zh,
            set: |config: &mut Config, value| {
                let upstream = config.gateway.upstreams.last_mut();
                if let (Some(upstream), Value::$variant(value)) = (upstream, value) {
                    upstream.$field = value.into();
                }
            },
        }
    };
}

const SHORT: Type = Type::Period { min: Duration::from_millis(1) };
const LONG: Type = Type::Period { min: Duration::from_secs(1) };

pub(super) const KEYS: &[Key] = &[
    own!("allow" Type::TextList, TextList, "[]", allow,
        "Addresses or ranges (CIDR) that may come; empty: all.",
        "允许访问的地址或网段（CIDR）；为空表示全部允许。"),
    own!("allow_management" Type::Flag, Flag, "false", allow_management,
        "Pass on paths that change engines or show what others ask, such as /api/delete and /slots.",
        "放行会改变引擎或暴露他人请求的路径，例如 /api/delete 与 /slots。"),
    own!("anonymous" Type::Choice(ANONYMOUS), Text, "", anonymous,
        "Whether callers without a key are let in. Default: allow where gateway.listen is a loopback address, else refuse.",
        "未携带密钥的请求是否放行。默认：gateway.listen 为本机回环地址时放行（allow），否则拒绝（refuse）。"),
    own!("body_bytes_max" Type::Size { min: 1 << 10 }, Count, "\"64MiB\"", body_bytes_max,
        "Largest body of a request; a larger one is answered with 413.",
        "请求体大小上限，超出时返回 413。"),
    own!("connections_max" Type::Count { min: 1 }, Count, "4096", connections_max,
        "Connections of clients at the same time; beyond it 503.",
        "客户端并发连接数上限，超出时返回 503。"),
    own!("deny" Type::TextList, TextList, "[]", deny,
        "Addresses or ranges (CIDR) that may not come, whatever gateway.allow says.",
        "禁止访问的地址或网段（CIDR），优先于 gateway.allow。"),
    own!("headers_timeout" LONG, Period, "\"1h\"", headers_timeout,
        "How long an engine may take until its answer begins: one that is no stream begins when all of it was made.",
        "等待引擎开始响应的最长时间：非流式响应要等全部生成完毕才开始返回。"),
    own!("idle_timeout" LONG, Period, "\"10m\"", idle_timeout,
        "How long an answer that began may be silent. There is no limit on the whole of a stream.",
        "响应开始后允许的最长静默时间。流式响应的总时长不受限制。"),
    own!("inject_usage" Type::Flag, Flag, "false", inject_usage,
        "Ask engines for the usage of streams whose client did not ask, and take that event out again: token counts are then exact.",
        "客户端未要求时也向引擎索取流式响应的用量，并在转发前去掉该事件，使 Token 计数准确。"),
    own!("keep_bodies" Type::Flag, Flag, "false", keep_bodies,
        "Keep prompts and answers with the records. They may hold secrets and personal data; every reading is noted.",
        "随请求记录保存提示词与回答。其中可能含有机密与个人信息；每次查看都会留下审计记录。"),
    own!("keep_bytes_max" Type::Size { min: 1 }, Count, "\"64KiB\"", keep_bytes_max,
        "How much is kept of each body.",
        "每个请求体与响应体保存的最大字节数。"),
    own!("keys_file" Type::Text, Text, "", keys_file,
        "The file of keys, made by `modelwatch key create`. Default: keys.json in the data directory.",
        "密钥文件，由 `modelwatch key create` 创建。默认为数据目录下的 keys.json。"),
    Key {
        path: "gateway.listen",
        kind: Type::Address,
        default: "",
        help_en: "Address and port at which clients find the engines, for example \"127.0.0.1:9641\". Without it there is no gateway.",
        help_zh: "网关监听的地址与端口，客户端由此访问引擎，例如 \"127.0.0.1:9641\"。不填则不启用网关。",
        set: |config, value| {
            if let Value::Address(address) = value {
                config.gateway.listen = Some(address);
            }
        },
    },
    own!("redact" Type::TextList, TextList, "[]", redact,
        "Regular expressions; what matches is not kept of prompts and answers.",
        "正则表达式列表；保存提示词与回答时，匹配的内容会被抹去。"),
    own!("refuse_unknown_paths" Type::Flag, Flag, "false", refuse_unknown_paths,
        "Pass on only the paths of inference APIs that are known.",
        "只放行已知的推理 API 路径。"),
    own!("slo_e2e" SHORT, Period, "", slo.e2e,
        "A request within this, from its last byte to its last token, counts as goodput.",
        "有效吞吐（goodput）的端到端时延目标。"),
    own!("slo_tpot" SHORT, Period, "", slo.tpot,
        "The same for the time per output token.",
        "有效吞吐（goodput）的每 Token 耗时（TPOT）目标。"),
    own!("slo_ttft" SHORT, Period, "", slo.ttft,
        "The same for the time to the first token.",
        "有效吞吐（goodput）的首 Token 延迟（TTFT）目标。"),
    own!("sticky" Type::Flag, Flag, "false", sticky,
        "Send requests whose prompts begin alike to the same replica, so that its prefix cache serves them.",
        "把提示词开头相同的请求发往同一副本，以命中其前缀缓存。"),
    own!("tls_cert_file" Type::Text, Text, "", tls_cert_file,
        "File in PEM with the chain of certificates; with it the gateway speaks TLS. Needs tls_key_file.",
        "证书链文件（PEM 格式），填写后网关使用 TLS；须同时填写 tls_key_file。"),
    own!("tls_key_file" Type::Text, Text, "", tls_key_file,
        "File in PEM with the key of tls_cert_file.",
        "tls_cert_file 对应的私钥文件（PEM 格式）。"),
    own!("trusted_proxies" Type::TextList, TextList, "[]", trusted_proxies,
        "Addresses or ranges of proxies whose X-Forwarded-For is believed.",
        "可信代理的地址或网段，采信其 X-Forwarded-For。"),
    upstream!("api_key_env" Type::Text, Text, api_key_env,
        "Name of the environment variable that holds the engine's own key, sent in place of the client's.",
        "存放该引擎自身密钥的环境变量名，转发时替换客户端的密钥。"),
    upstream!("ca_file" Type::Text, Text, ca_file,
        "File in PEM with certificates that https trusts besides the system's.",
        "https 在系统证书之外额外信任的证书文件（PEM 格式）。"),
    upstream!("models" Type::TextList, TextList, models,
        "The models it serves. Default: those that it lists.",
        "该引擎提供的模型，默认为其列出的模型。"),
    upstream!("name" Type::Text, Text, name,
        "What it is called in records. Required in each [[gateway.upstream]].",
        "该引擎在请求记录中的名称。每个 [[gateway.upstream]] 必填。"),
    upstream!("url" Type::EngineUrl, Text, url,
        "Address of an engine behind the gateway. Required in each [[gateway.upstream]].",
        "网关之后的引擎地址。每个 [[gateway.upstream]] 必填。"),
];
