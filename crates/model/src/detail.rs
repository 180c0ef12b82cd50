//! The details of failures in Chinese: why a source is absent, and what the operating system says.
//!
//! A detail is English text, as logs and issue trackers want it; a few dozen of them are shown so often that their
//! Chinese is kept here, under the English. What is not in the table is shown as it is. Each `{}` stands for anything.

use std::borrow::Cow;

/// English and Chinese.
pub static DETAILS: &[(&str, &str)] = &[
    ("the driver has no device", "驱动未报告任何设备"),
    ("the driver is not loaded{}", "驱动未加载{}"),
    ("a library of the driver is missing{}", "缺少驱动的某个库{}"),
    ("no permission{}", "无权限{}"),
    ("the operating system refuses the device{}", "操作系统拒绝访问该设备{}"),
    ("MTML lists no device", "MTML 未列出任何设备"),
    ("CNDEV lists no device", "CNDEV 未列出任何设备"),
    ("MXSML lists no device", "MXSML 未列出任何设备"),
    ("DCMI lists no NPU {}", "DCMI 未列出任何 NPU {}"),
    ("no command is given", "未指定命令"),
    ("vendors' libraries are read on 64-bit systems only", "仅在 64 位系统上读取厂商库"),
    ("no systemd in /run/systemd", "/run/systemd 中没有 systemd"),
    ("no interface in /sys/class/net", "/sys/class/net 中没有网卡"),
    ("no /sys/class/net/bonding_masters", "没有 /sys/class/net/bonding_masters"),
    ("sock_diag: this kernel has no inet_diag", "sock_diag：内核未启用 inet_diag"),
    ("no engine listens in this network namespace", "本网络命名空间中没有正在监听的引擎"),
    ("no process of an engine can be seen", "看不到任何引擎进程"),
    (
        "no folder into which models are downloaded; name others with collect.model_folders",
        "没有模型下载目录；可用 collect.model_folders 指定其他目录",
    ),
    (
        "no card of Intel with the driver xe or i915 in /sys/class/drm",
        "/sys/class/drm 中没有使用 xe 或 i915 驱动的 Intel 显卡",
    ),
    (
        "no card of vendor {} with a driver in /sys/class/drm",
        "/sys/class/drm 中没有厂商 {} 的已加载驱动的卡",
    ),
    ("no cpufreq in /sys/devices/system/cpu", "/sys/devices/system/cpu 中没有 cpufreq"),
    ("nothing about the board in /sys/class/dmi/id", "/sys/class/dmi/id 中没有主板信息"),
    (
        "no memory controller in /sys/devices/system/edac/mc",
        "/sys/devices/system/edac/mc 中没有内存控制器",
    ),
    ("no sensors in /sys/class/hwmon", "/sys/class/hwmon 中没有传感器"),
    ("no device in /sys/class/infiniband", "/sys/class/infiniband 中没有设备"),
    ("no disk in /sys/class/nvme", "/sys/class/nvme 中没有磁盘"),
    (
        "no device with a PCIe link in /sys/bus/pci/devices",
        "/sys/bus/pci/devices 中没有带 PCIe 链路的设备",
    ),
    (
        "no device in /sys/bus/pci/devices counts errors of its link",
        "/sys/bus/pci/devices 中没有设备统计链路错误",
    ),
    ("no energy counter in /sys/class/powercap", "/sys/class/powercap 中没有能耗计数器"),
    ("no node in /sys/devices/system/node", "/sys/devices/system/node 中没有 NUMA 节点"),
    (
        "no zone and no cooling device in /sys/class/thermal",
        "/sys/class/thermal 中没有温区，也没有散热设备",
    ),
    (
        "no readable /proc/pressure: start the kernel with psi=1 to have it",
        "/proc/pressure 不可读：以 psi=1 启动内核即可启用",
    ),
    ("{}: nothing in it", "{}：内容为空"),
    ("{}: No such file or directory (os error 2)", "{}：文件或目录不存在（os error 2）"),
    ("{}: Permission denied (os error 13)", "{}：权限不足（os error 13）"),
    ("{}: Connection refused (os error 111)", "{}：连接被拒绝（os error 111）"),
    ("no /{}", "没有 /{}"),
    ("not found: {}", "未找到：{}"),
    // Why a log pipeline cannot be used.
    ("{} is not the name of a field", "{} 不是字段名"),
    ("{} is not the name of a pattern", "{} 不是模式名"),
    ("{} is not the name of a metric", "{} 不是合法的指标名"),
    ("{} is not the name of a label", "{} 不是合法的标签名"),
    ("{} is not a severity", "{} 不是严重级别"),
    ("{} is not a number", "{} 不是数字"),
    ("{} is no attribute and cannot be removed", "{} 不是属性，不能删除"),
    (
        "{} is none of host, service, engine, instance, model",
        "{} 不是 host、service、engine、instance、model 之一",
    ),
    (
        "{} does not show day, month and hour of the moment Mon Jan 2 15:04:05 2006 -0700",
        "{} 未体现时刻 Mon Jan 2 15:04:05 2006 -0700 的日、月与小时",
    ),
    ("how a line came cannot be changed, but {} can", "日志来源不能修改，可改用 {}"),
    (
        "expected FIELD = VALUE, or one of != ~ !~ > >= < <= in the place of =",
        "应为 字段 = 值，= 也可以是 != ~ !~ > >= < <=",
    ),
    ("expected and, or, or the end, not {}", "此处应为 and、or 或结尾，而不是 {}"),
    ("expected a word, not {}", "此处应为一个词，而不是 {}"),
    ("a quotation mark is missing", "缺少引号"),
    ("a %{ has no }", "%{ 缺少对应的 }"),
    ("a ${ has no }", "${ 缺少对应的 }"),
    ("there is no pattern {}", "没有名为 {} 的模式"),
    ("patterns stand for each other more than {} deep", "模式互相引用超过 {} 层"),
    ("becomes longer than {} bytes", "展开后超过 {} 字节"),
    ("an example of a time is longer than {} bytes", "时间示例超过 {} 字节"),
    ("longer than {} bytes", "超过 {} 字节"),
    ("more than {} comparisons", "比较式超过 {} 个"),
    ("more than {} pipelines", "流水线超过 {} 个"),
    ("more than {} steps", "步骤超过 {} 个"),
    ("more than {} labels", "标签超过 {} 个"),
    ("another pipeline has that name", "已有同名的流水线"),
    ("it does nothing; give it one of {}", "该步骤没有动作，请指定以下之一：{}"),
    ("the step has {} already; make two steps of it", "该步骤已有 {}，请拆成两步"),
    ("it means nothing beside {}", "不能与 {} 一起使用"),
    ("it has no named group, so that it gives no field a value", "没有命名分组，无法为字段赋值"),
    ("modelwatch has a metric of that name itself", "与 modelwatch 自带的指标同名"),
    (
        "the name of a counter, and no other, ends with _total",
        "计数器名称必须以 _total 结尾，其他类型不能以此结尾",
    ),
    ("a gauge needs from, the field with its value", "gauge 需要用 from 指定取值的字段"),
    // What is wrong with rule files and their tests.
    ("not YAML: {}", "不是合法的 YAML：{}"),
    ("key {} is already in line {}", "键 {} 已在第 {} 行出现"),
    ("a key must be text, not {}", "键应为文本，而不是 {}"),
    ("only maps can be merged", "只有映射可以合并"),
    ("nested deeper than {} levels", "嵌套超过 {} 层"),
    ("more than {} values", "值超过 {} 个"),
    ("the file is longer than {} bytes", "文件超过 {} 字节"),
    ("the file is empty", "文件为空"),
    ("{} has no key {}; its keys are {}", "{} 没有键 {}，可用的键：{}"),
    ("{} must be a map, not {}", "{} 应为映射，而不是 {}"),
    ("{} must be a list, not {}", "{} 应为列表，而不是 {}"),
    ("{} must be text, not {}", "{} 应为文本，而不是 {}"),
    (
        "group {} is there already; each name may be used once in a file",
        "分组 {} 已存在，同一文件中名称不能重复",
    ),
    ("the group has no name", "分组没有名称"),
    ("the rule has neither \"record\" nor \"alert\"", "规则缺少 \"record\" 或 \"alert\""),
    (
        "the rule has both \"record\" and \"alert\"; only one may be set",
        "规则同时设置了 \"record\" 和 \"alert\"，只能设置其一",
    ),
    ("the rule has no \"expr\"", "规则缺少 \"expr\""),
    ("cannot parse the expression: {}", "无法解析表达式：{}"),
    ("{} has no meaning in a recording rule", "{} 不能用于记录规则"),
    (
        "{} is no name of a metric; should its braces be in \"expr\" or \"labels\"?",
        "{} 不是合法的指标名；花括号部分是否应写在 \"expr\" 或 \"labels\" 中？",
    ),
    ("{} cannot be the name of a label", "{} 不能用作标签名"),
    ("an annotation needs a name", "注解需要名称"),
    ("label {} is no template: {}", "标签 {} 不是合法的模板：{}"),
    ("annotation {} is no template: {}", "注解 {} 不是合法的模板：{}"),
    (
        "{} is no duration; write for example 30s, 5m or 1h30m",
        "{} 不是时长，例如可写 30s、5m 或 1h30m",
    ),
    ("{} is longer than a duration can be", "{} 超出时长上限"),
    ("{} is no whole number", "{} 不是整数"),
    ("the environment variable {} is not set", "环境变量 {} 未设置"),
    ("route {}: there is no [[channel]] named {}", "路由 {}：没有名为 {} 的 [[channel]]"),
    ("at most {} are allowed", "最多允许 {} 个"),
    ("one rule is kept at a time; here are {}", "每次只能保存一条规则，这里有 {} 条"),
    ("rule {} is there already with the same labels", "已存在名称与标签都相同的规则 {}"),
    ("group {} is named twice", "分组 {} 出现了两次"),
    ("{} is neither true nor false", "{} 不是 true 或 false"),
    ("the test has no \"alertname\"", "测试缺少 \"alertname\""),
    ("not a series: {}", "不是序列：{}"),
    (
        "{} is no time; write seconds since 1970 or 2026-11-28T12:00:00Z",
        "{} 不是时间，可写 1970 年以来的秒数或 2026-11-28T12:00:00Z",
    ),
    // Why a notification was not taken.
    ("no answer within {}", "{} 内无应答"),
    ("the mail server did not finish within {}", "邮件服务器未在 {} 内完成"),
    ("{}: not over after {}", "{}：{} 后仍未结束"),
    ("{}: the path is not absolute", "{}：不是绝对路径"),
    ("{}: Connection reset by peer (os error 104)", "{}：连接被对方重置（os error 104）"),
    ("{}: No route to host (os error 113)", "{}：主机不可达（os error 113）"),
    ("{}: Network is unreachable (os error 101)", "{}：网络不可达（os error 101）"),
    ("{}: the name has no address", "{}：域名没有地址"),
    (
        "the address of {}, {}, is private; set allow_private_addresses = true for this channel if that is meant",
        "{} 的地址 {} 属于内网；若确需发送，请为该渠道设置 allow_private_addresses = true",
    ),
    (
        "the address of {}, {}, is one that notifications are never sent to",
        "{} 的地址 {} 属于从不允许发送通知的地址",
    ),
    ("TLS with {}: {}", "与 {} 建立 TLS 失败：{}"),
    (
        "this system has no bundle of trusted certificates; name one with ca_file",
        "系统没有受信任的证书包，请用 ca_file 指定",
    ),
    ("url is no address", "url 不是合法地址"),
    ("url begins neither with https:// nor with http://", "url 应以 https:// 或 http:// 开头"),
    (
        "url must be smtps://host, smtp://host or smtp-plain://host",
        "url 应为 smtps://host、smtp://host 或 smtp-plain://host",
    ),
    (
        "a password is not sent in clear: use smtp:// or smtps://",
        "密码不会以明文发送，请使用 smtp:// 或 smtps://",
    ),
    (
        "the mail server offers no STARTTLS; smtp-plain:// sends in clear if that is meant",
        "邮件服务器不支持 STARTTLS；若确需明文发送，请使用 smtp-plain://",
    ),
    ("the mail cannot be made: {}", "无法生成邮件：{}"),
    (
        "HTTP {} (redirects are not followed; put the final address into url)",
        "HTTP {}（不跟随重定向，请在 url 中填写最终地址）",
    ),
    ("an answer without {}: {}", "应答中没有 {}：{}"),
    (
        "the channel has sent {} already; it may again in {}",
        "该渠道已达发送上限（{}），{} 后可再次发送",
    ),
    ("the channel has sent {} already", "该渠道已达发送上限（{}）"),
    ("modelwatch itself failed while sending this", "modelwatch 发送时自身出错"),
    ("the file to send is gone: {}", "待发送的文件已不存在：{}"),
];

/// The Chinese of a detail, or the detail.
pub fn chinese(detail: &str) -> Cow<'_, str> {
    let found = DETAILS.iter().find_map(|(english, chinese)| {
        let filling = filling(english, detail)?;
        let mut parts = filling.into_iter();
        let pieces = chinese.split("{}").flat_map(|literal| [Some(literal), parts.next()]);
        Some(Cow::Owned(pieces.flatten().collect()))
    });
    found.unwrap_or(Cow::Borrowed(detail))
}

/// What stands in `detail` where `english` has holes; each but the last is as short as it can be.
fn filling<'a>(english: &str, detail: &'a str) -> Option<Vec<&'a str>> {
    let mut literals = english.split("{}");
    let mut rest = detail.strip_prefix(literals.next()?)?;
    let literals: Vec<&str> = literals.collect();
    let Some((last, between)) = literals.split_last() else {
        return rest.is_empty().then(Vec::new);
    };
    let mut filling = Vec::with_capacity(literals.len());
    for literal in between {
        let (part, after) = rest.split_once(literal)?;
        filling.push(part);
        rest = after;
    }
    filling.push(rest.strip_suffix(last)?);
    Some(filling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_found_with_and_without_a_hole() {
        let check = |detail: &str, expected: &str| assert_eq!(chinese(detail), expected);
        check("MTML lists no device", "MTML 未列出任何设备");
        check("the driver is not loaded (code 9)", "驱动未加载 (code 9)");
        check(
            "no card of vendor 0x1002 with a driver in /sys/class/drm",
            "/sys/class/drm 中没有厂商 0x1002 的已加载驱动的卡",
        );
        check(
            "/proc/mdstat: No such file or directory (os error 2)",
            "/proc/mdstat：文件或目录不存在（os error 2）",
        );
        check("key \"a\" is already in line 5", "键 \"a\" 已在第 5 行出现");
        check("a {} has no key {}; its keys are b", "a {} 没有键 {}，可用的键：b");
        check("libnvidia-ml.so.1: {}", "libnvidia-ml.so.1: {}");
        check("", "");
    }

    #[test]
    fn every_entry_is_reached_and_has_as_many_holes_in_both_languages() {
        for (english, translated) in DETAILS {
            let holes = |text: &str| text.matches("{}").count();
            assert_eq!(holes(english), holes(translated), "{english}");
            assert_eq!(chinese(&english.replace("{}", "x")), translated.replace("{}", "x"));
        }
    }
}
