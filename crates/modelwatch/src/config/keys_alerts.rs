//! The keys of `[alerts]` and `[[objective]]`.

use std::time::Duration;

use super::keys::{Key, Type, Value};

macro_rules! own {
    ($path:literal $kind:expr, $variant:ident, $default:literal, $field:ident, $en:literal, $zh:literal) => {
        Key {
            path: concat!("alerts.", $path),
            kind: $kind,
            default: $default,
            help_en: $en,
            help_zh: $zh,
            set: |config, value| {
                if let Value::$variant(value) = value {
                    config.alerts.$field = value;
                }
            },
        }
    };
}

/// A key of the objective that was begun last.
macro_rules! objective {
    ($path:literal $kind:expr, $variant:ident, $field:ident, $en:literal, $zh:literal) => {
        Key {
            path: concat!("objective.", $path),
            kind: $kind,
            default: "",
            help_en: $en,
            help_zh: $zh,
            set: |config, value| {
                if let (Some(objective), Value::$variant(value)) =
                    (config.objectives.last_mut(), value)
                {
                    objective.$field = value.into();
                }
            },
        }
    };
}

const ANY: Type = Type::Period { min: Duration::ZERO };
const SHORT: Type = Type::Period { min: Duration::from_millis(1) };
const LONG: Type = Type::Period { min: Duration::from_secs(1) };

/// Sorted by path.
pub(super) static KEYS: &[Key] = &[
    own!("builtin" Type::Flag, Flag, "true", has_builtin,
        "Whether the built-in rules are evaluated. Single ones are turned off on the page Alerts.",
        "是否启用内置告警规则。单条规则可在“告警”页面停用。"),
    own!("enabled" Type::Flag, Flag, "true", is_enabled,
        "Whether rules are evaluated at all.",
        "是否执行规则评估。"),
    own!("evaluation_interval" LONG, Period, "\"15s\"", evaluation_interval,
        "How often groups of rules are evaluated that have no interval of their own.",
        "未自行设置 interval 的规则组的评估间隔。"),
    own!("external_labels" Type::TextMap, TextMap, "{}", external_labels,
        "Labels added to every alert, for example { site = \"a\" }; templates know them as $externalLabels.",
        "附加到每条告警的标签，例如 { site = \"a\" }；模板中为 $externalLabels。"),
    own!("external_url" Type::Text, Text, "", external_url,
        "Where people reach this page, for links in notifications. Default: the address that is listened on.",
        "用户访问本页面的地址，用于通知中的链接。默认为监听地址。"),
    own!("query_offset" ANY, Period, "\"0s\"", query_offset,
        "How far behind the present rules are evaluated that say nothing else; for samples that come late.",
        "未自行设置 query_offset 的规则组向过去偏移的时间，用于样本到达较晚的情形。"),
    own!("resend_delay" LONG, Period, "\"1m\"", resend_delay,
        "How often an alert that goes on firing is told again to Alertmanagers.",
        "持续触发的告警重复发送给 Alertmanager 的间隔。"),
    own!("rule_files" Type::TextList, TextList, "[]", rule_files,
        "Prometheus' rule files, for example [\"/etc/prometheus/rules/*.yml\"]. They are read again when they change.",
        "Prometheus 规则文件，例如 [\"/etc/prometheus/rules/*.yml\"]；文件变化时自动重新加载。"),
    objective!("model" Type::Text, Text, model,
        "The model that the objective is for, as its label says; \"*\" for all that have none of their own. Required in each [[objective]].",
        "目标所针对的模型（model 标签的值）；\"*\" 表示其余所有模型。每个 [[objective]] 必填。"),
    objective!("ratio" Type::Text, Text, ratio,
        "The part of the requests that must be within ttft and tpot. Default: \"95%\".",
        "须满足 ttft 与 tpot 目标的请求比例，默认 \"95%\"。"),
    objective!("success" Type::Text, Text, success,
        "The part of the requests that must not fail, for example \"99.5%\".",
        "须成功完成的请求比例，例如 \"99.5%\"。"),
    objective!("tpot" SHORT, Period, tpot,
        "The longest time per output token that counts as good, for example \"50ms\".",
        "每个输出 token 的最长达标耗时，例如 \"50ms\"。"),
    objective!("ttft" SHORT, Period, ttft,
        "The longest time to first token that counts as good, for example \"1s\".",
        "首 Token 延迟的达标上限，例如 \"1s\"。"),
];
