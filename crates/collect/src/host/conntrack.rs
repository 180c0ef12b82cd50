//! Connections that the firewall tracks, from `/proc/sys/net/netfilter`, and what became of packets, from
//! `/proc/net/stat/nf_conntrack`. A full table drops packets of new connections.

use model::{
    Labels,
    catalogue::{
        NODE_NF_CONNTRACK_ENTRIES, NODE_NF_CONNTRACK_ENTRIES_LIMIT, NODE_NF_CONNTRACK_STAT,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    numbers::hexadecimal,
    read::{Kept, lines, number, words},
};
use crate::Failure;

/// Columns that are passed on, as the file's first line names them.
const COLUMNS: [&str; 8] = [
    "drop",
    "early_drop",
    "found",
    "ignore",
    "insert",
    "insert_failed",
    "invalid",
    "search_restart",
];

struct Conntrack {
    numbers: [(Kept, Labels); 2],
    stat: Option<(Kept, [Labels; 8])>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let open = |file: &str| {
        Kept::open(&context.root, &format!("/proc/sys/net/netfilter/nf_conntrack_{file}"))
    };
    let numbers = [
        (open("count")?, context.series(&NODE_NF_CONNTRACK_ENTRIES, &[])),
        (open("max")?, context.series(&NODE_NF_CONNTRACK_ENTRIES_LIMIT, &[])),
    ];
    // Absent where the kernel was built without it.
    let stat = Kept::open(&context.root, "/proc/net/stat/nf_conntrack").ok();
    let series =
        || COLUMNS.map(|column| context.named(&NODE_NF_CONNTRACK_STAT.member(column), &[]));
    Ok(Box::new(Conntrack { numbers, stat: stat.map(|file| (file, series())) }))
}

impl Sampler for Conntrack {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        for (file, labels) in &mut self.numbers {
            if let Some(value) = number(file.read()?.trim_ascii()) {
                batch.push(labels, value as f64);
            }
        }
        let Some((file, series)) = &mut self.stat else { return Ok(()) };
        let mut lines = lines(file.read()?);
        let names = lines.next().unwrap_or_default();
        // Where each of ours stands in a line, and its sum over the lines of all CPUs.
        let places = COLUMNS.map(|column| words(names).position(|name| name == column.as_bytes()));
        let mut sums = [0_u64; COLUMNS.len()];
        for line in lines {
            for (at, word) in words(line).enumerate() {
                let place = places.iter().position(|place| *place == Some(at));
                if let (Some(place), Some(value)) = (place, hexadecimal(word)) {
                    sums[place] = sums[place].saturating_add(value);
                }
            }
        }
        for ((labels, place), sum) in series.iter().zip(places).zip(sums) {
            if place.is_some() {
                batch.push(labels, sum as f64);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::tests::{check, survives_among},
        *,
    };

    const COUNT: (&str, &str) = ("proc/sys/net/netfilter/nf_conntrack_count", "12\n");
    const LIMIT: (&str, &str) = ("proc/sys/net/netfilter/nf_conntrack_max", "262144\n");

    #[test]
    fn readings() {
        let stat = "entries  clashres found new drop early_drop\n\
                    00000001  00000000 0000000a 00000000 00000002 00000000\n\
                    00000001  00000000 00000001 00000000 00000001 x\n";
        let expected = [
            "node_nf_conntrack_entries 12",
            "node_nf_conntrack_entries_limit 262144",
            "node_nf_conntrack_stat_found 11",
            "node_nf_conntrack_stat_drop 3",
            "node_nf_conntrack_stat_early_drop 0",
        ];
        check(open, &[COUNT, LIMIT, ("proc/net/stat/nf_conntrack", stat)], &expected);
        check(open, &[COUNT, LIMIT], &expected[..2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            let number = |(path, text): (&'static str, &'static str)| (path, text.as_bytes());
            let stat = ("proc/net/stat/nf_conntrack", bytes.as_slice());
            survives_among(open, &[number(COUNT), number(LIMIT), stat]);
        }
    }
}
