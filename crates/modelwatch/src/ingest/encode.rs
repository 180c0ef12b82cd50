//! The sending end of remote write 1.0: what was gathered becomes the body of a request.

use model::{Labels, catalogue::Kind, sample::Metadata};

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

fn write_labels(into: &mut Writer, part: &mut Writer, labels: &Labels) {
    for (name, value) in labels.iter() {
        part.clear();
        part.text(1, name);
        part.text(2, value);
        into.bytes(1, part.as_bytes());
    }
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
    use model::{UnixMs, sample::Exemplar};

    use super::*;
    use crate::ingest::remote_write::{Decoder, Version};

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
