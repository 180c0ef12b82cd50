//! Software RAID, from `/proc/mdstat` and `/sys/block/md*/md`: disks, state and progress of each array.
//!
//! It does not say which disk failed. Of an array whose personality has no count of disks in that file, the
//! disks are absent.

use model::{
    catalogue::{
        NODE_MD_BLOCKS, NODE_MD_BLOCKS_SYNCED, NODE_MD_DEGRADED, NODE_MD_DISKS,
        NODE_MD_DISKS_REQUIRED, NODE_MD_RAID_DISKS, NODE_MD_STATE,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    numbers::{entries, file_name, read_number},
    read::Kept,
};
use crate::Failure;

/// Arrays beyond this many are left out.
const ARRAYS_MAX: usize = 256;

const STATES: [&str; 5] = ["active", "check", "inactive", "recovering", "resync"];

/// What an array is busy with, as the file writes it, and the state that it is in then. One that changes
/// its shape is active.
const PROGRESS: [(&str, &str); 4] =
    [("recovery", "recovering"), ("check", "check"), ("resync", "resync"), ("reshape", "active")];

struct Raid {
    context: Context,
    file: Kept,
}

#[derive(Debug, PartialEq)]
struct Array {
    name: String,
    state: &'static str,
    /// Required and active.
    disks: Option<(u64, u64)>,
    failed: u64,
    spare: u64,
    blocks: Option<u64>,
    synced: Option<u64>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/mdstat")?;
    Ok(Box::new(Raid { context: context.clone(), file }))
}

impl Sampler for Raid {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let context = &self.context;
        for array in arrays(&String::from_utf8_lossy(self.file.read()?)) {
            let device = [("device", array.name.as_str())];
            let mut put = |metric, extra: &[(&str, &str)], value: Option<u64>| {
                if let Some(value) = value {
                    let labels = context.series(metric, &[&device[..], extra].concat());
                    batch.push(&labels, value as f64);
                }
            };
            for state in STATES {
                let is_current = u64::from(state == array.state);
                put(&NODE_MD_STATE, &[("state", state)], Some(is_current));
            }
            put(&NODE_MD_DISKS, &[("state", "active")], array.disks.map(|(_, active)| active));
            put(&NODE_MD_DISKS, &[("state", "failed")], Some(array.failed));
            put(&NODE_MD_DISKS, &[("state", "spare")], Some(array.spare));
            put(&NODE_MD_DISKS_REQUIRED, &[], array.disks.map(|(required, _)| required));
            put(&NODE_MD_BLOCKS, &[], array.blocks);
            put(&NODE_MD_BLOCKS_SYNCED, &[], array.synced);
        }
        for folder in entries(&context.root.join("sys/block"), "md").iter().take(ARRAYS_MAX) {
            let device = [("device", &*file_name(folder))];
            for (file, metric) in
                [("degraded", &NODE_MD_DEGRADED), ("raid_disks", &NODE_MD_RAID_DISKS)]
            {
                if let Ok(Some(value)) = read_number(&folder.join("md").join(file)) {
                    batch.push(&context.series(metric, &device), value);
                }
            }
        }
        Ok(())
    }
}

/// An array begins with a line that is not indented; what belongs to it is.
fn arrays(text: &str) -> Vec<Array> {
    let mut arrays: Vec<Array> = Vec::new();
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some(array) = arrays.last_mut() {
                array.add(line);
            }
        } else if arrays.len() < ARRAYS_MAX {
            arrays.extend(array(line));
        }
    }
    arrays
}

/// `md0 : active raid1 sdb1[1] sda1[0](F)`; the lines about all arrays have no such state.
fn array(line: &str) -> Option<Array> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    if words.next()? != ":" {
        return None;
    }
    let state = match words.next()? {
        "active" => "active",
        "inactive" => "inactive",
        _ => return None,
    };
    let count = |mark: &str| line.matches(mark).count() as u64;
    // These have no count of disks in the next line: each that is named is needed.
    let needs_all = words.any(|word| matches!(word, "raid0" | "linear"));
    let disks = match state {
        "inactive" => Some((0, 0)),
        _ => needs_all.then(|| (count("["), count("["))),
    };
    let (failed, spare) = (count("(F)"), count("(S)"));
    let name = name.to_owned();
    Some(Array { name, state, disks, failed, spare, blocks: None, synced: None })
}

impl Array {
    fn add(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok());
        if let (None, Some(blocks), Some("blocks")) = (self.blocks, number, words.next()) {
            (self.blocks, self.synced) = (Some(blocks), Some(blocks));
            if self.disks.is_none() {
                self.disks = words.find_map(|word| pair(word, '[', ']'));
            }
            return;
        }
        let busy = PROGRESS
            .iter()
            .find(|(word, _)| line.split([' ', '\t', '=', ']']).any(|part| part == *word));
        if let Some((_, state)) = busy {
            if self.state == "active" {
                self.state = state;
            }
            let is_waiting = line.contains("PENDING") || line.contains("DELAYED");
            let done = line.split_whitespace().find_map(|word| pair(word, '(', ')'));
            self.synced = if is_waiting { Some(0) } else { done.map(|(done, _)| done) };
        }
    }
}

/// `[8/7]` or `(16775552/195310144)`.
fn pair(word: &str, open: char, close: char) -> Option<(u64, u64)> {
    let (first, second) = word.strip_prefix(open)?.strip_suffix(close)?.split_once('/')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    /// Written after the kernel's format.
    const TEXT: &str = "\
Personalities : [raid1] [raid6] [raid5] [raid4] [raid0]
md0 : active raid6 sda1[8] sdh1[7](F) sdg1[6] sdf1[5](S) sde1[11] sdd1[3]
      5853468288 blocks super 1.2 level 6, 64k chunk, algorithm 2 [8/7] [UUUUUUU_]
      [=>...................]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec
      bitmap: 0/30 pages [0KB], 65536KB chunk

md1 : active raid0 nvme1n1[1] nvme0n1[0]
      314159265 blocks 64k chunks

md2 : active (auto-read-only) raid1 sdb1[1] sda1[0]
      4190208 blocks super 1.2 [2/2] [UU]
      \tresync=PENDING

md3 : inactive sdb2[2](S) sdc2[1](S)
      7932 blocks super external:imsm

unused devices: <none>
";

    #[test]
    fn arrays_and_what_they_do() {
        let array = |name: &str, state, disks, failed, spare, blocks, synced| Array {
            name: name.into(),
            state,
            disks,
            failed,
            spare,
            blocks,
            synced,
        };
        let expected = [
            array("md0", "recovering", Some((8, 7)), 1, 1, Some(5_853_468_288), Some(16_775_552)),
            array("md1", "active", Some((2, 2)), 0, 0, Some(314_159_265), Some(314_159_265)),
            array("md2", "resync", Some((2, 2)), 0, 0, Some(4_190_208), Some(0)),
            array("md3", "inactive", Some((0, 0)), 0, 2, Some(7_932), Some(7_932)),
        ];
        assert_eq!(arrays(TEXT), expected);
        assert_eq!(
            arrays("md0 :\nmd1 : active\n  x blocks [2/\n"),
            [Array {
                name: "md1".into(),
                state: "active",
                disks: None,
                failed: 0,
                spare: 0,
                blocks: None,
                synced: None
            }]
        );
    }

    #[test]
    fn readings() {
        let text = "md5 : active raid1 a[1] b[0]\n      100 blocks [2/1] [U_]\n      check = 1.0% (30/100)\n";
        let files = [
            ("proc/mdstat", text),
            ("sys/block/md5/md/degraded", "1\n"),
            ("sys/block/md5/md/raid_disks", "2 (1)\n"),
            ("sys/block/sda/size", "1\n"),
        ];
        let expected = [
            r#"node_md_blocks{device="md5"} 100"#,
            r#"node_md_blocks_synced{device="md5"} 30"#,
            r#"node_md_degraded{device="md5"} 1"#,
            r#"node_md_disks{device="md5", state="active"} 1"#,
            r#"node_md_disks{device="md5", state="failed"} 0"#,
            r#"node_md_disks{device="md5", state="spare"} 0"#,
            r#"node_md_disks_required{device="md5"} 2"#,
            r#"node_md_raid_disks{device="md5"} 2"#,
            r#"node_md_state{device="md5", state="active"} 0"#,
            r#"node_md_state{device="md5", state="check"} 1"#,
            r#"node_md_state{device="md5", state="inactive"} 0"#,
            r#"node_md_state{device="md5", state="recovering"} 0"#,
            r#"node_md_state{device="md5", state="resync"} 0"#,
        ];
        check(open, &files, &expected);
    }
}
