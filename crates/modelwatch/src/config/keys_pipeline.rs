//! The keys of `[[log_pipeline]]` and of its steps.

use logs::pipeline::StepText;

use super::{
    Config,
    keys::{Key, Type, Value},
};

/// The words of `type`, sorted.
const TYPES: &[&str] = &["counter", "gauge"];

/// A key of the pipeline that was begun last.
macro_rules! pipeline {
    ($name:literal, $field:ident, $en:literal, $zh:literal) => {
        Key {
            path: concat!("log_pipeline.", $name),
            kind: Type::Text,
            default: "",
            help_en: $en,
            help_zh: $zh,
            set: |config: &mut Config, value| {
                if let (Some(pipeline), Value::Text(value)) =
                    (config.log_pipelines.last_mut(), value)
                {
                    pipeline.text.$field = value;
                }
            },
        }
    };
}

/// A key of the step that was begun last.
macro_rules! step {
    ($name:literal $kind:expr, $variant:ident, $field:ident, $en:literal, $zh:literal) => {
        Key {
            path: concat!("log_pipeline.step.", $name),
            kind: $kind,
            default: "",
            help_en: $en,
            help_zh: $zh,
            set: |config: &mut Config, value| {
                let pipeline = config.log_pipelines.last_mut();
                let step: Option<&mut StepText> =
                    pipeline.and_then(|pipeline| pipeline.text.steps.last_mut());
                if let (Some(step), Value::$variant(value)) = (step, value) {
                    step.$field = value.into();
                }
            },
        }
    };
}

/// Sorted by path.
pub(super) static KEYS: &[Key] = &[
    pipeline!(
        "match",
        matches,
        "Which lines the pipeline is for, as in \"service = nginx and origin = /var/log/nginx/*.log\"; all lines without it. See [log pipelines](log-pipelines.md).",
        "流水线处理哪些日志行，例如 \"service = nginx and origin = /var/log/nginx/*.log\"；不填则处理所有行。参见 [日志流水线](log-pipelines.md)。"
    ),
    pipeline!(
        "name",
        name,
        "Name of the pipeline. Required in each [[log_pipeline]].",
        "流水线名称。每个 [[log_pipeline]] 必填。"
    ),
    step!("by" Type::Text, Text, by,
        "For sample: count lines separately by this field, or by pattern, which is the body without its values.",
        "用于 sample：按该字段的取值分别计数；pattern 表示按去除数值后的正文。"),
    step!("drop" Type::Text, Text, drop,
        "Drop the lines for which this condition holds, as in \"url.path = /health\".",
        "丢弃满足该条件的行，例如 \"url.path = /health\"。"),
    step!("from" Type::Text, Text, from,
        "The field to read. Default: body; level for severity, time for time; for redact the body and all attributes; for a counter none, which counts lines.",
        "要读取的字段。默认 body；severity 默认 level，time 默认 time；redact 默认正文与所有属性；计数器默认不读字段，仅统计行数。"),
    step!("grok" Type::Text, Text, grok,
        "Give fields what a grok pattern matches, as in \"%{IP:client.address} %{GREEDYDATA:body}\".",
        "用 grok 模式提取字段，例如 \"%{IP:client.address} %{GREEDYDATA:body}\"。"),
    step!("if" Type::Text, Text, when,
        "Take this step only with lines for which this condition holds.",
        "仅对满足该条件的行执行此步骤。"),
    step!("json" Type::Flag, Flag, json,
        "Make attributes of the fields of a JSON object.",
        "将 JSON 对象的各字段转为属性。"),
    step!("labels" Type::TextMap, TextMap, labels,
        "For metric: labels and the fields that their values come from, as in { status = \"http.response.status_code\" }.",
        "用于 metric：标签及其取值所来自的字段，例如 { status = \"http.response.status_code\" }。"),
    step!("logfmt" Type::Flag, Flag, logfmt,
        "Make attributes of name=value pairs.",
        "将 name=value 形式的键值对转为属性。"),
    step!("metric" Type::Text, Text, metric,
        "Make samples of this metric, whose values come from a field.",
        "由字段的值生成该指标的样本。"),
    step!("patterns" Type::TextMap, TextMap, patterns,
        "For grok: patterns of your own by name, as in { SHARD = \"\\\\d+/\\\\d+\" }.",
        "用于 grok：自定义模式，例如 { SHARD = \"\\\\d+/\\\\d+\" }。"),
    step!("prefix" Type::Text, Text, prefix,
        "For json and logfmt: what stands before the names of the attributes.",
        "用于 json 与 logfmt：属性名的前缀。"),
    step!("redact" Type::TextList, TextList, redact,
        "Take out what these find: email, id_cn, ipv4, phone_cn, secret, or a regular expression.",
        "去除匹配的内容：email、id_cn（身份证号）、ipv4、phone_cn（手机号）、secret（密钥与口令），或正则表达式。"),
    step!("regex" Type::Text, Text, regex,
        "Give fields what the named groups of a regular expression match, as in \"took (?<took>\\\\d+)\".",
        "用正则表达式的命名分组提取字段，例如 \"took (?<took>\\\\d+)\"。"),
    step!("remove" Type::TextList, TextList, remove,
        "Remove these attributes.", "删除这些属性。"),
    step!("rename" Type::TextMap, TextMap, rename,
        "Give fields other names, as in { lvl = \"severity\", msg = \"body\" }.",
        "重命名字段，例如 { lvl = \"severity\", msg = \"body\" }。"),
    step!("replacement" Type::Text, Text, replacement,
        "For redact: what stands in its place, with $1 for the first group.",
        "用于 redact：替换成的文本，$1 表示第一个分组。"),
    step!("route" Type::TextMap, TextMap, route,
        "Say whose lines they are: host, service, engine, instance, model.",
        "指定日志所属的 host、service、engine、instance、model。"),
    step!("sample" Type::Count { min: 1 }, Count, sample,
        "Keep the first line and then one of so many.",
        "保留第一行，此后每若干行保留一行。"),
    step!("set" Type::TextMap, TextMap, set,
        "Give fields values, in which ${field} stands for that of another.",
        "设置字段的值，其中 ${field} 表示另一字段的值。"),
    step!("severity" Type::TextMap, TextMap, severity,
        "Take the severity from a field, whose values may be given meanings, as in { notice = \"info\" }.",
        "从字段读取严重级别，可指定取值的含义，例如 { notice = \"info\" }。"),
    step!("time" Type::TextList, TextList, time,
        "Take the time from a field, written as these examples show the moment Mon Jan 2 15:04:05 2006 -0700; with no example, in any usual way.",
        "从字段读取时间；以时刻 Mon Jan 2 15:04:05 2006 -0700 的写法作为示例，列表为空则识别各种常见写法。"),
    step!("type" Type::Choice(TYPES), Text, kind,
        "For metric: whether values are as they are or add up. Default: gauge.",
        "用于 metric：取值为当前值（gauge）或累加（counter），默认 gauge。"),
];
