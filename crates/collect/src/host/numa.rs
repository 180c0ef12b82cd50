//! Memory of each NUMA node, from `/sys/devices/system/node/node*/{meminfo,numastat}`.

use std::collections::HashMap;

use model::{
    Labels,
    catalogue::{NODE_MEMORY_NUMA, NODE_MEMORY_NUMA_TOTAL},
    sample::Batch,
};

use super::{
    Context, Sampler,
    numbers::numbered,
    read::{Kept, lines, number, words},
};
use crate::{Failure, FailureKind};

/// Nodes beyond this many are left out.
const NODES_MAX: usize = 64;
/// Fields of a node beyond this many are left out.
const FIELDS_MAX: usize = 256;

struct Numa {
    context: Context,
    nodes: Vec<Node>,
}

struct Node {
    meminfo: Kept,
    numastat: Option<Kept>,
    series: Series,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let folders = numbered(&context.root.join("sys/devices/system/node"), "node");
    let mut nodes = Vec::new();
    for (number, _) in folders.into_iter().take(NODES_MAX) {
        let open = |file: &str| {
            Kept::open(&context.root, &format!("/sys/devices/system/node/node{number}/{file}"))
        };
        let (meminfo, numastat) = (open("meminfo")?, open("numastat").ok());
        let series = Series { number, known: HashMap::new() };
        nodes.push(Node { meminfo, numastat, series });
    }
    if nodes.is_empty() {
        let detail = "no node in /sys/devices/system/node";
        return Err(Failure::new(FailureKind::Absent, detail));
    }
    Ok(Box::new(Numa { context: context.clone(), nodes }))
}

/// The series of a node, by field.
struct Series {
    number: String,
    known: HashMap<Box<[u8]>, Labels>,
}

impl Series {
    fn push(
        &mut self,
        context: &Context,
        field: &[u8],
        value: f64,
        name: impl FnOnce(&str) -> String,
        batch: &mut Batch,
    ) {
        if !self.known.contains_key(field) && self.known.len() < FIELDS_MAX {
            let text = String::from_utf8_lossy(field);
            let labels = context.named(&name(&text), &[("node", &self.number)]);
            self.known.insert(field.into(), labels);
        }
        if let Some(labels) = self.known.get(field) {
            batch.push(labels, value);
        }
    }
}

impl Node {
    /// `Node 0 Active(anon):  1234 kB`, and counts without a unit.
    fn read(&mut self, context: &Context, batch: &mut Batch) -> Result<(), Failure> {
        let Self { meminfo, numastat, series } = self;
        for line in lines(meminfo.read()?) {
            let mut words = words(line).skip(2);
            let (Some(field), Some(Some(value))) = (words.next(), words.next().map(number)) else {
                continue;
            };
            let factor = if words.next() == Some(b"kB") { 1024.0 } else { 1.0 };
            let name = |field: &str| {
                let field = field.trim_end_matches(':').replace('(', "_").replace(')', "");
                NODE_MEMORY_NUMA.member(&field)
            };
            series.push(context, field, value as f64 * factor, name, batch);
        }
        let Some(numastat) = numastat else { return Ok(()) };
        for line in lines(numastat.read()?) {
            let mut words = words(line);
            let (Some(field), Some(Some(value))) = (words.next(), words.next().map(number)) else {
                continue;
            };
            let name = |field: &str| NODE_MEMORY_NUMA_TOTAL.member(field);
            series.push(context, field, value as f64, name, batch);
        }
        Ok(())
    }
}

impl Sampler for Numa {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { context, nodes } = self;
        nodes.iter_mut().try_for_each(|node| node.read(context, batch))
    }
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
        let meminfo = "Node 1 MemTotal:       16384 kB\nNode 1 Active(anon):       2 kB\n\
                       Node 1 HugePages_Total:     3\nbroken\n";
        let files = [
            ("sys/devices/system/node/node1/meminfo", meminfo),
            ("sys/devices/system/node/node1/numastat", "numa_hit 193460335812\nlocal_node x\n"),
        ];
        let expected = [
            r#"node_memory_numa_MemTotal{node="1"} 16777216"#,
            r#"node_memory_numa_Active_anon{node="1"} 2048"#,
            r#"node_memory_numa_HugePages_Total{node="1"} 3"#,
            r#"node_memory_numa_numa_hit_total{node="1"} 193460335812"#,
        ];
        check(open, &files, &expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "sys/devices/system/node/node0/meminfo", &bytes);
        }
    }
}
