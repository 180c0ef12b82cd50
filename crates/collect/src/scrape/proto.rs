//! Pages of protocol buffers: one `MetricFamily` after the other, each with its length in front.
//!
//! Native histograms are kept; where a histogram has both parts the native one counts, as in
//! Prometheus. Source: `metrics.proto` in
//! <https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>.

use model::{
    NAME, UnixMs,
    catalogue::Kind,
    histogram::{BUCKETS_MAX, Buckets, Histogram, ResetHint, Span},
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
};

use super::intake::{Pairs, Point, Round, is_too_long};
use crate::exposition::{
    ScrapedMetric,
    protobuf::{Fields, Malformed, Value, varint},
};

/// The types of families that have histograms: plain ones and those of gauges.
const GAUGE_HISTOGRAM: u64 = 5;

/// Most buckets and quantiles of the classic kind that one metric may have.
const PARTS_MAX: usize = 10_000;

pub(super) fn read(page: &[u8], round: &mut Round<'_>) {
    let mut rest = page;
    let mut count = 0;
    while !rest.is_empty() {
        count += 1;
        let taken = varint(&mut rest).ok().and_then(|length| {
            let (message, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            rest = after;
            Some(message)
        });
        let Some(message) = taken else {
            // Where the next one begins is not known.
            round.bad(|| format!("the page ends within metric family {count}"));
            return;
        };
        if let Err(why) = family(message, round) {
            round.bad(|| format!("metric family {count}: {why}"));
        }
    }
}

struct Family {
    name: String,
    kind: u64,
}

fn family(message: &[u8], round: &mut Round<'_>) -> Result<(), String> {
    let mut family = Family { name: String::new(), kind: 0 };
    let mut help = String::new();
    let mut metrics = Vec::new();
    for field in Fields::new(message) {
        match field.map_err(broken)? {
            (1, Value::Bytes(bytes)) => family.name = text(bytes)?,
            (2, Value::Bytes(bytes)) => {
                help = text(bytes.get(..1_024).unwrap_or(bytes)).unwrap_or_default()
            }
            (3, Value::Varint(kind)) => family.kind = kind,
            (4, Value::Bytes(metric)) => metrics.push(metric),
            _ => {}
        }
    }
    if family.name.is_empty() {
        return Err("it has no name".into());
    }
    let kind = match family.kind {
        0 => Kind::Counter,
        1 => Kind::Gauge,
        2 => Kind::Summary,
        4 | GAUGE_HISTOGRAM => Kind::Histogram,
        _ => Kind::Unknown,
    };
    round.outcome.metrics.push(ScrapedMetric { name: family.name.clone(), kind, help });
    for message in metrics {
        if let Err(why) = metric(&family, message, round) {
            round.bad(|| format!("{:.80}: {why}", family.name));
        }
    }
    Ok(())
}

/// What one metric says apart from its values.
#[derive(Default)]
struct Head {
    labels: Pairs,
    time: Option<UnixMs>,
}

fn metric(family: &Family, message: &[u8], round: &mut Round<'_>) -> Result<(), String> {
    let mut head = Head::default();
    let mut body = None;
    for field in Fields::new(message) {
        match field.map_err(broken)? {
            (1, Value::Bytes(pair)) => {
                if head.labels.len() >= LABELS_MAX {
                    return Err(format!("more than {LABELS_MAX} labels"));
                }
                head.labels.push(label(pair)?);
            }
            (6, Value::Varint(millis)) => head.time = Some(UnixMs(millis.cast_signed())),
            (number @ (2 | 3 | 4 | 5 | 7), Value::Bytes(bytes)) => body = Some((number, bytes)),
            _ => {}
        }
    }
    let name = family.name.as_str();
    match body {
        Some((4, summary)) => read_summary(name, &head, summary, round),
        Some((7, histogram)) => read_histogram(family, &head, histogram, round),
        // All of these have their value in the first field, and a missing one is zero.
        Some((_, value)) => emit(round, name, &head, None, Point::Float(first_double(value, 1)?)),
        None => Err("a metric has no value".into()),
    }
}

/// Hands over one sample with one label more.
fn emit(
    round: &mut Round<'_>,
    name: &str,
    head: &Head,
    more: Option<(&str, String)>,
    point: Point,
) -> Result<(), String> {
    let more = more.as_ref().map(|(name, value)| (*name, value.as_str()));
    let own = head.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let pairs = std::iter::once((NAME, name)).chain(own).chain(more);
    let mut key = Vec::new();
    for text in pairs.clone().flat_map(|(name, value)| [name, value]) {
        key.extend_from_slice(text.as_bytes());
        // No text has this byte.
        key.push(0xff);
    }
    let read = || Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    round.sample(&key, read, point, head.time)
}

fn read_summary(
    name: &str,
    head: &Head,
    message: &[u8],
    round: &mut Round<'_>,
) -> Result<(), String> {
    let (mut count, mut sum, mut quantiles) = (0.0, 0.0, Vec::new());
    for field in Fields::new(message) {
        match field.map_err(broken)? {
            (1, Value::Varint(number)) => count = number as f64,
            (2, Value::Fixed64(bits)) => sum = f64::from_bits(bits),
            (3, Value::Bytes(part)) if quantiles.len() < PARTS_MAX => {
                quantiles.push((first_double(part, 1)?, first_double(part, 2)?));
            }
            _ => {}
        }
    }
    emit(round, &format!("{name}_count"), head, None, Point::Float(count))?;
    emit(round, &format!("{name}_sum"), head, None, Point::Float(sum))?;
    for (quantile, value) in quantiles {
        let more = Some(("quantile", bound_text(quantile)));
        emit(round, name, head, more, Point::Float(value))?;
    }
    Ok(())
}

/// What a message of a histogram says.
#[derive(Default)]
struct Sent {
    count: f64,
    sum: f64,
    /// Upper bound and cumulative count.
    classic: Vec<(f64, f64)>,
    schema: i64,
    zero_threshold: f64,
    zero_count: f64,
    /// Below and above zero.
    sides: [Side; 2],
}

#[derive(Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

impl Side {
    fn resolve(&mut self) -> Result<Buckets, String> {
        let spans = std::mem::take(&mut self.spans);
        if self.counts.is_empty() {
            return Buckets::from_deltas(spans, &self.deltas).map_err(|error| error.to_string());
        }
        Ok(Buckets { spans, counts: std::mem::take(&mut self.counts) })
    }
}

impl Sent {
    fn read(message: &[u8]) -> Result<Self, String> {
        let mut sent = Self::default();
        for field in Fields::new(message) {
            match field.map_err(broken)? {
                (1 | 4, value) if number(value).is_some() => {
                    // A float histogram has its count in the fourth field and none in the first.
                    sent.count = number(value).filter(|count| *count > 0.0).unwrap_or(sent.count);
                }
                (2, Value::Fixed64(bits)) => sent.sum = f64::from_bits(bits),
                (3, Value::Bytes(part)) if sent.classic.len() < PARTS_MAX => {
                    sent.classic.push(read_bucket(part)?);
                }
                (5, Value::Varint(number)) => sent.schema = unzigzag(number),
                (6, Value::Fixed64(bits)) => sent.zero_threshold = f64::from_bits(bits),
                (7 | 8, value) => {
                    sent.zero_count =
                        number(value).filter(|count| *count > 0.0).unwrap_or(sent.zero_count);
                }
                (9, Value::Bytes(span)) => push(&mut sent.sides[0].spans, read_span(span)?),
                (10, value) => integers(value, &mut sent.sides[0].deltas)?,
                (11, value) => floats(value, &mut sent.sides[0].counts)?,
                (12, Value::Bytes(span)) => push(&mut sent.sides[1].spans, read_span(span)?),
                (13, value) => integers(value, &mut sent.sides[1].deltas)?,
                (14, value) => floats(value, &mut sent.sides[1].counts)?,
                _ => {}
            }
        }
        Ok(sent)
    }

    /// An empty span alone says that an empty histogram is a native one.
    fn is_native(&self) -> bool {
        let has_spans = self.sides.iter().any(|side| !side.spans.is_empty());
        has_spans || self.zero_threshold > 0.0 || self.zero_count > 0.0
    }

    fn native(mut self, is_gauge: bool) -> Result<Histogram, String> {
        let [negative, positive] = &mut self.sides;
        let histogram = Histogram {
            reset_hint: if is_gauge { ResetHint::Gauge } else { ResetHint::Unknown },
            schema: i8::try_from(self.schema).map_err(|_| "its schema is not known")?,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive: positive.resolve()?,
            negative: negative.resolve()?,
            custom_bounds: Vec::new(),
        };
        histogram.check().map_err(|error| error.to_string())?;
        Ok(histogram)
    }
}

fn read_histogram(
    family: &Family,
    head: &Head,
    message: &[u8],
    round: &mut Round<'_>,
) -> Result<(), String> {
    let name = family.name.as_str();
    let sent = Sent::read(message)?;
    if sent.is_native() {
        let histogram = sent.native(family.kind == GAUGE_HISTOGRAM)?;
        return emit(round, name, head, None, Point::Histogram(Box::new(histogram)));
    }
    emit(round, &format!("{name}_count"), head, None, Point::Float(sent.count))?;
    emit(round, &format!("{name}_sum"), head, None, Point::Float(sent.sum))?;
    let has_last = sent.classic.last().is_some_and(|(bound, _)| *bound == f64::INFINITY);
    let last = (!has_last).then_some((f64::INFINITY, sent.count));
    let bucket = format!("{name}_bucket");
    for (bound, count) in sent.classic.iter().copied().chain(last) {
        let more = Some(("le", bound_text(bound)));
        emit(round, &bucket, head, more, Point::Float(count))?;
    }
    Ok(())
}

fn read_bucket(message: &[u8]) -> Result<(f64, f64), String> {
    let (mut count, mut bound) = (0.0, 0.0);
    for field in Fields::new(message) {
        match field.map_err(broken)? {
            (1, Value::Varint(number)) => count = number as f64,
            (2, Value::Fixed64(bits)) => bound = f64::from_bits(bits),
            (4, Value::Fixed64(bits)) if bits != 0 => count = f64::from_bits(bits),
            _ => {}
        }
    }
    Ok((bound, count))
}

fn read_span(message: &[u8]) -> Result<Span, String> {
    let mut span = Span { offset: 0, length: 0 };
    for field in Fields::new(message) {
        match field.map_err(broken)? {
            (1, Value::Varint(number)) => {
                span.offset = i32::try_from(unzigzag(number)).map_err(|_| "a span is wrong")?;
            }
            (2, Value::Varint(number)) => {
                span.length = u32::try_from(number).map_err(|_| "a span is wrong")?;
            }
            _ => {}
        }
    }
    Ok(span)
}

fn label(message: &[u8]) -> Result<(String, String), String> {
    let (mut name, mut value) = (String::new(), String::new());
    for field in Fields::new(message) {
        match field.map_err(broken)? {
            (1, Value::Bytes(bytes)) => name = text(bytes)?,
            (2, Value::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    if name.is_empty() { Err("a label has no name".into()) } else { Ok((name, value)) }
}

/// The float in one field of a small message.
fn first_double(message: &[u8], wanted: u64) -> Result<f64, String> {
    let mut found = 0.0;
    for field in Fields::new(message) {
        match field.map_err(broken)? {
            (field, Value::Fixed64(bits)) if field == wanted => found = f64::from_bits(bits),
            _ => {}
        }
    }
    Ok(found)
}

fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Varint(number) => Some(number as f64),
        Value::Fixed64(bits) => Some(f64::from_bits(bits)),
        _ => None,
    }
}

/// Keeps one more than a histogram may have, so that it is noticed; what is beyond takes no memory.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() <= BUCKETS_MAX {
        list.push(item);
    }
}

/// Numbers may come packed together or one by one.
fn integers(value: Value<'_>, list: &mut Vec<i64>) -> Result<(), String> {
    match value {
        Value::Varint(number) => push(list, unzigzag(number)),
        Value::Bytes(mut packed) => {
            while !packed.is_empty() {
                push(list, unzigzag(varint(&mut packed).map_err(broken)?));
            }
        }
        _ => {}
    }
    Ok(())
}

fn floats(value: Value<'_>, list: &mut Vec<f64>) -> Result<(), String> {
    match value {
        Value::Fixed64(bits) => push(list, f64::from_bits(bits)),
        Value::Bytes(packed) => {
            let (chunks, rest) = packed.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(broken(Malformed));
            }
            chunks.iter().for_each(|chunk| push(list, f64::from_le_bytes(*chunk)));
        }
        _ => {}
    }
    Ok(())
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn text(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8")?;
    if is_too_long(text) {
        return Err(format!("a name or value is longer than {LABEL_BYTES_MAX} bytes"));
    }
    Ok(text.to_owned())
}

fn bound_text(bound: f64) -> String {
    if bound == f64::INFINITY { "+Inf".into() } else { bound.to_string() }
}

fn broken(error: Malformed) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use model::sample::Batch;
    use proptest::prelude::*;

    use super::{
        super::{
            fetch::Page,
            intake::{Intake, Outcome},
            target::{Fate, Target, tests::job},
        },
        *,
    };
    use crate::exposition::protobuf::Writer;

    fn message(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        fill(&mut writer);
        writer.as_bytes().to_vec()
    }

    fn family_of(name: &str, kind: u64, metric: &[u8]) -> Vec<u8> {
        let family = message(|writer| {
            writer.text(1, name);
            writer.varint(3, kind);
            writer.bytes(4, metric);
        });
        let mut page = Writer::default();
        page.raw_varint(family.len() as u64);
        [page.as_bytes(), &family].concat()
    }

    fn read_page(page: &[u8]) -> (Batch, Outcome) {
        let labels = [("__address__".to_owned(), "h:1".to_owned())];
        let Fate::Kept(target) = Target::make(&Arc::new(job()), &labels) else { panic!("none") };
        let mut batch = Batch::new(UnixMs(7));
        let kind = "application/vnd.google.protobuf; encoding=delimited".into();
        let page = Page { kind, body: Bytes::copy_from_slice(page) };
        let outcome = Intake::default().take(&page, &target, &mut batch);
        (batch, outcome)
    }

    fn check(page: &[u8], expected: &[&str], bad: usize) {
        let (batch, outcome) = read_page(page);
        let keep = |name: &str| !matches!(name, "instance" | "job");
        let shown: Vec<String> =
            batch.samples.iter().map(|(l, v)| format!("{} {v}", l.keep(keep))).collect();
        assert_eq!((shown, outcome.bad), (expected.iter().map(|s| (*s).into()).collect(), bad));
    }

    /// Written from the definition of the message.
    #[test]
    fn families() {
        let value = |field| {
            message(|writer| {
                writer.bytes(1, &message(|pair| (pair.text(1, "a"), pair.text(2, "b")).1));
                writer.bytes(field, &message(|value| value.double(1, 2.5)));
            })
        };
        check(&family_of("c_total", 0, &value(3)), &["c_total{a=\"b\"} 2.5"], 0);
        let histogram = message(|metric| {
            metric.bytes(
                7,
                &message(|writer| {
                    writer.varint(1, 3);
                    writer.double(2, 1.5);
                    let bucket = |writer: &mut Writer| {
                        writer.varint(1, 2);
                        writer.double(2, 1.0);
                    };
                    writer.bytes(3, &message(bucket));
                }),
            );
        });
        let page = [family_of("h", 4, &histogram), family_of("g", 1, &value(2))].concat();
        check(
            &page,
            &[
                "h_count 3",
                "h_sum 1.5",
                "h_bucket{le=\"1.0\"} 2",
                "h_bucket{le=\"+Inf\"} 3",
                "g{a=\"b\"} 2.5",
            ],
            0,
        );
        check(
            &page[..page.len() - 1],
            &["h_count 3", "h_sum 1.5", "h_bucket{le=\"1.0\"} 2", "h_bucket{le=\"+Inf\"} 3"],
            1,
        );
        check(&family_of("n", 1, &[]), &[], 1);
    }

    /// Messages say how long they are, so of one that was cut nothing is taken, and those before it stay.
    #[test]
    fn pages_that_end_anywhere_keep_their_whole_messages() {
        let value = message(|writer| writer.bytes(2, &message(|value| value.double(1, 2.5))));
        let families = ["a", "b", "c"].map(|name| family_of(name, 1, &value));
        let ends: Vec<usize> = families
            .iter()
            .scan(0, |end, family| {
                *end += family.len();
                Some(*end)
            })
            .collect();
        let page = families.concat();
        for end in 0..page.len() {
            let whole = ends.iter().filter(|at| **at <= end).count();
            let (batch, outcome) = read_page(&page[..end]);
            let is_between = end == 0 || ends.contains(&end);
            assert_eq!((batch.samples.len(), outcome.bad), (whole, usize::from(!is_between)));
        }
    }

    #[test]
    fn native_histograms() {
        let sent = message(|writer| {
            writer.varint(1, 3);
            writer.double(2, 1.5);
            writer.double(6, 0.001);
            writer.bytes(12, &message(|span| (span.varint(1, 2), span.varint(2, 2)).1));
            writer.bytes(13, &[4, 1]);
        });
        let page = family_of("n", 4, &message(|metric| metric.bytes(7, &sent)));
        let (batch, outcome) = read_page(&page);
        assert_eq!((outcome.bad, batch.samples.len()), (0, 0), "{outcome:?}");
        let (labels, time, histogram) = &batch.points.histograms[0];
        assert_eq!((labels.name(), *time), ("n", UnixMs(7)));
        assert_eq!(histogram.positive.counts, [2.0, 1.0]);
        assert_eq!(histogram.positive.spans, [Span { offset: 1, length: 2 }]);
    }

    proptest! {
        #[test]
        fn any_page_is_survived(page: Vec<u8>) {
            read_page(&page);
        }

        #[test]
        fn damage_is_survived(at: prop::sample::Index, byte: u8) {
            let metric = message(|metric| metric.bytes(7, &message(|writer| {
                writer.varint(1, 3);
                writer.bytes(13, &[4, 1]);
            })));
            let mut page = family_of("n", 4, &metric);
            *at.get_mut(&mut page) = byte;
            read_page(&page);
        }
    }
}
