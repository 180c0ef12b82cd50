//! The sending end of remote write 1.0: what was gathered becomes the body of a request.

use model::{
    Labels, UnixMs,
    catalogue::Kind,
    histogram::{Histogram, ResetHint},
    sample::Metadata,
};

use super::{Gathered, protobuf::Writer};

/// The body of a request, compressed.
pub(crate) fn encode(gathered: &Gathered) -> Result<Vec<u8>, snap::Error> {
    let (mut request, mut series, mut part) =
        (Writer::default(), Writer::default(), Writer::default());
    for (labels, samples) in gathered.points.iter() {
        series.clear();
        write_labels(&mut series, &mut part, labels);
        for (time, value) in samples {
            part.clear();
            part.double(1, *value);
            part.varint(2, time.cast_unsigned());
            series.bytes(2, part.as_bytes());
        }
        request.bytes(1, series.as_bytes());
    }
    for exemplar in &gathered.exemplars {
        series.clear();
        write_labels(&mut series, &mut part, &exemplar.series);
        let mut whole = Writer::default();
        write_labels(&mut whole, &mut part, &exemplar.labels);
        whole.double(2, exemplar.value);
        whole.varint(3, exemplar.time.0.cast_unsigned());
        series.bytes(3, whole.as_bytes());
        request.bytes(1, series.as_bytes());
    }
    for metadata in &gathered.metadata {
        part.clear();
        write_metadata(&mut part, metadata);
        request.bytes(3, part.as_bytes());
    }
    snap::raw::Encoder::new().compress_vec(request.as_bytes())
}

/// Adds all labels as field 1 of a message; `part` is only room to work in.
pub(crate) fn write_labels(into: &mut Writer, part: &mut Writer, labels: &Labels) {
    for (name, value) in labels.iter() {
        part.clear();
        part.text(1, name);
        part.text(2, value);
        into.bytes(1, part.as_bytes());
    }
}

/// Adds the fields of a `Histogram`, with counts that are floats.
pub(crate) fn write_histogram(into: &mut Writer, time: UnixMs, histogram: &Histogram) {
    into.double(2, histogram.count);
    into.double(3, histogram.sum);
    into.varint(4, zigzag(histogram.schema.into()));
    into.double(5, histogram.zero_threshold);
    into.double(7, histogram.zero_count);
    for (side, spans_field, counts_field) in
        [(&histogram.negative, 8, 10), (&histogram.positive, 11, 13)]
    {
        for span in &side.spans {
            let mut part = Writer::default();
            part.varint(1, zigzag(span.offset.into()));
            part.varint(2, span.length.into());
            into.bytes(spans_field, part.as_bytes());
        }
        write_floats(into, counts_field, &side.counts);
    }
    let hint = ResetHint::ALL.iter().position(|hint| *hint == histogram.reset_hint);
    into.varint(14, hint.unwrap_or_default() as u64);
    into.varint(15, time.0.cast_unsigned());
    write_floats(into, 16, &histogram.custom_bounds);
}

fn write_floats(into: &mut Writer, field: u64, floats: &[f64]) {
    if !floats.is_empty() {
        let packed: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
        into.bytes(field, &packed);
    }
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn write_metadata(into: &mut Writer, metadata: &Metadata) {
    let kind = match metadata.kind {
        Kind::Unknown => 0,
        Kind::Counter => 1,
        Kind::Gauge => 2,
        Kind::Histogram => 3,
        Kind::Summary => 5,
    };
    into.varint(1, kind);
    into.text(2, &metadata.name);
    into.text(4, &metadata.help);
    into.text(5, &metadata.unit);
}

#[cfg(test)]
mod tests {
    use model::{
        histogram::{Buckets, CUSTOM_SCHEMA, Span},
        sample::Exemplar,
    };

    use super::*;
    use crate::ingest::{
        histogram::Sent,
        remote_write::{Decoder, Version},
    };

    #[test]
    fn histograms_are_received() {
        let buckets = |spans: &[(i32, u32)], counts: &[f64]| {
            let span = |(offset, length): &(i32, u32)| Span { offset: *offset, length: *length };
            Buckets { spans: spans.iter().map(span).collect(), counts: counts.to_vec() }
        };
        let powers = Histogram {
            reset_hint: ResetHint::Gauge,
            schema: -4,
            zero_threshold: 0.001,
            zero_count: 2.5,
            count: 9.0,
            sum: -1.0,
            positive: buckets(&[(-9, 1), (2, 2)], &[1.0, 0.0, 2.5]),
            negative: buckets(&[(0, 1)], &[3.0]),
            custom_bounds: Vec::new(),
        };
        let custom = Histogram {
            schema: CUSTOM_SCHEMA,
            count: 1.0,
            positive: buckets(&[(1, 1)], &[1.0]),
            custom_bounds: vec![-0.5, 2.0],
            ..Histogram::default()
        };
        for histogram in [powers, custom, Histogram::default()] {
            let mut message = Writer::default();
            write_histogram(&mut message, UnixMs(-5), &histogram);
            let sent = Sent::read(message.as_bytes()).unwrap();
            assert_eq!(sent.time, UnixMs(-5));
            assert_eq!(sent.resolve(), Ok(histogram));
        }
    }

    #[test]
    fn what_is_sent_is_received() {
        let mut gathered = Gathered::default();
        let labels = Labels::metric("a", [("b", "é")]);
        gathered.points.start(labels.clone());
        gathered.points.push(UnixMs(-1), -0.0);
        gathered.points.push(UnixMs(1_700_000_000_123), model::sample::stale());
        gathered.points.start(Labels::metric("b", [("b", "c")]));
        gathered.points.push(UnixMs(0), 0.0);
        gathered.exemplars.push(Exemplar {
            series: labels,
            labels: Labels::from_pairs([("trace_id", "x")]),
            time: UnixMs(5),
            value: 0.5,
        });
        gathered.metadata.push(Metadata {
            name: "a".into(),
            kind: Kind::Summary,
            unit: "s".into(),
            help: "h".into(),
        });
        let body = encode(&gathered).unwrap();
        let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let decoded = Decoder::default().decode(Version::V1, &message).unwrap().gathered;
        let bits = |gathered: &Gathered| -> Vec<(i64, u64)> {
            let samples = gathered.points.samples.iter();
            samples.map(|(time, value)| (*time, value.to_bits())).collect()
        };
        assert_eq!(bits(&decoded), bits(&gathered));
        assert_eq!(decoded.points.series, gathered.points.series);
        assert_eq!(decoded.exemplars, gathered.exemplars);
        assert_eq!(decoded.metadata, gathered.metadata);
    }
}
