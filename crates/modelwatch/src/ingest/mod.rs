//! What others bring: remote write, and files that are imported.
//!
//! Bytes become points, exemplars and metadata here, and those go into the store. Nothing of what is
//! sent is trusted: every length, number and text has a limit, and what is wrong is left out and
//! said, never guessed. HTTP is not known here.

mod cache;
mod encode;
mod histogram;
mod remote_write;
mod text;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

pub(crate) use collect::exposition::protobuf;
use model::sample::{Exemplar, Metadata, Points};
use store::{AppendError, Store};

use self::remote_write::{DecodeError, Decoded, Decoder, Invalid};
pub(crate) use self::{
    encode::{encode, write_histogram, write_labels},
    remote_write::Version,
    text::{BadLine, LINE_BYTES_MAX, TextReader},
};

/// Largest request once it is decompressed. Larger ones are refused before that is tried.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A buffer that grew beyond this for one request is not kept for the next.
const BUFFER_BYTES_MAX: usize = 8 << 20;

/// Samples with labels that are not taken, as the reason is called beside those of the store.
const INVALID_LABELS: &str = "invalid_labels";

/// As the store calls those that it does not take.
const INVALID_HISTOGRAM: &str = "invalid_histogram";

/// Takes in requests of remote write, one after the other: the next is decoded while the one before
/// is stored.
pub(crate) struct Receiver {
    bench: Mutex<Bench>,
    totals: Mutex<Totals>,
}

/// What was read and goes into the store together.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Gathered {
    pub(crate) points: Points,
    pub(crate) exemplars: Vec<Exemplar>,
    pub(crate) metadata: Vec<Metadata>,
}

impl Gathered {
    /// Stores everything that the store accepts.
    pub(crate) fn store(&self, store: &Store) -> Result<Taken, AppendError> {
        let mut taken = Taken::default();
        if !self.points.is_empty() {
            let appended = store.append_points(&self.points)?;
            taken.samples = appended.accepted;
            taken.histograms = appended.histograms;
            taken.refused.extend(appended.refused());
        }
        if !self.exemplars.is_empty() {
            store.append_exemplars(&self.exemplars)?;
            // Those that the store leaves out repeat what it has: senders send them with every scrape.
            taken.exemplars = self.exemplars.len();
        }
        if !self.metadata.is_empty() {
            store.set_metadata(&self.metadata)?;
        }
        Ok(taken)
    }
}

/// What decoding needs.
#[derive(Default)]
struct Bench {
    decoder: Decoder,
    message: Vec<u8>,
}

/// What became of all requests so far.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    /// With histograms.
    pub(crate) samples: u64,
    /// Refused samples by reason.
    pub(crate) refused: BTreeMap<&'static str, usize>,
    /// Requests by the status that answered them.
    pub(crate) requests: BTreeMap<u16, u64>,
}

/// What became of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) samples: usize,
    pub(crate) histograms: usize,
    pub(crate) exemplars: usize,
    /// Refused samples by reason; a reason that was not met is absent.
    pub(crate) refused: BTreeMap<&'static str, usize>,
    /// What is wrong with the first few series and histograms that were left out.
    pub(crate) reasons: Vec<String>,
}

/// Why nothing of a request was taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untaken {
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    TooLarge(String),
    #[error(transparent)]
    Disk(#[from] AppendError),
}

impl From<DecodeError> for Untaken {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(_) | DecodeError::LabelsLate => {
                Self::Malformed(error.to_string())
            }
            DecodeError::TooManySeries
            | DecodeError::TooManySamples
            | DecodeError::TooManyBuckets
            | DecodeError::TooManySymbols => Self::TooLarge(error.to_string()),
        }
    }
}

impl Default for Receiver {
    fn default() -> Self {
        let refused = [(INVALID_LABELS, 0), (INVALID_HISTOGRAM, 0)].into();
        let totals = Totals { samples: 0, refused, requests: BTreeMap::new() };
        Self { bench: Mutex::default(), totals: Mutex::new(totals) }
    }
}

impl Receiver {
    /// Stores what a request carries. Takes its time: not for an asynchronous thread.
    pub(crate) fn take(
        &self,
        store: &Store,
        version: Version,
        body: &[u8],
    ) -> Result<Taken, Untaken> {
        let decoded = self.decode(version, body)?;
        let mut taken = decoded.gathered.store(store)?;
        let Invalid { samples, histograms, .. } = decoded.invalid;
        let left_out = [(INVALID_LABELS, samples), (INVALID_HISTOGRAM, histograms)];
        for (reason, count) in left_out.into_iter().filter(|(_, count)| *count > 0) {
            *taken.refused.entry(reason).or_default() += count;
        }
        taken.reasons = decoded.invalid.reasons;
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.samples += (taken.samples + taken.histograms) as u64;
        for (reason, count) in &taken.refused {
            *totals.refused.entry(reason).or_default() += count;
        }
        Ok(taken)
    }

    fn decode(&self, version: Version, body: &[u8]) -> Result<Decoded, Untaken> {
        let corrupt = |_| Untaken::Malformed("snappy: corrupt input".into());
        let length = snap::raw::decompress_len(body).map_err(corrupt)?;
        if length > MESSAGE_BYTES_MAX {
            return Err(Untaken::TooLarge(format!(
                "{length} bytes when decompressed; at most {MESSAGE_BYTES_MAX} are taken"
            )));
        }
        let mut bench = self.bench.lock().unwrap_or_else(PoisonError::into_inner);
        let Bench { decoder, message } = &mut *bench;
        if message.len() < length {
            message.resize(length, 0);
        }
        snap::raw::Decoder::new().decompress(body, message).map_err(corrupt)?;
        let decoded = decoder.decode(version, &message[..length]);
        if message.len() > BUFFER_BYTES_MAX {
            *message = Vec::new();
        }
        Ok(decoded?)
    }

    /// Counts a request by the status that answers it.
    pub(crate) fn note_answer(&self, status: u16) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        *totals.requests.entry(status).or_default() += 1;
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Taken {
    /// What was left out and why, for the sender's log; `None` when everything was taken.
    pub(crate) fn complaint(&self) -> Option<String> {
        if self.refused.is_empty() && self.reasons.is_empty() {
            return None;
        }
        let mut text = String::from("not stored:");
        for (index, (reason, count)) in self.refused.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(text, "{comma} {count} samples {reason}").unwrap_or_default();
        }
        for reason in &self.reasons {
            write!(text, "\n{reason}").unwrap_or_default();
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(refused: &[(&'static str, usize)], reasons: &[&str], expected: Option<&str>) {
        let taken = Taken {
            refused: refused.iter().copied().collect(),
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            ..Taken::default()
        };
        assert_eq!(taken.complaint().as_deref(), expected);
    }

    #[test]
    fn complaints() {
        check(&[], &[], None);
        check(&[("too_old", 3)], &[], Some("not stored: 3 samples too_old"));
        check(
            &[(INVALID_HISTOGRAM, 1), (INVALID_LABELS, 2)],
            &["bad"],
            Some("not stored: 1 samples invalid_histogram, 2 samples invalid_labels\nbad"),
        );
        check(&[], &["bad"], Some("not stored:\nbad"));
    }
}
