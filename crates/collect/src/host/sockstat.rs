//! Sockets in use and the memory that they take, from `/proc/net/sockstat` and `sockstat6`.

use std::collections::HashMap;

use model::{Labels, catalogue::NODE_SOCKSTAT, sample::Batch};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::Failure;

/// Fields beyond this many are left out.
const FIELDS_MAX: usize = 256;

struct SockStat {
    context: Context,
    files: Vec<Kept>,
    /// By protocol with its colon, and field.
    series: HashMap<Box<[u8]>, Fields>,
}

type Fields = HashMap<Box<[u8]>, Field>;

struct Field {
    labels: Labels,
    /// The same in bytes where the field counts pages.
    bytes: Option<Labels>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let mut files = vec![Kept::open(&context.root, "/proc/net/sockstat")?];
    // Absent where IPv6 is switched off.
    files.extend(Kept::open(&context.root, "/proc/net/sockstat6"));
    Ok(Box::new(SockStat { context: context.clone(), files, series: HashMap::new() }))
}

impl Field {
    fn new(context: &Context, protocol: &[u8], field: &[u8]) -> Self {
        let protocol = String::from_utf8_lossy(protocol);
        let name = format!("{}_{}", protocol.trim_end_matches(':'), String::from_utf8_lossy(field));
        let series = |name: &str| context.named(&NODE_SOCKSTAT.member(name), &[]);
        let bytes = (field == b"mem").then(|| series(&format!("{name}_bytes")));
        Self { labels: series(&name), bytes }
    }
}

impl Sampler for SockStat {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { context, files, series } = self;
        let page_bytes = rustix::param::page_size() as f64;
        for file in files {
            for line in lines(file.read()?) {
                let mut words = words(line);
                let Some(protocol) = words.next() else { continue };
                if !series.contains_key(protocol) && series.len() < FIELDS_MAX {
                    series.insert(protocol.into(), HashMap::new());
                }
                let Some(fields) = series.get_mut(protocol) else { continue };
                while let (Some(name), Some(value)) = (words.next(), words.next()) {
                    let Some(value) = number(value) else { continue };
                    if !fields.contains_key(name) && fields.len() < FIELDS_MAX {
                        fields.insert(name.into(), Field::new(context, protocol, name));
                    }
                    let Some(field) = fields.get(name) else { continue };
                    batch.push(&field.labels, value as f64);
                    if let Some(labels) = &field.bytes {
                        batch.push(labels, value as f64 * page_bytes);
                    }
                }
            }
        }
        Ok(())
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
        let files = [
            (
                "proc/net/sockstat",
                "sockets: used 36\nTCP: inuse 12 orphan 0 mem 2 odd\nUDP: mem x\n",
            ),
            ("proc/net/sockstat6", "TCP6: inuse 3\n"),
        ];
        let bytes = format!("node_sockstat_TCP_mem_bytes {}", 2 * rustix::param::page_size());
        let expected = [
            "node_sockstat_sockets_used 36",
            "node_sockstat_TCP_inuse 12",
            "node_sockstat_TCP_orphan 0",
            "node_sockstat_TCP_mem 2",
            bytes.as_str(),
            "node_sockstat_TCP6_inuse 3",
        ];
        check(open, &files, &expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/net/sockstat", &bytes);
        }
    }
}
