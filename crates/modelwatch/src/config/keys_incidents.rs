//! The keys of `[incidents]`, `[[route]]`, `[[inhibit]]`, `[[maintenance]]` and `[[alertmanager]]`, named as in
//! Alertmanager's and Prometheus' own configuration where those have them.

use std::time::Duration;

use super::keys::{Key, Type, Value};

/// A key of the entry of a list that was begun last.
macro_rules! of {
    ($section:literal $list:ident $path:literal $kind:expr, $variant:ident, $field:ident, $en:literal, $zh:literal) => {
        Key {
            path: concat!($section, ".", $path),
            kind: $kind,
            default: "",
            help_en: $en,
            help_zh: $zh,
            set: |config, value| {
                if let (Some(entry), Value::$variant(value)) =
                    (config.incidents.$list.last_mut(), value)
                {
                    entry.$field = value.into();
                }
            },
        }
    };
}

macro_rules! route {
    ($path:literal $kind:expr, $variant:ident, $field:ident, $en:literal, $zh:literal) => {
        of!("route" routes $path $kind, $variant, $field, $en, $zh)
    };
}

macro_rules! alertmanager {
    ($path:literal $kind:expr, $variant:ident, $field:ident, $en:literal, $zh:literal) => {
        of!("alertmanager" alertmanagers $path $kind, $variant, $field, $en, $zh)
    };
}

const ANY: Type = Type::Period { min: Duration::ZERO };
const LONG: Type = Type::Period { min: Duration::from_secs(1) };

/// Sorted by path.
pub(super) static KEYS: &[Key] = &[
    alertmanager!("ca_file" Type::Text, Text, ca_file,
        "File in PEM with the certificates to trust; without it those of the system.",
        "信任的证书文件（PEM），省略时使用系统证书。"),
    alertmanager!("instead" Type::Flag, Flag, is_instead,
        "Leave notifications to Alertmanagers: channels of this program are not told. Default: false.",
        "通知完全交由 Alertmanager 负责，本程序的通知渠道不再发送。默认 false。"),
    alertmanager!("password" Type::Text, Text, password,
        "Where the password for username is: env:NAME or file:PATH.",
        "username 对应的密码的引用：env:变量名 或 file:路径。"),
    alertmanager!("timeout" LONG, Period, timeout,
        "How long one request may take. Default: 10s.", "单个请求的最长时间，默认 10s。"),
    alertmanager!("token" Type::Text, Text, token,
        "Where the bearer token is: env:NAME or file:PATH.",
        "Bearer 令牌的引用：env:变量名 或 file:路径。"),
    alertmanager!("url" Type::EngineUrl, Text, url,
        "An Alertmanager that alerts are sent to, for example http://127.0.0.1:9093; a path before /api/v2 may follow. Required in each [[alertmanager]].",
        "接收告警的 Alertmanager 地址，例如 http://127.0.0.1:9093；其后可带 /api/v2 之前的路径前缀。每个 [[alertmanager]] 必填。"),
    alertmanager!("username" Type::Text, Text, username,
        "Name for basic authentication.", "HTTP 基本认证的用户名。"),
    Key {
        path: "incidents.builtin_inhibitions",
        kind: Type::Flag,
        default: "true",
        help_en: "Hold back alerts that the built-in inhibitions say another explains, such as slow answers of an engine that is down.",
        help_zh: "启用内置抑制规则：例如引擎已离线时，不再通知其响应缓慢的告警。",
        set: |config, value| {
            if let Value::Flag(value) = value {
                config.incidents.has_builtin_inhibitions = value;
            }
        },
    },
    of!("inhibit" inhibitions "equal" Type::TextList, TextList, equal,
        "Labels whose values both alerts must share.", "源告警与目标告警取值必须相同的标签。"),
    of!("inhibit" inhibitions "source" Type::TextList, TextList, source,
        "Which alerts hold others back while they fire, for example [\"alertname=\\\"EngineDown\\\"\"]. Required in each [[inhibit]].",
        "触发期间抑制其他告警的源告警，例如 [\"alertname=\\\"EngineDown\\\"\"]。每个 [[inhibit]] 必填。"),
    of!("inhibit" inhibitions "target" Type::TextList, TextList, target,
        "Which alerts they hold back. Required in each [[inhibit]].", "被抑制的目标告警。每个 [[inhibit]] 必填。"),
    of!("maintenance" windows "end" Type::Text, Text, end,
        "When the window ends, as 2026-12-01T06:00:00+08:00. Required in each [[maintenance]].",
        "维护窗口的结束时间，格式 2026-12-01T06:00:00+08:00。每个 [[maintenance]] 必填。"),
    of!("maintenance" windows "match" Type::TextList, TextList, matchers,
        "Which alerts nobody is told of in the window, for example [\"instance=~\\\"gpu-1:.*\\\"\"]; all without it.",
        "窗口期间不通知的告警，例如 [\"instance=~\\\"gpu-1:.*\\\"\"]；省略时为全部告警。"),
    of!("maintenance" windows "name" Type::Text, Text, name,
        "Name of the window. Required in each [[maintenance]].", "维护窗口的名称。每个 [[maintenance]] 必填。"),
    of!("maintenance" windows "repeat" Type::Choice(&["daily", "none", "weekly"]), Text, repeat,
        "Whether it comes again every day or week, by the clock of its zone. Default: none.",
        "是否按其时区每天或每周重复，默认 none。"),
    of!("maintenance" windows "start" Type::Text, Text, start,
        "When the window begins, as 2026-12-01T04:00:00+08:00. Required in each [[maintenance]].",
        "维护窗口的开始时间，格式 2026-12-01T04:00:00+08:00。每个 [[maintenance]] 必填。"),
    of!("maintenance" windows "zone" Type::Text, Text, zone,
        "The zone in which it repeats, such as Asia/Shanghai. Default: this machine's.",
        "重复所依据的时区，例如 Asia/Shanghai；默认为本机时区。"),
    route!("active_hours" Type::TextList, TextList, active_hours,
        "When channels are told, for example [\"mon-fri 08:00-20:00\"]; outside they wait.",
        "允许通知的时段，例如 [\"mon-fri 08:00-20:00\"]；其余时间暂缓通知。"),
    route!("channels" Type::TextList, TextList, channels,
        "Names of the channels that are told. Default: those of the parent; of the route default all channels.",
        "接收通知的渠道名称。默认沿用上级路由；default 路由默认为所有渠道。"),
    route!("continue" Type::Flag, Flag, goes_on,
        "Ask the routes after this one as well. Default: false.", "匹配后继续尝试后面的同级路由，默认 false。"),
    route!("escalate_after" ANY, Period, escalate_after,
        "How long somebody has to acknowledge before escalate_to is told as well; 0s for no escalation. Default: that of the parent.",
        "超过该时间无人确认则同时通知 escalate_to；0s 表示不升级。默认沿用上级路由。"),
    route!("escalate_to" Type::TextList, TextList, escalate_to,
        "Channels that are told when nobody acknowledged in time. Default: those of the parent.",
        "无人及时确认时升级通知的渠道。默认沿用上级路由。"),
    route!("group_by" Type::TextList, TextList, group_by,
        "Labels by which alerts are one incident; \"...\" stands for all. Default: those of the parent; of the route default [\"alertname\"].",
        "按哪些标签将告警合并为一个事件；\"...\" 表示全部标签。默认沿用上级路由；default 路由为 [\"alertname\"]。"),
    route!("group_interval" LONG, Period, group_interval,
        "How long after a notification of a group the next may say what changed. Default: that of the parent; of the route default 5m.",
        "同一组的变化最早在上次通知后多久再次通知。默认沿用上级路由；default 路由为 5m。"),
    route!("group_wait" ANY, Period, group_wait,
        "How long a new group waits for further alerts before it is told. Default: that of the parent; of the route default 0s.",
        "新的一组在首次通知前等待更多告警的时间。默认沿用上级路由；default 路由为 0s。"),
    route!("match" Type::TextList, TextList, matchers,
        "Which alerts take this route, for example [\"severity=\\\"critical\\\"\", \"model=~\\\"qwen.*\\\"\"]: all must match.",
        "走该路由的告警，例如 [\"severity=\\\"critical\\\"\", \"model=~\\\"qwen.*\\\"\"]，须全部匹配。"),
    route!("name" Type::Text, Text, name,
        "Name of the route. That of default stands above all and takes what no other takes. Required in each [[route]].",
        "路由名称。名为 default 的路由位于最上层，处理其他路由均未匹配的告警。每个 [[route]] 必填。"),
    route!("parent" Type::Text, Text, parent,
        "Name of the route above this one. Default: default.", "上级路由的名称，默认为 default。"),
    route!("quiet_hours" Type::TextList, TextList, quiet_hours,
        "When channels are not told, for example [\"22:00-07:00\", \"sat,sun 00:00-24:00\"]; what still fires afterwards is told then.",
        "免打扰时段，例如 [\"22:00-07:00\", \"sat,sun 00:00-24:00\"]；之后仍在触发的告警届时再通知。"),
    route!("repeat_interval" ANY, Period, repeat_interval,
        "How often a group is told again that goes on unchanged; 0s for never. Default: that of the parent; of the route default 4h.",
        "持续且无变化的一组重复通知的间隔；0s 表示不重复。默认沿用上级路由；default 路由为 4h。"),
    route!("zone" Type::Text, Text, zone,
        "The zone of its hours, such as Asia/Shanghai. Default: that of the parent; of the route default this machine's.",
        "时段所用的时区，例如 Asia/Shanghai。默认沿用上级路由；default 路由为本机时区。"),
];
