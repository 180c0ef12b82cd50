//! File systems: size and free space of each mount, from the mount table and `statfs`.
//!
//! Asking a file system on a dead server hangs, so this source has its own thread; while it hangs,
//! the page shows when it last answered. It asks for the host's mounts, not a container's.

use std::path::{Path, PathBuf};

use model::{
    Labels,
    catalogue::{
        Metric, NODE_FILESYSTEM_AVAIL_BYTES, NODE_FILESYSTEM_DEVICE_ERROR, NODE_FILESYSTEM_FILES,
        NODE_FILESYSTEM_FILES_FREE, NODE_FILESYSTEM_FREE_BYTES, NODE_FILESYSTEM_READONLY,
        NODE_FILESYSTEM_SIZE_BYTES,
    },
    sample::Batch,
};

use super::{Context, Sampler, first_existing};
use crate::{Failure, FailureKind};

/// Largest mount table that is read.
const TABLE_BYTES_MAX: usize = 4 << 20;
/// Mounts beyond this many are left out.
const MOUNTS_MAX: usize = 1_000;

/// Kinds that hold no files of their own.
const KINDS_LEFT_OUT: [&str; 24] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "erofs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
];

/// Places whose mounts are the system's own.
const PLACES_LEFT_OUT: [&str; 6] =
    ["/dev", "/proc", "/run/credentials", "/sys", "/var/lib/docker", "/var/lib/containers/storage"];

struct FileSystems {
    context: Context,
    table: PathBuf,
}

/// A line of the mount table.
#[derive(Debug, PartialEq)]
struct Mount {
    device: String,
    mountpoint: String,
    kind: String,
    is_readonly: bool,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let table = first_existing(&context.root, &["proc/1/mountinfo", "proc/self/mountinfo"]);
    Ok(Box::new(FileSystems { context: context.clone(), table }))
}

impl Sampler for FileSystems {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let text = std::fs::read(&self.table)
            .map_err(|error| Failure::from_io(self.table.display(), &error))?;
        if text.len() > TABLE_BYTES_MAX {
            let detail = format!("{}: more than {TABLE_BYTES_MAX} bytes", self.table.display());
            return Err(Failure::new(FailureKind::TooLarge, detail));
        }
        let mut seen: Vec<Mount> = Vec::new();
        for mount in String::from_utf8_lossy(&text).lines().filter_map(parse) {
            let is_twice = seen.iter().any(|other| {
                (&other.device, &other.mountpoint, &other.kind)
                    == (&mount.device, &mount.mountpoint, &mount.kind)
            });
            if is_twice || is_left_out(&mount) || seen.len() >= MOUNTS_MAX {
                continue;
            }
            self.push(&mount, batch);
            seen.push(mount);
        }
        Ok(())
    }
}

impl FileSystems {
    fn push(&self, mount: &Mount, batch: &mut Batch) {
        let path = self.context.root.join(mount.mountpoint.trim_start_matches('/'));
        let answer = rustix::fs::statvfs(&path);
        let error = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let labels = |metric: &Metric| -> Labels {
            let labels = [
                ("device", mount.device.as_str()),
                ("mountpoint", mount.mountpoint.as_str()),
                ("fstype", mount.kind.as_str()),
                ("device_error", error.as_str()),
            ];
            self.context.series(metric, &labels)
        };
        let mut push = |metric: &Metric, value: f64| batch.push(&labels(metric), value);
        push(&NODE_FILESYSTEM_READONLY, f64::from(u8::from(mount.is_readonly)));
        push(&NODE_FILESYSTEM_DEVICE_ERROR, f64::from(u8::from(answer.is_err())));
        if let Ok(stat) = answer {
            let block = stat.f_frsize as f64;
            push(&NODE_FILESYSTEM_SIZE_BYTES, stat.f_blocks as f64 * block);
            push(&NODE_FILESYSTEM_FREE_BYTES, stat.f_bfree as f64 * block);
            push(&NODE_FILESYSTEM_AVAIL_BYTES, stat.f_bavail as f64 * block);
            push(&NODE_FILESYSTEM_FILES, stat.f_files as f64);
            push(&NODE_FILESYSTEM_FILES_FREE, stat.f_ffree as f64);
        }
    }
}

fn is_left_out(mount: &Mount) -> bool {
    let path = Path::new(&mount.mountpoint);
    KINDS_LEFT_OUT.contains(&mount.kind.as_str())
        || PLACES_LEFT_OUT.iter().any(|place| path.starts_with(place))
}

/// `36 35 98:0 /root /mount rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue` (proc(5)).
fn parse(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let mountpoint = unescape(left.nth(4)?);
    let options = left.next()?;
    let mut right = right.split(' ');
    let (kind, device) = (right.next()?.to_owned(), unescape(right.next()?));
    let super_options = right.next().unwrap_or_default();
    let has = |options: &str, wanted: &str| options.split(',').any(|option| option == wanted);
    let is_readonly =
        has(options, "ro") || has(super_options, "ro") || has(super_options, "emergency_ro");
    Some(Mount { device, mountpoint, kind, is_readonly })
}

/// Blanks, tabs, line ends and backslashes are written as three octal digits.
fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (escape, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        plain = plain.replace(escape, character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::survives, *};

    #[test]
    fn mount_lines() {
        let check = |line: &str, expected: Option<(&str, &str, &str, bool)>| {
            let expected = expected.map(|(device, mountpoint, kind, is_readonly)| Mount {
                device: device.into(),
                mountpoint: mountpoint.into(),
                kind: kind.into(),
                is_readonly,
            });
            assert_eq!(parse(line), expected, "{line}");
        };
        let plain = "36 35 98:0 / / rw,noatime shared:1 - ext4 /dev/sda1 rw";
        check(plain, Some(("/dev/sda1", "/", "ext4", false)));
        let odd = r"36 35 98:0 / /my\040disk ro - xfs /dev/b rw";
        check(odd, Some(("/dev/b", "/my disk", "xfs", true)));
        check(
            "36 35 98:0 / /m rw - ext4 /dev/c rw,emergency_ro",
            Some(("/dev/c", "/m", "ext4", true)),
        );
        check("garbage", None);
        check("1 2 3 - ext4", None);
    }

    #[test]
    fn system_mounts_are_left_out() {
        let check = |mountpoint: &str, kind: &str, expected| {
            let mount = Mount {
                device: "d".into(),
                mountpoint: mountpoint.into(),
                kind: kind.into(),
                is_readonly: false,
            };
            assert_eq!(is_left_out(&mount), expected, "{mountpoint} {kind}");
        };
        check("/", "ext4", false);
        check("/devices", "ext4", false);
        check("/dev/shm", "tmpfs", true);
        check("/run", "tmpfs", false);
        check("/x", "overlay", true);
        check("/var/lib/docker/overlay2/a", "ext4", true);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/1/mountinfo", &bytes);
        }
    }
}
