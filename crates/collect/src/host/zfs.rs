//! ZFS, from `/proc/spl/kstat/zfs`: its cache (ARC) and other counters, and state and traffic of pools and
//! of their datasets.
//!
//! Fields come under the names that ZFS gives them and are as many as its version has; kinds are not told
//! apart there, as in node_exporter.

use std::path::{Path, PathBuf};

use model::{
    Labels,
    catalogue::{
        NODE_ZFS_STAT, NODE_ZFS_ZPOOL_DATASET_STAT, NODE_ZFS_ZPOOL_STAT, NODE_ZFS_ZPOOL_STATE,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    numbers::{entries, file_name},
    read::lone_text,
};
use crate::{Failure, FailureKind};

const FOLDER: &str = "proc/spl/kstat/zfs";

/// Files, and what their fields' names begin with.
const FILES: [(&str, &str); 11] = [
    ("abdstats", "abd"),
    ("arcstats", "arc"),
    ("dbufstats", "dbuf"),
    ("dmu_tx", "dmu_tx"),
    ("dnodestats", "dnode"),
    ("fm", "fm"),
    ("vdev_cache_stats", "vdev_cache"),
    ("vdev_mirror_stats", "vdev_mirror"),
    ("xuio_stats", "xuio"),
    ("zfetchstats", "zfetch"),
    ("zil", "zil"),
];

const STATES: [&str; 7] =
    ["degraded", "faulted", "offline", "online", "removed", "suspended", "unavail"];

/// Fields of one file beyond this many are left out.
const FIELDS_MAX: usize = 512;
/// Pools beyond this many are left out.
const POOLS_MAX: usize = 32;
/// Datasets of one pool beyond this many are left out.
const DATASETS_MAX: usize = 128;

struct Zfs {
    context: Context,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    if !context.root.join(FOLDER).is_dir() {
        return Err(Failure::new(FailureKind::Absent, format!("no /{FOLDER}")));
    }
    Ok(Box::new(Zfs { context: context.clone() }))
}

impl Sampler for Zfs {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let folder = self.context.root.join(FOLDER);
        for (file, prefix) in FILES {
            let text = lone_text(&folder.join(file)).unwrap_or_default();
            for (field, value) in fields(&text) {
                let name = NODE_ZFS_STAT.member(&format!("{prefix}_{field}"));
                batch.push(&self.context.named(&name, &[]), value);
            }
        }
        let pools = entries(&folder, "").into_iter().filter(|path| path.is_dir());
        for pool in pools.take(POOLS_MAX) {
            self.pool(&pool, batch);
        }
        Ok(())
    }
}

impl Zfs {
    fn pool(&self, folder: &Path, batch: &mut Batch) {
        let name = file_name(folder);
        let pool = ("zpool", name.as_str());
        if let Some(state) = lone_text(&folder.join("state")) {
            let state = state.to_ascii_lowercase();
            for one in STATES {
                let labels = self.context.series(&NODE_ZFS_ZPOOL_STATE, &[pool, ("state", one)]);
                batch.push(&labels, f64::from(u8::from(one == state)));
            }
        }
        for (field, value) in table(&lone_text(&folder.join("io")).unwrap_or_default()) {
            let labels = self.context.named(&NODE_ZFS_ZPOOL_STAT.member(&field), &[pool]);
            batch.push(&labels, value);
        }
        let datasets: Vec<PathBuf> = entries(folder, "objset-");
        for file in datasets.iter().take(DATASETS_MAX) {
            let text = lone_text(file).unwrap_or_default();
            let Some(dataset) = dataset(&text) else { continue };
            for (field, value) in fields(&text) {
                let name = NODE_ZFS_ZPOOL_DATASET_STAT.member(&field);
                let labels: Labels = self.context.named(&name, &[pool, ("dataset", dataset)]);
                batch.push(&labels, value);
            }
        }
    }
}

/// Lines of name, type and number after the one that says so. Types 3 and 4 are whole numbers of 64 bits.
fn fields(text: &str) -> impl Iterator<Item = (String, f64)> {
    let is_head = |line: &&str| line.split_whitespace().eq(["name", "type", "data"]);
    let lines = text.lines().skip_while(move |line| !is_head(line)).skip(1);
    let field = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, kind, value) = (words.next()?, words.next()?, words.next()?);
        let value: i128 = value.parse().ok()?;
        matches!(kind, "3" | "4").then_some((word(name)?, value as f64))
    };
    lines.filter_map(field).take(FIELDS_MAX)
}

/// The name of a dataset, which may have blanks in it.
fn dataset(text: &str) -> Option<&str> {
    let rest = text.lines().find_map(|line| line.strip_prefix("dataset_name"))?;
    let (kind, name) = rest.trim().split_once(char::is_whitespace)?;
    (kind == "7").then(|| name.trim())
}

/// A line of names that begins with `nread`, and the line of their numbers.
fn table(text: &str) -> Vec<(String, f64)> {
    let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with("nread"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return Vec::new() };
    let pairs = names.split_whitespace().zip(values.split_whitespace()).take(FIELDS_MAX);
    pairs
        .filter_map(|(name, value)| Some((word(name)?, value.parse::<u64>().ok()? as f64)))
        .collect()
}

/// A field's name as a part of a metric's.
fn word(name: &str) -> Option<String> {
    let name = name.replace('-', "_");
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let arc = "6 1 0x01 91 4368 5266997922 97951858082072\n\
                   name                            type data\n\
                   hits                            4    8772612\n\
                   memory_available_bytes          3    -922337203685477580\n\
                   l2-odd                          4    7\n\
                   what{ever                       4    7\n\
                   text                            7    8\n";
        let io = "12 1 0x01 1 80 79205351707403 395818011156865\n\
                  nread    nwritten reads    writes   wtime\n\
                  1884160  3206144  22       132      x\n";
        let objset = "36 1 0x01 7 1904 1 2\n\
                      name                            type data\n\
                      dataset_name                    7    tank/my models\n\
                      writes                          4    11\n";
        let files = [
            ("proc/spl/kstat/zfs/arcstats", arc),
            ("proc/spl/kstat/zfs/zil", "name type data\nzil_commit_count 4 10\n"),
            ("proc/spl/kstat/zfs/tank/state", "ONLINE\n"),
            ("proc/spl/kstat/zfs/tank/io", io),
            ("proc/spl/kstat/zfs/tank/objset-0x36", objset),
        ];
        let states = STATES.map(|state| {
            let value = u8::from(state == "online");
            format!(r#"node_zfs_zpool_state{{state="{state}", zpool="tank"}} {value}"#)
        });
        let mut expected = vec![
            "node_zfs_arc_hits 8772612",
            "node_zfs_arc_l2_odd 7",
            "node_zfs_arc_memory_available_bytes -922337203685477600",
            "node_zfs_zil_zil_commit_count 10",
            r#"node_zfs_zpool_dataset_writes{dataset="tank/my models", zpool="tank"} 11"#,
            r#"node_zfs_zpool_nread{zpool="tank"} 1884160"#,
            r#"node_zfs_zpool_nwritten{zpool="tank"} 3206144"#,
            r#"node_zfs_zpool_reads{zpool="tank"} 22"#,
            r#"node_zfs_zpool_writes{zpool="tank"} 132"#,
        ];
        expected.extend(states.iter().map(String::as_str));
        check(open, &files, &expected);
    }
}
