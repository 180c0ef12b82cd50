use model::{
    NAME,
    histogram::{Buckets, Histogram, Span},
    sample::Points,
};
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::ingest::protobuf::Writer;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn message(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    write(&mut writer);
    writer.as_bytes().to_vec()
}

fn labels_v1(writer: &mut Writer, pairs: Pairs<'_>) {
    for (name, value) in pairs {
        let label = message(|label| {
            label.text(1, name);
            label.text(2, value);
        });
        writer.bytes(1, &label);
    }
}

fn sample_fields(value: f64, time: i64) -> Vec<u8> {
    message(|sample| {
        sample.double(1, value);
        sample.varint(2, time.cast_unsigned());
    })
}

fn series_v1(pairs: Pairs<'_>, samples: &[(i64, f64)]) -> Vec<u8> {
    let series = message(|series| {
        labels_v1(series, pairs);
        for (time, value) in samples {
            series.bytes(2, &sample_fields(*value, *time));
        }
    });
    message(|request| request.bytes(1, &series))
}

/// Series as `labels time=value ...`, in order.
fn shown(points: &Points) -> Vec<String> {
    let shown = points.iter().map(|(labels, samples)| {
        let samples: Vec<String> =
            samples.iter().map(|(time, value)| format!("{time}={value}")).collect();
        format!("{labels} {}", samples.join(" "))
    });
    shown.collect()
}

fn check_v1(request: &[u8], points: &[&str], invalid: &[&str]) {
    let mut decoder = Decoder::default();
    // The second time everything comes from the cache.
    for _ in 0..2 {
        let decoded = decoder.decode(Version::V1, request).unwrap();
        assert_eq!(shown(&decoded.gathered.points), points);
        assert_eq!(decoded.invalid.series, invalid.len());
        for (reason, expected) in decoded.invalid.reasons.iter().zip(invalid) {
            assert!(reason.contains(expected), "{reason:?} does not contain {expected:?}");
        }
    }
}

#[test]
fn series_of_version_1() {
    check_v1(b"", &[], &[]);
    let good = series_v1(&[(NAME, "up"), ("job", "a")], &[(1_000, 1.0), (2_000, -0.5)]);
    check_v1(&good, &[r#"up{job="a"} 1000=1 2000=-0.5"#], &[]);
    check_v1(&series_v1(&[("b", "é"), (NAME, "é.x")], &[(1, 2.0)]), &[r#"é.x{b="é"} 1=2"#], &[]);
    check_v1(&series_v1(&[(NAME, "up"), ("a", "")], &[(-1, 2.0)]), &["up -1=2"], &[]);
    let bucket = series_v1(&[(NAME, "a_bucket"), ("le", "1")], &[(1, 2.0)]);
    check_v1(&bucket, &[r#"a_bucket{le="1.0"} 1=2"#], &[]);
    let twice = series_v1(&[(NAME, "up"), ("a", "1"), ("a", "2")], &[(1, 2.0)]);
    check_v1(
        &[good.clone(), twice].concat(),
        &[r#"up{job="a"} 1000=1 2000=-0.5"#],
        &["\"a\" is given twice"],
    );
    check_v1(&series_v1(&[("job", "a")], &[(1, 2.0)]), &[], &["has no metric name"]);
    check_v1(&series_v1(&[(NAME, "up"), ("", "x")], &[(1, 2.0)]), &[], &["empty label name"]);
    let long = "x".repeat(LABEL_BYTES_MAX + 1);
    check_v1(&series_v1(&[(NAME, &long)], &[(1, 2.0)]), &[], &["more than 4096 bytes"]);
    let names: Vec<String> = (0..LABELS_MAX).map(|index| format!("l{index}")).collect();
    let mut many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    many.push((NAME, "up"));
    check_v1(&series_v1(&many, &[(1, 2.0)]), &[], &["more than 64 labels"]);
}

#[test]
fn what_is_no_message_is_refused() {
    let mut decoder = Decoder::default();
    for version in [Version::V1, Version::V2] {
        assert_eq!(decoder.decode(version, b"\x0a\xff"), Err(Malformed.into()));
    }
    let late = message(|series| {
        series.bytes(2, &sample_fields(1.0, 1));
        labels_v1(series, &[("a", "b")]);
    });
    let named = message(|series| labels_v1(series, &[(NAME, "up")]));
    let request = message(|request| request.bytes(1, &[named, late].concat()));
    assert_eq!(decoder.decode(Version::V1, &request), Err(DecodeError::LabelsLate));
}

#[test]
fn too_much_is_refused() {
    let sample = message(|series| series.bytes(2, &[]));
    let series = message(|series| {
        labels_v1(series, &[(NAME, "up")]);
    });
    let samples = [series, sample.repeat(SAMPLES_MAX + 1)].concat();
    let request = message(|request| request.bytes(1, &samples));
    let mut decoder = Decoder::default();
    assert_eq!(decoder.decode(Version::V1, &request), Err(DecodeError::TooManySamples));
    let histogram = message(|series| series.bytes(HISTOGRAMS_V1, &[]));
    let series = message(|series| labels_v1(series, &[(NAME, "up")]));
    let histograms = [series, histogram.repeat(BUCKETS_MAX / HISTOGRAM_SIZE + 1)].concat();
    let request = message(|request| request.bytes(1, &histograms));
    assert_eq!(decoder.decode(Version::V1, &request), Err(DecodeError::TooManyBuckets));
    let symbols = message(|request| request.bytes(4, &[])).repeat(SYMBOLS_MAX + 1);
    assert_eq!(decoder.decode(Version::V2, &symbols), Err(DecodeError::TooManySymbols));
    let many = series_v1(&[(NAME, "up")], &[(1, 1.0)]).repeat(SERIES_MAX + 1);
    assert_eq!(decoder.decode(Version::V1, &many), Err(DecodeError::TooManySeries));
}

/// A request of version 2 with one series.
fn request_v2(symbols: &[&str], write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    message(|request| {
        for symbol in symbols {
            request.bytes(4, symbol.as_bytes());
        }
        request.bytes(5, &message(write));
    })
}

#[test]
fn series_of_version_2() {
    let mut decoder = Decoder::default();
    let mut check = |request: &[u8], points: &[&str], invalid: &str| {
        let decoded = decoder.decode(Version::V2, request).unwrap();
        assert_eq!(shown(&decoded.gathered.points), points);
        assert!(decoded.invalid.reasons.concat().contains(invalid), "{:?}", decoded.invalid);
        assert_eq!(decoded.invalid.series, usize::from(!invalid.is_empty()));
    };
    let with = |symbols: &[&str], places: &[u8]| {
        request_v2(symbols, |series| {
            series.bytes(1, places);
            series.bytes(2, &sample_fields(1.0, 5));
        })
    };
    check(&with(&["", NAME, "up", "job", "a"], &[1, 2, 3, 4]), &[r#"up{job="a"} 5=1"#], "");
    // The same places mean other texts in the next request, and other places the same texts.
    check(&with(&["", NAME, "up", "job", "b"], &[1, 2, 3, 4]), &[r#"up{job="b"} 5=1"#], "");
    check(&with(&["", "job", "a", NAME, "up"], &[3, 4, 1, 2]), &[r#"up{job="a"} 5=1"#], "");
    check(&with(&["", "job", "a", NAME, "up"], &[1, 2, 3, 4]), &[r#"up{job="a"} 5=1"#], "");
    check(
        &with(&["", NAME, "a_bucket", "le", "2"], &[1, 2, 3, 4]),
        &[r#"a_bucket{le="2.0"} 5=1"#],
        "",
    );
    check(&with(&["", NAME, "up"], &[1, 9]), &[], "symbol 9");
    check(&with(&["", NAME, "up"], &[1, 2, 1]), &[], "malformed");
    check(&with(&["", NAME, "up"], &[1, 2, 1, 2]), &[], "given twice");
    check(&with(&["", NAME, "up"], &[1, 2, 0, 2]), &[], "empty label name");
    check(&with(&["", "job", "up"], &[1, 2]), &[], "no metric name");
    check(&with(&[], &[]), &[], "no metric name");
}

#[test]
fn exemplars_metadata_and_histograms() {
    let request = request_v2(&["", NAME, "a_bucket", "trace", "x", "help", "s"], |series| {
        series.bytes(1, &[1, 2]);
        series.bytes(2, &sample_fields(1.0, 5));
        series.bytes(3, &message(|histogram| histogram.varint(15, 5)));
        series.bytes(3, &message(|histogram| histogram.varint(4, 18)));
        let exemplar = message(|exemplar| {
            exemplar.bytes(1, &[3, 4]);
            exemplar.double(2, 0.5);
            exemplar.varint(3, 7);
        });
        series.bytes(4, &exemplar);
        let metadata = message(|metadata| {
            metadata.varint(1, 3);
            metadata.varint(3, 5);
            metadata.varint(4, 6);
        });
        series.bytes(5, &metadata);
    });
    let decoded = Decoder::default().decode(Version::V2, &request.repeat(2)).unwrap();
    let histogram = (Labels::from_pairs([(NAME, "a_bucket")]), UnixMs(5), Histogram::default());
    assert_eq!(decoded.gathered.points.histograms, [histogram.clone(), histogram]);
    assert_eq!(decoded.invalid.histograms, 2);
    assert!(decoded.invalid.reasons[0].contains("schema"), "{:?}", decoded.invalid);
    let exemplar = Exemplar {
        series: Labels::from_pairs([(NAME, "a_bucket")]),
        labels: Labels::from_pairs([("trace", "x")]),
        time: UnixMs(7),
        value: 0.5,
    };
    assert_eq!(decoded.gathered.exemplars, [exemplar.clone(), exemplar]);
    let metadata =
        Metadata { name: "a".into(), kind: Kind::Histogram, unit: "s".into(), help: "help".into() };
    assert_eq!(decoded.gathered.metadata, [metadata]);
}

/// A number of an expected decoding; what JSON cannot hold is written as bits.
fn number(value: &Json) -> u64 {
    let bits = value.as_str().and_then(|text| text.strip_prefix("bits:"));
    bits.map_or_else(
        || value.as_f64().unwrap().to_bits(),
        |bits| u64::from_str_radix(bits, 16).unwrap(),
    )
}

/// The histograms of a series of an expected decoding, all of which are of integers.
fn histograms(entry: &Json) -> Vec<(Labels, UnixMs, Histogram)> {
    let side = |histogram: &Json, name: &str| {
        let list = |what: &str| {
            histogram[format!("{name}_{what}")].as_array().cloned().unwrap_or_default()
        };
        let spans = list("spans");
        let spans = spans.iter().map(|span| Span {
            offset: span["offset"].as_i64().unwrap_or(0) as i32,
            length: span["length"].as_u64().unwrap() as u32,
        });
        let deltas: Vec<i64> = list("deltas").iter().map(|delta| delta.as_i64().unwrap()).collect();
        Buckets::from_deltas(spans.collect(), &deltas).unwrap()
    };
    let sent = entry["histograms"].as_array().into_iter().flatten().map(|histogram| {
        let number = |name: &str| histogram[name].as_f64().unwrap_or_default();
        let decoded = Histogram {
            schema: histogram["schema"].as_i64().unwrap_or(0) as i8,
            zero_threshold: number("zero_threshold"),
            zero_count: number("zero_count_int"),
            count: number("count_int"),
            sum: number("sum"),
            positive: side(histogram, "positive"),
            negative: side(histogram, "negative"),
            ..Histogram::default()
        };
        (labels_of(entry), UnixMs(histogram["timestamp"].as_i64().unwrap()), decoded)
    });
    sent.collect()
}

fn labels_of(entry: &Json) -> Labels {
    let pairs = entry["labels"].as_array().unwrap().iter();
    Labels::from_pairs(pairs.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap())))
}

fn count(entries: &[Json], what: &str) -> usize {
    entries.iter().filter_map(|entry| entry[what].as_array().map(Vec::len)).sum()
}

/// What Prometheus and vmagent put on the wire, against what an independent decoder read of it.
fn check_capture(name: &str, version: Version) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/interop/remote-write");
    let Ok(capture) = std::fs::read(format!("{folder}/{name}.http")) else { return };
    let head_end = capture.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let body = snap::raw::Decoder::new().decompress_vec(&capture[head_end..]).unwrap();
    let decoded = Decoder::default().decode(version, &body).unwrap();
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    let expected: Json = serde_json::from_str(&text).unwrap();
    let entries = expected["timeseries"].as_array().cloned().unwrap_or_default();
    let mut points = Vec::new();
    for entry in &entries {
        let labels = labels_of(entry);
        for sample in entry["samples"].as_array().into_iter().flatten() {
            points.push((
                labels.clone(),
                sample["timestamp"].as_i64().unwrap(),
                number(&sample["value"]),
            ));
        }
    }
    let decoded_points = decoded.gathered.points.iter().flat_map(|(labels, samples)| {
        samples.iter().map(|(time, value)| (labels.clone(), *time, value.to_bits()))
    });
    assert_eq!(decoded_points.collect::<Vec<_>>(), points, "{name}");
    let mut histograms: Vec<(Labels, UnixMs, Histogram)> =
        entries.iter().flat_map(histograms).collect();
    let found = &decoded.gathered.points.histograms;
    for ((.., expected), (.., found)) in histograms.iter_mut().zip(found) {
        // The reader of JSON may miss the last bit.
        if expected.sum.to_bits().abs_diff(found.sum.to_bits()) <= 1 {
            expected.sum = found.sum;
        }
    }
    assert_eq!(found, &histograms, "{name}");
    assert_eq!(decoded.gathered.exemplars.len(), count(&entries, "exemplars"), "{name}");
    assert_eq!(decoded.invalid, Invalid::default(), "{name}");
    if version == Version::V1 {
        let metadata = expected["metadata"].as_array().map_or(0, Vec::len);
        assert_eq!(decoded.gathered.metadata.len(), metadata, "{name}");
    }
}

#[test]
fn captures_are_read_as_others_read_them() {
    for name in [
        "prometheus-2.42.0-v1-metadata",
        "prometheus-2.42.0-v1-samples-exemplars",
        "prometheus-2.42.0-v1-stale-markers",
        "prometheus-2.53.3-v1-metadata",
        "prometheus-2.53.3-v1-native-histogram",
        "prometheus-2.53.3-v1-samples-exemplars",
        "prometheus-2.53.3-v1-stale-markers",
        "vmagent-1.79.5",
        "vmagent-1.112.0",
    ] {
        check_capture(name, Version::V1);
    }
    for name in ["native-histogram", "samples-exemplars", "stale-markers"] {
        check_capture(&format!("prometheus-3.5.3-v2-{name}"), Version::V2);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        let mut decoder = Decoder::default();
        for version in [Version::V1, Version::V2] {
            drop(decoder.decode(version, &bytes));
        }
    }

    #[test]
    fn damaged_messages_are_survived(at: prop::sample::Index, byte: u8) {
        let mut decoder = Decoder::default();
        let mut request = series_v1(&[(NAME, "up"), ("job", "a")], &[(1_000, 1.0)]);
        *at.get_mut(&mut request) = byte;
        drop(decoder.decode(Version::V1, &request));
        let mut request = request_v2(&["", NAME, "up"], |series| {
            series.bytes(1, &[1, 2]);
            series.bytes(2, &sample_fields(1.0, 5));
        });
        *at.get_mut(&mut request) = byte;
        drop(decoder.decode(Version::V2, &request));
    }
}
