//! What senders say of their metrics, in one small file that is replaced when something changes.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

use model::{catalogue::Kind, sample::Metadata};

use super::{AppendError, Metrics, lock};
use crate::varint::{Reader, put};

/// Metrics that are remembered; further ones are left out.
const METRICS_MAX: usize = 10_000;
/// Bytes of one text that are kept.
const TEXT_BYTES_MAX: usize = 1_024;
/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 32 << 20;
const MAGIC: &[u8; 8] = b"mwmeta\0\x01";
const KINDS: [Kind; 5] =
    [Kind::Unknown, Kind::Counter, Kind::Gauge, Kind::Histogram, Kind::Summary];

impl Metrics {
    /// Remembers what is said of metrics, also over restarts.
    pub fn set_metadata(&self, said: &[Metadata]) -> Result<(), AppendError> {
        let mut current = lock(&self.0.metadata);
        let mut by_name: BTreeMap<&str, &Metadata> =
            current.iter().map(|metadata| (metadata.name.as_str(), metadata)).collect();
        let mut has_changed = false;
        let said: Vec<Metadata> = said.iter().map(shortened).collect();
        for metadata in &said {
            let is_new = !by_name.contains_key(metadata.name.as_str());
            if is_new && by_name.len() >= METRICS_MAX {
                continue;
            }
            has_changed |= by_name.insert(&metadata.name, metadata) != Some(metadata);
        }
        if !has_changed {
            return Ok(());
        }
        let changed: Vec<Metadata> = by_name.into_values().cloned().collect();
        let path = self.0.folder.join("metadata");
        let result = self.0.disk.replace(&path, &encode(&changed));
        self.0.note_write_failure(&result);
        result.map_err(|source| AppendError { path, source })?;
        *current = Arc::new(changed);
        Ok(())
    }

    /// What was said of metrics, by name.
    pub fn metadata(&self) -> Arc<Vec<Metadata>> {
        Arc::clone(&lock(&self.0.metadata))
    }
}

fn shortened(metadata: &Metadata) -> Metadata {
    let short = |text: &str| {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        text.get(..end).unwrap_or_default().to_owned()
    };
    let Metadata { name, kind, unit, help } = metadata;
    Metadata { name: short(name), kind: *kind, unit: short(unit), help: short(help) }
}

fn encode(all: &[Metadata]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for Metadata { name, kind, unit, help } in all {
        out.push(KINDS.iter().position(|other| other == kind).unwrap_or(0) as u8);
        for text in [name, unit, help] {
            put(&mut out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// Reads the file of a store. A damaged one is worth nothing: senders repeat themselves.
pub(super) fn read(path: &Path) -> io::Result<Vec<Metadata>> {
    match fs::metadata(path) {
        Ok(found) if found.len() <= FILE_BYTES_MAX => Ok(decode(&fs::read(path)?)),
        Ok(_) => Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn decode(bytes: &[u8]) -> Vec<Metadata> {
    let mut found = Vec::new();
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return found };
    let mut reader = Reader::new(rest);
    while let Some(metadata) = decode_one(&mut reader) {
        found.push(metadata);
    }
    found
}

fn decode_one(reader: &mut Reader<'_>) -> Option<Metadata> {
    let kind = *KINDS.get(usize::from(reader.byte()?))?;
    let mut text = || {
        let length = reader.size()?;
        std::str::from_utf8(reader.bytes(length)?).ok().map(str::to_owned)
    };
    Some(Metadata { name: text()?, kind, unit: text()?, help: text()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(texts in proptest::collection::vec(("[a-z:_]{1,20}", ".{0,40}", 0_usize..5), 0..20)) {
            let all: Vec<Metadata> = texts
                .into_iter()
                .map(|(name, help, kind)| Metadata { name, kind: KINDS[kind], unit: "s".into(), help })
                .collect();
            prop_assert_eq!(decode(&encode(&all)), all);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            decode(&[MAGIC.as_slice(), &bytes].concat());
        }
    }
}
