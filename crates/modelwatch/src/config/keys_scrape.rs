//! The keys of `[[scrape]]` and of the rules within, named as in Prometheus' own configuration where it
//! has them.

use std::time::Duration;

use super::{
    Config,
    keys::{Key, Type, Value},
    scrape::{RelabelRule, Scrape},
};

/// The words of `action`, sorted.
const ACTIONS: &[&str] = &[
    "drop",
    "dropequal",
    "hashmod",
    "keep",
    "keepequal",
    "labeldrop",
    "labelkeep",
    "labelmap",
    "lowercase",
    "replace",
    "uppercase",
];

/// A key of the job that was begun last.
macro_rules! job {
    ($path:literal $kind:expr, $variant:ident, $($field:ident).+, $en:literal, $zh:literal) => {
        Key {
            path: concat!("scrape.", $path),
            kind: $kind,
            default: "",
            help_en: $en,
            help_zh: $zh,
            set: |config: &mut Config, value| {
                if let (Some(scrape), Value::$variant(value)) = (config.scrapes.last_mut(), value) {
                    scrape.$($field).+ = value.into();
                }
            },
        }
    };
}

/// A key of the rule that was begun last in one of the two lists.
macro_rules! rule {
    ($list:ident $name:literal $kind:expr, $variant:ident, $field:ident, $en:literal, $zh:literal) => {
        Key {
            path: concat!("scrape.", stringify!($list), ".", $name),
            kind: $kind,
            default: "",
            help_en: $en,
            help_zh: $zh,
            set: |config: &mut Config, value| {
                let job: Option<&mut Scrape> = config.scrapes.last_mut();
                let rule: Option<&mut RelabelRule> = job.and_then(|job| job.$list.last_mut());
                if let (Some(rule), Value::$variant(value)) = (rule, value) {
                    rule.$field = value.into();
                }
            },
        }
    };
}

/// Sorted by path.
pub(super) static KEYS: &[Key] = &[
    job!("bearer_token_env" Type::Text, Text, bearer_token_env,
        "Name of the environment variable that holds the token for the targets.",
        "存放目标访问令牌的环境变量名。"),
    job!("body_size_limit" Type::Size { min: 1 << 10 }, Count, body_size_limit,
        "Largest page, decompressed. Default: 16MiB.",
        "页面解压后的最大字节数，默认 16MiB。"),
    job!("file_sd" Type::TextList, TextList, file_sd,
        "Files of targets as JSON, as in Prometheus' file_sd_configs; `*` in a file's name stands for anything. Changes are noticed within seconds.",
        "目标列表文件（JSON，格式同 Prometheus 的 file_sd_configs），文件名中可用 `*` 通配；改动在数秒内生效。"),
    job!("honor_labels" Type::Flag, Flag, honor_labels,
        "Where a sample and its target have the same label, keep that of the sample; else it is renamed with exported_ in front.",
        "样本与目标的标签同名时保留样本的标签；否则样本的标签改名并加 exported_ 前缀。"),
    job!("honor_timestamps" Type::Flag, Flag, honor_timestamps,
        "Keep the time that a page gives a sample; such series are not ended when they go. Default: true.",
        "保留页面为样本给出的时间；此类序列消失时不写入结束标记。默认 true。"),
    job!("http_sd" Type::Url, Text, http_sd,
        "Where a list of targets is served as JSON, as in Prometheus' http_sd_configs. Asked with the login of the job.",
        "提供目标列表（JSON，格式同 Prometheus 的 http_sd_configs）的地址；使用该任务的身份验证信息请求。"),
    job!("http_sd_interval" Type::Period { min: Duration::from_secs(1) }, Period, http_sd_interval,
        "How often that list is asked for. Default: 1m.",
        "请求该列表的周期，默认 1m。"),
    job!("interval" Type::Period { min: Duration::from_secs(1) }, Period, interval,
        "How often each target is read. Default: 15s.",
        "抓取每个目标的周期，默认 15s。"),
    job!("job" Type::Text, Text, job,
        "Name of the job and value of the label job. Required in each [[scrape]].",
        "任务名，即 job 标签的取值。每个 [[scrape]] 必填。"),
    job!("label_limit" Type::Count { min: 1 }, Count, label_limit,
        "Most labels of a sample, its name included; beyond it the page is refused.",
        "单个样本的标签数上限（含指标名），超出则拒绝整个页面。"),
    job!("label_name_length_limit" Type::Count { min: 1 }, Count, label_name_length_limit,
        "Longest name of a label in bytes; beyond it the page is refused.",
        "标签名的最大字节数，超出则拒绝整个页面。"),
    job!("label_value_length_limit" Type::Count { min: 1 }, Count, label_value_length_limit,
        "Longest value of a label in bytes; beyond it the page is refused.",
        "标签值的最大字节数，超出则拒绝整个页面。"),
    job!("labels" Type::TextMap, TextMap, labels,
        "Labels for the targets of this list, as in { zone = \"a\" }.",
        "为 targets 中的目标附加的标签，例如 { zone = \"a\" }。"),
    rule!(metric_relabel "action" Type::Choice(ACTIONS), Text, action,
        "What the rule does. [[scrape.metric_relabel]] is applied to samples, after the labels of the target were added.",
        "规则的动作。[[scrape.metric_relabel]] 在附加目标标签之后作用于样本。"),
    rule!(metric_relabel "modulus" Type::Count { min: 1 }, Count, modulus,
        "For hashmod: how many shards there are.", "用于 hashmod：分片数。"),
    rule!(metric_relabel "regex" Type::Text, Text, regex,
        "Anchored at both ends. Default: (.*).", "正则表达式，首尾锚定，默认 (.*)。"),
    rule!(metric_relabel "replacement" Type::Text, Text, replacement,
        "With $1 for the first group. Default: $1.", "替换文本，$1 表示第一个分组，默认 $1。"),
    rule!(metric_relabel "separator" Type::Text, Text, separator,
        "Between the values of the source labels. Default: ;.", "源标签取值之间的分隔符，默认 ;。"),
    rule!(metric_relabel "source_labels" Type::TextList, TextList, source_labels,
        "Labels whose values are joined and matched.", "取值被拼接并匹配的源标签。"),
    rule!(metric_relabel "target_label" Type::Text, Text, target_label,
        "The label that is set.", "要设置的标签。"),
    job!("native_histograms" Type::Flag, Flag, native_histograms,
        "Ask for protocol buffers, which alone carry native histograms. Where a histogram has both parts the native one is kept.",
        "以 Protocol Buffers 格式抓取，只有该格式包含原生直方图；同时具有两种形式时保留原生直方图。"),
    job!("params" Type::TextMap, TextMap, params,
        "Parameters of the URL, as in { module = \"http_2xx\" }.",
        "URL 参数，例如 { module = \"http_2xx\" }。"),
    job!("password_env" Type::Text, Text, password_env,
        "Name of the environment variable that holds the password for username.",
        "存放 username 对应密码的环境变量名。"),
    job!("path" Type::Text, Text, path,
        "Where on the targets the page is. Default: /metrics.",
        "指标页面在目标上的路径，默认 /metrics。"),
    rule!(relabel "action" Type::Choice(ACTIONS), Text, action,
        "What the rule does. [[scrape.relabel]] is applied to targets before they are read. Default: replace.",
        "规则的动作。[[scrape.relabel]] 在抓取前作用于目标。默认 replace。"),
    rule!(relabel "modulus" Type::Count { min: 1 }, Count, modulus,
        "For hashmod: how many shards there are.", "用于 hashmod：分片数。"),
    rule!(relabel "regex" Type::Text, Text, regex,
        "Anchored at both ends. Default: (.*).", "正则表达式，首尾锚定，默认 (.*)。"),
    rule!(relabel "replacement" Type::Text, Text, replacement,
        "With $1 for the first group. Default: $1.", "替换文本，$1 表示第一个分组，默认 $1。"),
    rule!(relabel "separator" Type::Text, Text, separator,
        "Between the values of the source labels. Default: ;.", "源标签取值之间的分隔符，默认 ;。"),
    rule!(relabel "source_labels" Type::TextList, TextList, source_labels,
        "Labels whose values are joined and matched: __address__, __scheme__, __metrics_path__, __param_NAME, __meta_filepath, __meta_url and what lists of targets bring.",
        "取值被拼接并匹配的源标签：__address__、__scheme__、__metrics_path__、__param_NAME、__meta_filepath、__meta_url 以及目标列表自带的标签。"),
    rule!(relabel "target_label" Type::Text, Text, target_label,
        "The label that is set.", "要设置的标签。"),
    job!("sample_limit" Type::Count { min: 1 }, Count, sample_limit,
        "Most samples of a page after [[scrape.metric_relabel]]; beyond it the page is refused.",
        "单个页面经 [[scrape.metric_relabel]] 后的样本数上限，超出则拒绝整个页面。"),
    job!("targets" Type::TextList, TextList, targets,
        "Addresses to read, as in [\"127.0.0.1:9100\"]. Only http:// is spoken.",
        "要抓取的地址，例如 [\"127.0.0.1:9100\"]。仅支持 http://。"),
    job!("timeout" Type::Period { min: Duration::from_millis(100) }, Period, timeout,
        "How long one page may take. Default: 10s, or the interval where that is shorter.",
        "读取单个页面的最长时间，默认 10s；interval 更短时取 interval。"),
    job!("username" Type::Text, Text, username,
        "Name for basic authentication.", "HTTP 基本认证的用户名。"),
];
