//! Disk I/O, from `/proc/diskstats`. Partitions and memory-backed devices are left out, as
//! node_exporter does; old kernels have fewer columns and so fewer series.

use std::collections::HashMap;

use model::{
    Labels,
    catalogue::{
        Metric, NODE_DISK_DISCARD_TIME_SECONDS_TOTAL, NODE_DISK_DISCARDED_SECTORS_TOTAL,
        NODE_DISK_DISCARDS_COMPLETED_TOTAL, NODE_DISK_DISCARDS_MERGED_TOTAL,
        NODE_DISK_FLUSH_REQUESTS_TIME_SECONDS_TOTAL, NODE_DISK_FLUSH_REQUESTS_TOTAL,
        NODE_DISK_IO_NOW, NODE_DISK_IO_TIME_SECONDS_TOTAL,
        NODE_DISK_IO_TIME_WEIGHTED_SECONDS_TOTAL, NODE_DISK_READ_BYTES_TOTAL,
        NODE_DISK_READ_TIME_SECONDS_TOTAL, NODE_DISK_READS_COMPLETED_TOTAL,
        NODE_DISK_READS_MERGED_TOTAL, NODE_DISK_WRITE_TIME_SECONDS_TOTAL,
        NODE_DISK_WRITES_COMPLETED_TOTAL, NODE_DISK_WRITES_MERGED_TOTAL,
        NODE_DISK_WRITTEN_BYTES_TOTAL,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::Failure;

/// A sector of this file has 512 bytes whatever the disk's sectors are.
const SECTOR: f64 = 512.0;
const MILLISECOND: f64 = 1e-3;

/// The columns after the device's name, each with the factor to its unit.
static COLUMNS: [(&Metric, f64); 17] = [
    (&NODE_DISK_READS_COMPLETED_TOTAL, 1.0),
    (&NODE_DISK_READS_MERGED_TOTAL, 1.0),
    (&NODE_DISK_READ_BYTES_TOTAL, SECTOR),
    (&NODE_DISK_READ_TIME_SECONDS_TOTAL, MILLISECOND),
    (&NODE_DISK_WRITES_COMPLETED_TOTAL, 1.0),
    (&NODE_DISK_WRITES_MERGED_TOTAL, 1.0),
    (&NODE_DISK_WRITTEN_BYTES_TOTAL, SECTOR),
    (&NODE_DISK_WRITE_TIME_SECONDS_TOTAL, MILLISECOND),
    (&NODE_DISK_IO_NOW, 1.0),
    (&NODE_DISK_IO_TIME_SECONDS_TOTAL, MILLISECOND),
    (&NODE_DISK_IO_TIME_WEIGHTED_SECONDS_TOTAL, MILLISECOND),
    (&NODE_DISK_DISCARDS_COMPLETED_TOTAL, 1.0),
    (&NODE_DISK_DISCARDS_MERGED_TOTAL, 1.0),
    (&NODE_DISK_DISCARDED_SECTORS_TOTAL, 1.0),
    (&NODE_DISK_DISCARD_TIME_SECONDS_TOTAL, MILLISECOND),
    (&NODE_DISK_FLUSH_REQUESTS_TOTAL, 1.0),
    (&NODE_DISK_FLUSH_REQUESTS_TIME_SECONDS_TOTAL, MILLISECOND),
];

struct DiskStats {
    file: Kept,
    context: Context,
    /// Series of each device; `None` for those left out.
    devices: HashMap<Box<[u8]>, Option<[Labels; 17]>>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/diskstats")?;
    Ok(Box::new(DiskStats { file, context: context.clone(), devices: HashMap::new() }))
}

impl Sampler for DiskStats {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { file, context, devices } = self;
        for line in lines(file.read()?) {
            let mut words = words(line);
            let Some(device) = words.nth(2) else { continue };
            if !devices.contains_key(device) {
                let name = String::from_utf8_lossy(device);
                let series =
                    || COLUMNS.map(|(metric, _)| context.series(metric, &[("device", &name)]));
                devices.insert(device.into(), (!is_left_out(&name)).then(series));
            }
            let Some(Some(series)) = devices.get(device) else { continue };
            for ((labels, (_, factor)), word) in series.iter().zip(&COLUMNS).zip(words) {
                if let Some(value) = number(word) {
                    // Dividing keeps whole milliseconds exact where multiplying by 0.001 does not.
                    let value = value as f64;
                    let is_time = *factor == MILLISECOND;
                    batch.push(labels, if is_time { value / 1e3 } else { value * factor });
                }
            }
        }
        Ok(())
    }
}

/// Partitions, RAM disks, loop devices and floppies.
pub(super) fn is_left_out(name: &str) -> bool {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if base.len() == name.len() {
        return false;
    }
    let is_scsi_partition = base.len() == 3
        && (base.starts_with("hd") || base.starts_with("sd") || base.starts_with("vd"))
        || base.len() == 4 && base.starts_with("xvd");
    let is_nvme_partition = name.starts_with("nvme") && base.ends_with('p');
    matches!(base, "ram" | "zram" | "loop" | "fd") || is_scsi_partition || is_nvme_partition
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::tests::{check, survives},
        *,
    };

    #[test]
    fn readings() {
        let text =
            "   8  0 sda 10 1 20 1500 3 0 8 7 1 9 11\n   8  1 sda1 1 1 1 1\n   7  0 loop0 5\n";
        let device = r#"{device="sda"}"#;
        let lines = [
            ("reads_completed_total", "10"),
            ("reads_merged_total", "1"),
            ("read_bytes_total", "10240"),
            ("read_time_seconds_total", "1.5"),
            ("writes_completed_total", "3"),
            ("writes_merged_total", "0"),
            ("written_bytes_total", "4096"),
            ("write_time_seconds_total", "0.007"),
            ("io_now", "1"),
            ("io_time_seconds_total", "0.009"),
            ("io_time_weighted_seconds_total", "0.011"),
        ]
        .map(|(name, value)| format!("{}{name}{device} {value}", "node_disk_"));
        let expected: Vec<&str> = lines.iter().map(String::as_str).collect();
        check(open, &[("proc/diskstats", text)], &expected);
    }

    #[test]
    fn devices() {
        for name in ["sda1", "vdb2", "xvda1", "nvme0n1p3", "loop0", "ram15", "zram0", "fd0"] {
            assert!(is_left_out(name), "{name}");
        }
        for name in ["sda", "vda", "nvme0n1", "dm-0", "md127", "mmcblk0", "sdaa"] {
            assert!(!is_left_out(name), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/diskstats", &bytes);
        }
    }
}
