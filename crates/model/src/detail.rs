//! The details of failures in Chinese: why a source is absent, and what the operating system says.
//!
//! A detail is English text, as logs and issue trackers want it; a few dozen of them are shown so often that their
//! Chinese is kept here, under the English. What is not in the table is shown as it is. One `{}` stands for anything.

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
];

/// The Chinese of a detail, or the detail.
pub fn chinese(detail: &str) -> Cow<'_, str> {
    let found = DETAILS.iter().find_map(|(english, chinese)| {
        let Some((before, after)) = english.split_once("{}") else {
            return (*english == detail).then_some(Cow::Borrowed(*chinese));
        };
        let rest = detail.strip_prefix(before)?.strip_suffix(after)?;
        Some(Cow::Owned(chinese.replacen("{}", rest, 1)))
    });
    found.unwrap_or(Cow::Borrowed(detail))
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
