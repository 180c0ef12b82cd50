//! Identity of disks, from `/sys/class/block` and udev's database in `/run/udev/data`, which only a
//! machine with udev has.

use std::collections::HashMap;

use model::catalogue::NODE_DISK_INFO;

use super::{
    Context, Sampler,
    diskstats::is_left_out,
    numbers::{self, Numbers, entries, file_name},
    read::lone_text,
};
use crate::Failure;

/// Label and the property that udev has for it.
const PROPERTIES: [(&str, &str); 5] = [
    ("model", "ID_MODEL"),
    ("path", "ID_PATH"),
    ("revision", "ID_REVISION"),
    ("serial", "ID_SERIAL_SHORT"),
    ("wwn", "ID_WWN"),
];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no disk in /sys/class/block")
}

fn list(context: &Context, numbers: &mut Numbers) {
    for folder in entries(&context.root.join("sys/class/block"), "") {
        let device = file_name(&folder);
        let number = lone_text(&folder.join("dev")).unwrap_or_default();
        let Some((major, minor)) = number.split_once(':').filter(|_| !is_left_out(&device)) else {
            continue;
        };
        let udev = context.root.join(format!("run/udev/data/b{major}:{minor}"));
        let udev = lone_text(&udev).unwrap_or_default();
        let properties: HashMap<&str, &str> =
            udev.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('=')).collect();
        let rotational = lone_text(&folder.join("queue/rotational")).unwrap_or_default();
        let mut labels = vec![
            ("device", device.as_str()),
            ("major", major),
            ("minor", minor),
            ("rotational", &rotational),
        ];
        for (label, property) in PROPERTIES {
            labels.push((label, properties.get(property).copied().unwrap_or_default()));
        }
        numbers.fact(context.series(&NODE_DISK_INFO, &labels));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("sys/class/block/sda/dev", "8:0\n"),
            ("sys/class/block/sda/queue/rotational", "1\n"),
            ("sys/class/block/sda1/dev", "8:1\n"),
            ("run/udev/data/b8:0", "S:disk/by-id/x\nE:ID_MODEL=A_Disk\nE:ID_SERIAL_SHORT=42\n"),
        ];
        let expected = [
            r#"node_disk_info{device="sda", major="8", minor="0", model="A_Disk", rotational="1", serial="42"} 1"#,
        ];
        check(open, &files, &expected);
    }
}
