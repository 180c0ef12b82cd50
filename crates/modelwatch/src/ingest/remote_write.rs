//! Prometheus remote write, 1.0 and 2.0: a decompressed message becomes points, exemplars and
//! metadata.
//!
//! A series whose labels are wrong is left out and said so, and so is a histogram that is not valid; the
//! others are kept. Bias: the same few thousand series again and again, so their labels are
//! looked up by the bytes they came as, and nothing is allocated for a sample.

use std::{collections::HashSet, hash::BuildHasher as _};

use model::{
    Labels, LabelsBuilder, UnixMs,
    catalogue::Kind,
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
    sample::{Exemplar, Metadata},
};

use super::{
    Gathered,
    cache::Cache,
    histogram,
    protobuf::{Fields, Malformed, Value, varint},
};

/// Most series of one request; one with more is refused as a whole.
const SERIES_MAX: usize = 200_000;

/// Most samples of one request; one with more is refused as a whole. Prometheus sends 2,000.
const SAMPLES_MAX: usize = 1_000_000;

/// Most buckets, spans and bounds of all histograms of one request, in which a histogram itself counts as
/// 16; one with more is refused as a whole.
const BUCKETS_MAX: usize = 4_000_000;

/// See [`BUCKETS_MAX`].
const HISTOGRAM_SIZE: usize = 16;

/// Most symbols of one request of version 2; one with more is refused as a whole.
const SYMBOLS_MAX: usize = 1_000_000;

/// The field of a series that has its histograms, in either version.
const HISTOGRAMS_V1: u64 = 4;
const HISTOGRAMS_V2: u64 = 3;

/// Most exemplars, and most metadata, of one request; further ones are left out.
const EXTRAS_MAX: usize = 100_000;

/// Reasons that are told one by one; the rest is counted.
const REASONS_MAX: usize = 10;

/// Longest text of a reason, which quotes what was sent.
const REASON_CHARS_MAX: usize = 300;

/// Which message a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `prometheus.WriteRequest`
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

/// What a message says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decoded {
    pub(crate) gathered: Gathered,
    pub(crate) invalid: Invalid,
    /// As [`BUCKETS_MAX`] counts them.
    buckets: usize,
}

/// What was left out: series because of their labels, and histograms.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Invalid {
    pub(crate) series: usize,
    pub(crate) samples: usize,
    pub(crate) histograms: usize,
    /// Why, for the first few.
    pub(crate) reasons: Vec<String>,
}

impl Invalid {
    fn add(&mut self, samples: usize, reason: &str) {
        self.series += 1;
        self.samples += samples;
        self.explain(reason);
    }

    fn explain(&mut self, reason: &str) {
        if self.reasons.len() < REASONS_MAX {
            self.reasons.push(reason.chars().take(REASON_CHARS_MAX).collect());
        }
    }
}

/// Why nothing of a message is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("labels are written after the samples of their series")]
    LabelsLate,
    #[error("more than {SERIES_MAX} series in one request")]
    TooManySeries,
    #[error("more than {SAMPLES_MAX} samples in one request")]
    TooManySamples,
    #[error("more than {BUCKETS_MAX} buckets of histograms in one request")]
    TooManyBuckets,
    #[error("more than {SYMBOLS_MAX} symbols in one request")]
    TooManySymbols,
}

/// Reads messages and remembers label sets from one to the next.
#[derive(Default)]
pub(crate) struct Decoder {
    /// Labels by the bytes of their fields in a message of version 1.
    labels: Cache<Labels>,
    symbols: Symbols,
}

impl Decoder {
    pub(crate) fn decode(
        &mut self,
        version: Version,
        message: &[u8],
    ) -> Result<Decoded, DecodeError> {
        match version {
            Version::V1 => self.decode_v1(message),
            Version::V2 => self.symbols.decode(message),
        }
    }

    fn decode_v1(&mut self, message: &[u8]) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        for field in Fields::new(message) {
            match field? {
                (1, Value::Bytes(series)) => self.series_v1(series, &mut decoded)?,
                (3, Value::Bytes(metadata)) if decoded.gathered.metadata.len() < EXTRAS_MAX => {
                    decoded.gathered.metadata.extend(metadata_v1(metadata)?);
                }
                _ => {}
            }
        }
        Ok(decoded)
    }

    fn series_v1(&mut self, message: &[u8], decoded: &mut Decoded) -> Result<(), DecodeError> {
        let (labels, rest) = leading_labels(message)?;
        let made = self.labels.get_or_make(labels, || build(label_pairs(labels)));
        let samples = [2, HISTOGRAMS_V1];
        decoded.series(made, rest, samples, |field, value, series, decoded| match (field, value) {
            (1, _) => Err(DecodeError::LabelsLate),
            (2, Value::Bytes(sample)) => decoded.sample(sample),
            (3, Value::Bytes(exemplar)) => {
                let (labels, rest) = leading_labels(exemplar)?;
                decoded.exemplar(series, build(label_pairs(labels)), rest)
            }
            (HISTOGRAMS_V1, Value::Bytes(histogram)) => decoded.histogram(series, histogram),
            _ => Ok(()),
        })
    }
}

/// Splits a message into the label fields at its beginning and what follows.
#[inline]
fn leading_labels(message: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    const LABEL: u8 = (1 << 3) | 2;
    let mut fields = Fields::new(message);
    while fields.rest().first() == Some(&LABEL) {
        fields.next().transpose()?;
    }
    Ok(message.split_at(message.len() - fields.rest().len()))
}

/// Names and values of the label fields of version 1.
fn label_pairs(fields: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), Malformed>> {
    Fields::new(fields).map(|field| {
        let (_, Value::Bytes(label)) = field? else { return Err(Malformed) };
        let mut pair: (&[u8], &[u8]) = (b"", b"");
        for field in Fields::new(label) {
            match field? {
                (1, Value::Bytes(name)) => pair.0 = name,
                (2, Value::Bytes(value)) => pair.1 = value,
                _ => {}
            }
        }
        Ok(pair)
    })
}

/// Why a label set is not taken.
type Refused = String;

/// Makes a label set of what was sent, or says what is wrong with it.
fn build<'a>(
    pairs: impl Iterator<Item = Result<(&'a [u8], &'a [u8]), Malformed>>,
) -> Result<Labels, Refused> {
    let mut builder = LabelsBuilder::default();
    let mut names: Vec<&str> = Vec::new();
    for pair in pairs {
        let (name, value) = pair.map_err(|error| error.to_string())?;
        if name.len() > LABEL_BYTES_MAX || value.len() > LABEL_BYTES_MAX {
            return Err(format!("a label name or value of more than {LABEL_BYTES_MAX} bytes"));
        }
        let utf8 =
            std::str::from_utf8(name).and_then(|name| Ok((name, std::str::from_utf8(value)?)));
        let (name, value) = utf8.map_err(|_| "a label name or value that is not UTF-8")?;
        if name.is_empty() {
            return Err(format!("the value {value:?} has an empty label name"));
        }
        if names.contains(&name) {
            return Err(format!("the label {name:?} is given twice"));
        }
        if names.len() >= LABELS_MAX {
            return Err(format!("more than {LABELS_MAX} labels"));
        }
        names.push(name);
        builder.set(name, value);
    }
    builder.write_bounds_as_floats();
    Ok(builder.build())
}

fn metadata_v1(message: &[u8]) -> Result<Option<Metadata>, Malformed> {
    let (mut kind, mut name, mut help, mut unit) = (0, "", "", "");
    for field in Fields::new(message) {
        match field? {
            (1, Value::Varint(number)) => kind = number,
            (2, Value::Bytes(bytes)) => name = text(bytes),
            (4, Value::Bytes(bytes)) => help = text(bytes),
            (5, Value::Bytes(bytes)) => unit = text(bytes),
            _ => {}
        }
    }
    Ok(metadata(name, kind, unit, help))
}

/// `None` for what nobody could find again.
fn metadata(name: &str, kind: u64, unit: &str, help: &str) -> Option<Metadata> {
    let is_named = !name.is_empty() && name.len() <= LABEL_BYTES_MAX;
    is_named.then(|| Metadata {
        name: name.into(),
        kind: match kind {
            1 => Kind::Counter,
            2 => Kind::Gauge,
            3 => Kind::Histogram,
            5 => Kind::Summary,
            _ => Kind::Unknown,
        },
        unit: unit.into(),
        help: help.into(),
    })
}

/// The metric that a series belongs to: those of histograms and summaries carry suffixes.
fn family(series: &str, kind: u64) -> &str {
    let suffixes: &[&str] = match kind {
        3 => &["_bucket", "_sum", "_count"],
        5 => &["_sum", "_count"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| series.strip_suffix(suffix)).unwrap_or(series)
}

/// A text for people; what is not UTF-8 is as good as none.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl Decoded {
    /// Takes in a series: its labels as they were made, and the fields that follow them, of which those
    /// numbered `samples` hold points.
    #[inline]
    fn series(
        &mut self,
        labels: Result<Labels, Refused>,
        fields: &[u8],
        samples: [u64; 2],
        mut take: impl FnMut(u64, Value<'_>, &Labels, &mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let labels = match labels {
            Ok(labels) if !labels.name().is_empty() => labels,
            refused => return self.refuse(refused, fields, samples),
        };
        if self.gathered.points.series.len() >= SERIES_MAX {
            return Err(DecodeError::TooManySeries);
        }
        self.gathered.points.start(labels.clone());
        for field in Fields::new(fields) {
            let (field, value) = field?;
            take(field, value, &labels, self)?;
        }
        if self.gathered.points.series.last().is_some_and(|(_, samples)| *samples == 0) {
            // Exemplars come as series of their own that repeat the labels.
            self.gathered.points.series.pop();
        }
        Ok(())
    }

    #[cold]
    fn refuse(
        &mut self,
        labels: Result<Labels, Refused>,
        fields: &[u8],
        samples: [u64; 2],
    ) -> Result<(), DecodeError> {
        let reason = labels.map_or_else(
            |reason| reason,
            |labels| format!("the series {labels} has no metric name"),
        );
        let mut count = 0;
        for field in Fields::new(fields) {
            count += usize::from(samples.contains(&field?.0));
        }
        self.invalid.add(count, &reason);
        Ok(())
    }

    #[inline]
    fn sample(&mut self, message: &[u8]) -> Result<(), DecodeError> {
        if self.gathered.points.samples.len() >= SAMPLES_MAX {
            return Err(DecodeError::TooManySamples);
        }
        let (value, time) = sample(Fields::new(message), 1)?;
        self.gathered.points.push(time, value);
        Ok(())
    }

    /// An exemplar with wrong labels leads nowhere and is left out silently.
    fn exemplar(
        &mut self,
        series: &Labels,
        labels: Result<Labels, Refused>,
        fields: &[u8],
    ) -> Result<(), DecodeError> {
        let (value, time) = sample(Fields::new(fields), 2)?;
        if let Ok(labels) = labels
            && self.gathered.exemplars.len() < EXTRAS_MAX
        {
            self.gathered.exemplars.push(Exemplar { series: series.clone(), labels, time, value });
        }
        Ok(())
    }

    fn histogram(&mut self, series: &Labels, message: &[u8]) -> Result<(), DecodeError> {
        let sent = histogram::Sent::read(message)?;
        self.buckets += sent.size() + HISTOGRAM_SIZE;
        if self.buckets > BUCKETS_MAX {
            return Err(DecodeError::TooManyBuckets);
        }
        let time = sent.time;
        match sent.resolve() {
            Ok(histogram) => {
                self.gathered.points.histograms.push((series.clone(), time, histogram));
            }
            Err(reason) => {
                self.invalid.histograms += 1;
                self.invalid.explain(&format!("{series} at {time}: {reason}"));
            }
        }
        Ok(())
    }

    /// Takes in what version 2 says of a metric with each of its series, once.
    fn describe(
        &mut self,
        series: &Labels,
        message: &[u8],
        table: &Table<'_>,
        described: &mut HashSet<u64>,
    ) -> Result<(), DecodeError> {
        let (mut kind, mut help, mut unit) = (0, 0, 0);
        for field in Fields::new(message) {
            match field? {
                (1, Value::Varint(number)) => kind = number,
                (3, Value::Varint(place)) => help = place,
                (4, Value::Varint(place)) => unit = place,
                _ => {}
            }
        }
        let is_told = (kind, help, unit) != (0, 0, 0) && self.gathered.metadata.len() < EXTRAS_MAX;
        let hash = described.hasher().hash_one((series.name(), kind, help, unit));
        if is_told && described.insert(hash) {
            let (unit, help) = (text(table.text(unit)), text(table.text(help)));
            self.gathered.metadata.extend(metadata(family(series.name(), kind), kind, unit, help));
        }
        Ok(())
    }
}

/// A value in the field `first` and its time in the one after it.
#[inline]
fn sample(fields: Fields<'_>, first: u64) -> Result<(f64, UnixMs), Malformed> {
    let (mut value, mut time) = (0.0, 0);
    for field in fields {
        match field? {
            (number, Value::Fixed64(bits)) if number == first => value = f64::from_bits(bits),
            (number, Value::Varint(millis)) if number == first + 1 => time = millis.cast_signed(),
            _ => {}
        }
    }
    Ok((value, UnixMs(time)))
}

/// Version 2 names every text once per request and refers to it by its place. The same text has
/// another place in the next request, so each gets a number of ours that stays.
#[derive(Default)]
struct Symbols {
    numbers: Cache<u64>,
    next_number: u64,
    /// Labels by the numbers of their texts.
    labels: Cache<Labels>,
    key: Vec<u8>,
}

/// What a request's texts are, and which number each has here.
#[derive(Default)]
struct Table<'a> {
    texts: Vec<&'a [u8]>,
    numbers: Vec<u64>,
}

impl<'a> Table<'a> {
    fn text(&self, place: u64) -> &'a [u8] {
        usize::try_from(place).ok().and_then(|place| self.texts.get(place)).copied().unwrap_or(b"")
    }
}

impl Symbols {
    fn decode(&mut self, message: &[u8]) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        let mut table = Table::default();
        let mut described = HashSet::new();
        for field in Fields::new(message) {
            match field? {
                (4, Value::Bytes(_)) if table.texts.len() >= SYMBOLS_MAX => {
                    return Err(DecodeError::TooManySymbols);
                }
                (4, Value::Bytes(text)) => self.learn(text, &mut table),
                (5, Value::Bytes(series)) => {
                    self.series(series, &table, &mut described, &mut decoded)?;
                }
                _ => {}
            }
        }
        Ok(decoded)
    }

    fn learn<'a>(&mut self, text: &'a [u8], table: &mut Table<'a>) {
        let next = &mut self.next_number;
        let number = self.numbers.get_or_make(text, || {
            *next += 1;
            Ok::<_, std::convert::Infallible>(*next)
        });
        let Ok(number) = number;
        table.texts.push(text);
        table.numbers.push(number);
    }

    fn series(
        &mut self,
        message: &[u8],
        table: &Table<'_>,
        described: &mut HashSet<u64>,
        decoded: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let mut fields = Fields::new(message);
        let (places, rest) = match fields.next().transpose()? {
            Some((1, Value::Bytes(places))) => (places, fields.rest()),
            _ => (&[][..], message),
        };
        let labels = self.labels(places, table)?;
        let samples = [2, HISTOGRAMS_V2];
        decoded.series(labels, rest, samples, |field, value, series, decoded| {
            match (field, value) {
                (1, _) => Err(DecodeError::LabelsLate),
                (2, Value::Bytes(sample)) => decoded.sample(sample),
                (HISTOGRAMS_V2, Value::Bytes(histogram)) => decoded.histogram(series, histogram),
                (4, Value::Bytes(exemplar)) => {
                    let mut fields = Fields::new(exemplar);
                    let (labels, rest) = match fields.next().transpose()? {
                        Some((1, Value::Bytes(places))) => (referred(places, table), fields.rest()),
                        _ => (Ok(Labels::empty()), exemplar),
                    };
                    decoded.exemplar(series, labels, rest)
                }
                (5, Value::Bytes(metadata)) => decoded.describe(series, metadata, table, described),
                _ => Ok(()),
            }
        })
    }

    #[inline]
    fn labels(
        &mut self,
        places: &[u8],
        table: &Table<'_>,
    ) -> Result<Result<Labels, Refused>, Malformed> {
        self.key.clear();
        let mut rest = places;
        while !rest.is_empty() {
            let place = varint(&mut rest)?;
            let number = usize::try_from(place).ok().and_then(|place| table.numbers.get(place));
            let Some(number) = number else {
                return Ok(Err(format!("a label refers to symbol {place}, which is not there")));
            };
            self.key.extend_from_slice(&number.to_le_bytes());
        }
        Ok(self.labels.get_or_make(&self.key, || referred(places, table)))
    }
}

/// The label set that a list of places in the table means: name, value, name, value.
fn referred(mut places: &[u8], table: &Table<'_>) -> Result<Labels, Refused> {
    build(std::iter::from_fn(move || {
        if places.is_empty() {
            return None;
        }
        let mut next = || varint(&mut places).map(|place| table.text(place));
        Some(next().and_then(|name| Ok((name, next()?))))
    }))
}

#[cfg(test)]
mod tests;
