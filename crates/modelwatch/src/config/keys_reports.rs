//! The keys of `[[report]]` and `[reports]`.

use super::keys::{Key, Type, Value};

/// A key of the schedule that was begun last.
macro_rules! report {
    ($path:literal $kind:expr, $variant:ident, $default:literal, $field:ident, $en:literal, $zh:literal) => {
        Key {
            path: concat!("report.", $path),
            kind: $kind,
            default: $default,
            help_en: $en,
            help_zh: $zh,
            set: |config, value| {
                if let (Some(report), Value::$variant(value)) =
                    (config.reports.schedules.last_mut(), value)
                {
                    report.$field = value;
                }
            },
        }
    };
}

/// Sorted by path.
pub(super) static KEYS: &[Key] = &[
    report!("at" Type::Text, Text, "", at,
        "Time of day at which it is made, on the clocks of zone; 08:00 without it.",
        "生成时刻（按 zone 的时区），默认 08:00。"),
    report!("channels" Type::TextList, TextList, "", channels,
        "Channels that it is sent through, by their names: mail carries the files, webhooks carry them as base64, others get a link.",
        "发送报告的通知渠道名称：邮件附带文件，webhook 以 base64 携带，其余发送链接。"),
    report!("every" Type::Choice(&["daily", "weekly", "monthly"]), Text, "", every,
        "What it is about: the day before, the week from Monday on, or the month; daily without it.",
        "报告范围：前一天、前一周（周一起）或前一个月；默认 daily。"),
    report!("folder" Type::Text, Text, "", folder,
        "A folder that the files are written into besides; it has to exist.",
        "同时写入文件的目录，必须已存在。"),
    report!("formats" Type::TextList, TextList, "", formats,
        "html, pdf, csv; html without it.",
        "html、pdf、csv；默认 html。"),
    report!("language" Type::Choice(&["en", "zh"]), Text, "", language,
        "The language that it is written in; the program's without it.",
        "报告语言；默认为程序的语言。"),
    report!("model" Type::Text, Text, "", model,
        "The only model that it is about; all without it.",
        "仅针对该模型；默认为全部模型。"),
    report!("name" Type::Text, Text, "", name,
        "Names it on the page and in files. Required in each [[report]].",
        "在页面和文件名中使用的名称。每个 [[report]] 必填。"),
    report!("zone" Type::Text, Text, "", zone,
        "Time zone of its days and times, such as \"Asia/Shanghai\"; that of this machine without it.",
        "报告日期与时间的时区，例如 \"Asia/Shanghai\"；默认为本机时区。"),
    Key {
        path: "reports.currency",
        kind: Type::Text,
        default: "",
        help_en: "Stands behind costs, for example \"EUR\".",
        help_zh: "费用的货币单位，例如 \"CNY\"。",
        set: |config, value| {
            if let Value::Text(value) = value {
                config.reports.currency = value;
            }
        },
    },
    Key {
        path: "reports.energy_price",
        kind: Type::Text,
        default: "",
        help_en: "What a kilowatt-hour costs, for example \"0.30\", so that reports tell the cost of energy.",
        help_zh: "每千瓦时电价，例如 \"0.60\"；设置后报告会给出电费。",
        set: |config, value| {
            if let Value::Text(value) = value {
                config.reports.energy_price = value;
            }
        },
    },
    Key {
        path: "reports.folders",
        kind: Type::TextList,
        default: "",
        help_en: "Folders, absolute, in and below which schedules of the page may write files; into none without it. Those of the configuration may name any.",
        help_zh: "允许在页面上设置的计划写入文件的目录（绝对路径，含其子目录）；默认不允许。配置文件中的计划不受此限。",
        set: |config, value| {
            if let Value::TextList(value) = value {
                config.reports.folders = value;
            }
        },
    },
];
