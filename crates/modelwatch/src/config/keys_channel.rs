//! The keys of `[[channel]]`.

use std::time::Duration;

use super::keys::{Key, Type, Value};

/// A key of the channel that was begun last.
macro_rules! channel {
    ($path:literal $kind:expr, $variant:ident, $field:ident, $en:literal, $zh:literal) => {
        Key {
            path: concat!("channel.", $path),
            kind: $kind,
            default: "",
            help_en: $en,
            help_zh: $zh,
            set: |config, value| {
                if let (Some(channel), Value::$variant(value)) = (config.channels.last_mut(), value)
                {
                    channel.$field = value.into();
                }
            },
        }
    };
}

/// Sorted by path.
pub(super) static KEYS: &[Key] = &[
    channel!("allow_command" Type::Flag, Flag, allow_command,
        "Accept that modelwatch starts the program in command for each notification. Needed for kind command.",
        "允许 modelwatch 在每次通知时运行 command 中的程序；kind 为 command 时必须设为 true。"),
    channel!("allow_private_addresses" Type::Flag, Flag, allow_private_addresses,
        "Accept that the channel's host has an address of this machine or of a private network. Link-local addresses, and with them the metadata services of clouds, are never connected to.",
        "允许该渠道的主机使用本机或私有网络地址。链路本地地址（包括云厂商的元数据服务）始终拒绝连接。"),
    channel!("ca_file" Type::Text, Text, ca_file,
        "File in PEM with the certificates that are trusted. Default: those of the system.",
        "所信任的证书文件（PEM 格式），默认使用系统证书。"),
    channel!("chart" Type::Flag, Flag, chart,
        "Whether a picture of a chart goes with a message where the channel can show one: smtp, telegram, ntfy. Default: true.",
        "渠道支持图片时（smtp、telegram、ntfy）是否附上图表，默认 true。"),
    channel!("command" Type::TextList, TextList, command,
        "For kind command: a program with its absolute path, and its arguments. No shell takes part; the message comes as JSON on its input, and the exit status 0 says that it was taken.",
        "用于 kind 为 command：程序的绝对路径及其参数。不经过 shell；消息以 JSON 形式从标准输入传入，退出码 0 表示已接收。"),
    channel!("from" Type::Text, Text, from,
        "For kind smtp: the sender, for example \"modelwatch <mw@example.com>\".",
        "用于 kind 为 smtp：发件人，例如 \"modelwatch <mw@example.com>\"。"),
    channel!("kind" Type::Choice(deliver::Kind::NAMES), Text, kind,
        "What service it is. Required in each [[channel]].",
        "服务类型。每个 [[channel]] 必填。"),
    channel!("language" Type::Choice(&["en", "zh"]), Text, language,
        "Language of the messages. Default: that of the program.",
        "消息语言，默认与程序语言一致。"),
    channel!("name" Type::Text, Text, name,
        "Name of the channel, by which routes and reports choose it. Required in each [[channel]].",
        "渠道名称，供路由与报告引用。每个 [[channel]] 必填。"),
    channel!("rate_limit" Type::Text, Text, rate_limit,
        "Most messages in any span, for example \"20/min\"; units are s, min, h and d. What is more waits. Default: what the service lets through, for example \"20/min\" for dingtalk and wecom.",
        "任意时间窗口内的消息数上限，例如 \"20/min\"，单位为 s、min、h、d；超出的消息排队等待。默认取服务自身的限制，例如 dingtalk 与 wecom 为 \"20/min\"。"),
    channel!("secret" Type::Text, Text, secret,
        "Where the secret is that messages are signed with (dingtalk, feishu, lark, webhook), or the password (smtp): \"env:NAME\" or \"file:/path\".",
        "签名密钥（dingtalk、feishu、lark、webhook）或密码（smtp）的存放位置：\"env:变量名\" 或 \"file:/路径\"。"),
    channel!("send_resolved" Type::Flag, Flag, send_resolved,
        "Whether the channel is told that alerts are over. Default: true.",
        "告警恢复时是否通知该渠道，默认 true。"),
    channel!("template_text" Type::Text, Text, template_text,
        "A Go template for the text, over the data of Alertmanager's templates. Default: the built-in text.",
        "正文模板（Go 模板语法，数据与 Alertmanager 的模板相同），默认使用内置文本。"),
    channel!("template_title" Type::Text, Text, template_title,
        "A Go template for the title.",
        "标题模板（Go 模板语法）。"),
    channel!("timeout" Type::Period { min: Duration::from_millis(100) }, Period, timeout,
        "How long one attempt may take. Default: 10s.",
        "单次发送的超时时间，默认 10s。"),
    channel!("to" Type::TextList, TextList, to,
        "Who is told: addresses (smtp), one chat (telegram), one topic (ntfy), numbers to mention or \"all\" (dingtalk).",
        "接收方：邮件地址（smtp）、一个会话 ID（telegram）、一个主题（ntfy）、要 @ 的手机号或 \"all\"（dingtalk）。"),
    channel!("token" Type::Text, Text, token,
        "Where the token is by which the service knows the channel: access_token (dingtalk), token of the hook (feishu, lark), key (wecom, serverchan, bark), token of the bot (telegram), routing key (pagerduty), bearer token (webhook, ntfy). \"env:NAME\" or \"file:/path\".",
        "服务用以识别该渠道的令牌的存放位置：access_token（dingtalk）、Webhook 令牌（feishu、lark）、key（wecom、serverchan、bark）、机器人令牌（telegram）、routing key（pagerduty）、Bearer 令牌（webhook、ntfy）。写作 \"env:变量名\" 或 \"file:/路径\"。"),
    channel!("url" Type::Text, Text, url,
        "Address of the service: needed for webhook, smtp (smtps://, smtp:// with STARTTLS, smtp-plain://), slack and teams; for the others their public one by default. Where the address is a secret, as with slack and teams, \"env:NAME\" or \"file:/path\".",
        "服务地址：webhook、smtp（smtps://、使用 STARTTLS 的 smtp://、smtp-plain://）、slack、teams 必填，其余默认使用其公共地址。地址本身是机密时（slack、teams）写作 \"env:变量名\" 或 \"file:/路径\"。"),
    channel!("username" Type::Text, Text, username,
        "For kind smtp: the name to log in with; needs secret.",
        "用于 kind 为 smtp：登录用户名，须同时填写 secret。"),
];
