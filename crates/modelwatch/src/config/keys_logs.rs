//! The keys of `[logs]` and `[[log_file]]`.

use super::{
    keys::{Key, Type, Value},
    logs::FROM,
};

/// Sorted by path.
pub(super) static KEYS: &[Key] = &[
    Key {
        path: "log_file.compressed_history",
        kind: Type::Flag,
        default: "",
        help_en: "Read files that gzip or zstd made smaller too, once and from their start, where path meets them. Otherwise they are passed over.",
        help_zh: "path 匹配到的 gzip 或 zstd 压缩文件也从头读取一次；默认跳过压缩文件。",
        set: |config, value| {
            if let (Some(named), Value::Flag(flag)) = (config.logs.files.last_mut(), value) {
                named.file.is_compressed_history_read = flag;
            }
        },
    },
    Key {
        path: "log_file.engine",
        kind: Type::Choice(collect::EngineSetting::KINDS),
        default: "",
        help_en: "The kind of engine that writes these files.",
        help_zh: "写入这些文件的推理引擎类型。",
        set: |config, value| {
            if let (Some(named), Value::Text(text)) = (config.logs.files.last_mut(), value) {
                named.file.engine = text;
            }
        },
    },
    Key {
        path: "log_file.from",
        kind: Type::Choice(FROM),
        default: "",
        help_en: "Where to begin in files that are there when the path is looked for the first time: at their end, because old lines that do not say when they were written would be taken for news, or at their start. Files that appear later are read from their start, and files that were read before go on where they were. Default: end.",
        help_zh: "首次按该路径查找时已存在的文件从何处开始读取：end 为末尾（没有时间的旧日志行会被误认为新日志），start 为开头。之后新出现的文件从头读取，读过的文件从上次位置继续。默认为 end。",
        set: |config, value| {
            if let (Some(named), Value::Text(text)) = (config.logs.files.last_mut(), value) {
                named.file.from = match text.as_str() {
                    "start" => collect::log::From::Start,
                    _ => collect::log::From::End,
                };
            }
        },
    },
    Key {
        path: "log_file.instance",
        kind: Type::Text,
        default: "",
        help_en: "The label instance of the engine that writes these files, for example \"127.0.0.1:8000\".",
        help_zh: "写入这些文件的引擎的 instance 标签，例如 \"127.0.0.1:8000\"。",
        set: |config, value| {
            if let (Some(named), Value::Text(text)) = (config.logs.files.last_mut(), value) {
                named.file.instance = text;
            }
        },
    },
    Key {
        path: "log_file.path",
        kind: Type::Text,
        default: "",
        help_en: "Files to follow, for example \"/var/log/app/*.log\": * and ? stand for letters of a name, [a-z] for one of a set, ** for any folders. Names of rotated files need not be met. Required in each [[log_file]].",
        help_zh: "要跟踪的文件，例如 \"/var/log/app/*.log\"：* 与 ? 匹配文件名中的字符，[a-z] 匹配字符集合，** 匹配任意层目录。无需匹配轮转后的文件名。每个 [[log_file]] 必填。",
        set: |config, value| {
            if let (Some(named), Value::Text(text)) = (config.logs.files.last_mut(), value) {
                named.file.path = text;
            }
        },
    },
    Key {
        path: "log_file.service",
        kind: Type::Text,
        default: "",
        help_en: "The name of the program that writes these files.",
        help_zh: "写入这些文件的程序名称。",
        set: |config, value| {
            if let (Some(named), Value::Text(text)) = (config.logs.files.last_mut(), value) {
                named.file.service = text;
            }
        },
    },
    Key {
        path: "logs.auth",
        kind: Type::Flag,
        default: "true",
        help_en: "Follow who logged in: /var/log/auth.log, /var/log/secure, or the journal where neither is there.",
        help_zh: "跟踪登录日志：/var/log/auth.log、/var/log/secure；两者都没有时读取 systemd 日志。",
        set: |config, value| {
            if let Value::Flag(flag) = value {
                config.logs.auth = flag;
            }
        },
    },
    Key {
        path: "logs.bytes_per_second_max",
        kind: Type::Count { min: 1_000 },
        default: "20000000",
        help_en: "How many bytes of one log are read in a second. The rest stays in its file until there is time; of the kernel's log what is overwritten meanwhile is counted.",
        help_zh: "单个日志每秒最多读取的字节数。其余内容留在文件中稍后读取；内核日志中来不及读取而被覆盖的部分会被计数。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.logs.limits.bytes_per_second = count;
            }
        },
    },
    Key {
        path: "logs.discover",
        kind: Type::Flag,
        default: "true",
        help_en: "Follow the logs of engines that were found: the file behind their output, the journal of their unit, the log of their container, their own folders.",
        help_zh: "跟踪已发现引擎的日志：标准输出所指的文件、所属单元的 systemd 日志、容器日志以及引擎自身的日志目录。",
        set: |config, value| {
            if let Value::Flag(flag) = value {
                config.logs.discover = flag;
            }
        },
    },
    Key {
        path: "logs.kernel",
        kind: Type::Flag,
        default: "true",
        help_en: "Follow messages of the kernel: /dev/kmsg, or /var/log/kern.log where that cannot be read.",
        help_zh: "跟踪内核日志：/dev/kmsg；无法读取时改用 /var/log/kern.log。",
        set: |config, value| {
            if let Value::Flag(flag) = value {
                config.logs.kernel = flag;
            }
        },
    },
    Key {
        path: "logs.lines_per_second_max",
        kind: Type::Count { min: 10 },
        default: "20000",
        help_en: "How many lines of one log are read in a second; see logs.bytes_per_second_max.",
        help_zh: "单个日志每秒最多读取的行数，参见 logs.bytes_per_second_max。",
        set: |config, value| {
            if let Value::Count(count) = value {
                config.logs.limits.lines_per_second = count;
            }
        },
    },
];
