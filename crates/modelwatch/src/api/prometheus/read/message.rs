//! The messages of remote read. Source: `remote.proto` and `types.proto` in
//! <https://github.com/prometheus/prometheus/tree/main/prompb>.

use model::{
    Labels, UnixMs,
    histogram::Histogram,
    series::{MatchOp, Matcher, TimeRange},
};

use super::chunks::{Chunk, chunks};
use crate::ingest::{
    protobuf::{Fields, Malformed, Value, Writer, varint},
    write_histogram, write_labels,
};

/// Most queries of one request; with more it is refused.
const QUERIES_MAX: usize = 64;
/// Most matchers of one query; with more the request is refused.
const MATCHERS_MAX: usize = 64;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One message with all samples, compressed.
    Samples,
    /// Frames of chunks, one after the other.
    Chunks,
}

/// What is asked.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) queries: Vec<Query>,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub(super) range: TimeRange,
    pub(super) matchers: Vec<Matcher>,
}

/// Why a request is not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadRequest {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("at most {QUERIES_MAX} queries with {MATCHERS_MAX} matchers each are answered at once")]
    TooMany,
    #[error("invalid matcher type")]
    MatcherType,
    #[error(transparent)]
    Regex(#[from] model::series::BadRegex),
    #[error("server does not support any of the requested response types: {0:?}")]
    ResponseType(Vec<u64>),
}

impl Request {
    pub(super) fn read(message: &[u8]) -> Result<Self, BadRequest> {
        let (mut queries, mut accepted) = (Vec::new(), Vec::new());
        for field in Fields::new(message) {
            match field? {
                (1, Value::Bytes(query)) if queries.len() < QUERIES_MAX => {
                    queries.push(Query::read(query)?);
                }
                (1, _) => return Err(BadRequest::TooMany),
                (2, Value::Varint(kind)) => accepted.push(kind),
                (2, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        accepted.push(varint(&mut packed)?);
                    }
                }
                _ => {}
            }
        }
        let known = accepted.iter().find_map(|kind| match kind {
            0 => Some(Kind::Samples),
            1 => Some(Kind::Chunks),
            _ => None,
        });
        let kind = match known {
            None if !accepted.is_empty() => return Err(BadRequest::ResponseType(accepted)),
            known => known.unwrap_or(Kind::Samples),
        };
        Ok(Self { queries, kind })
    }
}

impl Query {
    fn read(message: &[u8]) -> Result<Self, BadRequest> {
        let mut query =
            Self { range: TimeRange { start: UnixMs(0), end: UnixMs(0) }, matchers: Vec::new() };
        for field in Fields::new(message) {
            match field? {
                (1, Value::Varint(millis)) => query.range.start = UnixMs(millis.cast_signed()),
                (2, Value::Varint(millis)) => query.range.end = UnixMs(millis.cast_signed()),
                (3, Value::Bytes(matcher)) if query.matchers.len() < MATCHERS_MAX => {
                    query.matchers.push(read_matcher(matcher)?);
                }
                (3, _) => return Err(BadRequest::TooMany),
                _ => {}
            }
        }
        Ok(query)
    }
}

fn read_matcher(message: &[u8]) -> Result<Matcher, BadRequest> {
    let (mut op, mut name, mut value) = (0, "", "");
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Malformed);
    for field in Fields::new(message) {
        match field? {
            (1, Value::Varint(number)) => op = number,
            (2, Value::Bytes(bytes)) => name = text(bytes)?,
            (3, Value::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    let op = match op {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        _ => return Err(BadRequest::MatcherType),
    };
    Ok(Matcher::new(name, op, value)?)
}

/// All samples of one series that a query found, in order of time.
#[derive(Debug, Default)]
pub(super) struct Points {
    pub(super) floats: Vec<(i64, f64)>,
    pub(super) histograms: Vec<(i64, Histogram)>,
}

/// Writes `prometheus.TimeSeries` into `out`.
pub(super) fn write_series(out: &mut Writer, labels: &Labels, points: &Points) {
    let mut part = Writer::default();
    write_labels(out, &mut part, labels);
    for (time, value) in &points.floats {
        part.clear();
        part.double(1, *value);
        part.varint(2, time.cast_unsigned());
        out.bytes(2, part.as_bytes());
    }
    for (time, histogram) in &points.histograms {
        part.clear();
        write_histogram(&mut part, UnixMs(*time), histogram);
        out.bytes(4, part.as_bytes());
    }
}

/// Where a frame is cut; one larger chunk may be in it all the same.
const FRAME_BYTES: usize = 1 << 20;

/// Adds frames of `prometheus.ChunkedReadResponse` with a series: the length of the message, its checksum,
/// the message.
pub(super) fn write_frames(out: &mut Vec<u8>, query: u64, labels: &Labels, points: &Points) {
    let mut rest = chunks(&points.floats, &points.histograms);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |chunk: &Chunk| {
            bytes += chunk.data.len();
            bytes <= FRAME_BYTES
        };
        let count = rest.iter().map(fits).take_while(|fits| *fits).count().max(1);
        let later = rest.split_off(count);
        let message = frame(query, labels, &rest);
        let mut head = Writer::default();
        head.raw_varint(message.as_bytes().len() as u64);
        out.extend(head.as_bytes());
        out.extend(crc32c::crc32c(message.as_bytes()).to_be_bytes());
        out.extend(message.as_bytes());
        rest = later;
    }
}

fn frame(query: u64, labels: &Labels, chunks: &[Chunk]) -> Writer {
    let (mut series, mut part) = (Writer::default(), Writer::default());
    write_labels(&mut series, &mut part, labels);
    for chunk in chunks {
        part.clear();
        part.varint(1, chunk.start.cast_unsigned());
        part.varint(2, chunk.end.cast_unsigned());
        part.varint(3, chunk.encoding as u64);
        part.bytes(4, &chunk.data);
        series.bytes(2, part.as_bytes());
    }
    let mut message = Writer::default();
    message.bytes(1, series.as_bytes());
    message.varint(2, query);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::prometheus::read::chunks::{
        Encoding,
        tests::{example, unpack},
    };

    /// A request with one query and what it accepts, in the spelling given.
    fn request(kind: u64, accepted: &dyn Fn(&mut Writer)) -> Vec<u8> {
        let (mut request, mut query, mut matcher) =
            (Writer::default(), Writer::default(), Writer::default());
        matcher.varint(1, kind);
        matcher.text(2, "a");
        matcher.text(3, "b|c");
        query.varint(1, (-5_i64).cast_unsigned());
        query.varint(2, 9);
        query.bytes(3, matcher.as_bytes());
        request.bytes(1, query.as_bytes());
        accepted(&mut request);
        request.as_bytes().to_vec()
    }

    #[test]
    fn requests() {
        let check = |kind, accepted: &dyn Fn(&mut Writer), expected: Option<(MatchOp, Kind)>| {
            let read = Request::read(&request(kind, accepted)).ok();
            let expected = expected.map(|(op, kind)| {
                let range = TimeRange { start: UnixMs(-5), end: UnixMs(9) };
                let matchers = vec![Matcher::new("a", op, "b|c").unwrap()];
                Request { queries: vec![Query { range, matchers }], kind }
            });
            assert_eq!(read, expected);
        };
        check(0, &|_| {}, Some((MatchOp::Equal, Kind::Samples)));
        check(1, &|writer| writer.varint(2, 1), Some((MatchOp::NotEqual, Kind::Chunks)));
        check(2, &|writer| writer.bytes(2, &[7, 1, 0]), Some((MatchOp::Regex, Kind::Chunks)));
        check(3, &|writer| writer.bytes(2, &[0, 1]), Some((MatchOp::NotRegex, Kind::Samples)));
        check(4, &|_| {}, None);
        check(0, &|writer| writer.varint(2, 7), None);
        check(0, &|writer| writer.bytes(1, &[0xff]), None);
        let many = |writer: &mut Writer| (0..QUERIES_MAX).for_each(|_| writer.bytes(1, &[]));
        check(0, &many, None);
    }

    #[test]
    fn frames_are_read_back() {
        let floats: Vec<(i64, f64)> =
            (0..200_000).map(|at| (at * 1_000, (at as f64).sin())).collect();
        let points = Points { floats, histograms: vec![(-7, example(3))] };
        let labels = Labels::metric("a", [("b", "c")]);
        let mut bytes = Vec::new();
        write_frames(&mut bytes, 2, &labels, &points);
        let (mut rest, mut frames, mut found, mut histograms) =
            (bytes.as_slice(), 0, Vec::new(), 0);
        while !rest.is_empty() {
            frames += 1;
            let length = varint(&mut rest).unwrap() as usize;
            let checksum = u32::from_be_bytes(rest[..4].try_into().unwrap());
            let message = &rest[4..4 + length];
            rest = &rest[4 + length..];
            assert_eq!(crc32c::crc32c(message), checksum);
            let fields: Vec<_> = Fields::new(message).map(Result::unwrap).collect();
            let [(1, Value::Bytes(series)), (2, Value::Varint(2))] = fields.as_slice() else {
                panic!("{fields:?}");
            };
            let fields: Vec<_> = Fields::new(series).map(Result::unwrap).collect();
            assert_eq!(fields[0], (1, Value::Bytes(b"\x0a\x08__name__\x12\x01a")));
            assert_eq!(fields[1], (1, Value::Bytes(b"\x0a\x01b\x12\x01c")));
            for (number, chunk) in &fields[2..] {
                let (2, Value::Bytes(chunk)) = (number, chunk) else { panic!("{chunk:?}") };
                match read_chunk(chunk) {
                    chunk if chunk.encoding == Encoding::Xor => found.extend(unpack(&chunk)),
                    _ => histograms += 1,
                }
            }
        }
        assert_eq!((found, histograms), (points.floats, 1));
        assert!(frames > 1, "one frame for {} bytes", bytes.len());
    }

    fn read_chunk(message: &[u8]) -> Chunk {
        let mut chunk = Chunk { start: 0, end: 0, encoding: Encoding::Xor, data: Vec::new() };
        for field in Fields::new(message) {
            match field.unwrap() {
                (1, Value::Varint(millis)) => chunk.start = millis.cast_signed(),
                (2, Value::Varint(millis)) => chunk.end = millis.cast_signed(),
                (3, Value::Varint(1)) => {}
                (3, Value::Varint(3)) => chunk.encoding = Encoding::FloatHistogram,
                (4, Value::Bytes(data)) => chunk.data = data.to_vec(),
                other => panic!("{other:?}"),
            }
        }
        chunk
    }
}
