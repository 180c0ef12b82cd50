//! Results as comma-separated values: the time, a column for each label of any series, the value.
//!
//! Fields are quoted as RFC 4180 does; lines end as in every other file here, in a newline alone.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use model::{Labels, UnixMs};
use query::Value;

use super::{rows::rows, time::rfc3339};

/// Writes a header and a line for each sample; `time` is that of an instant result.
pub(super) fn write(value: &Value, time: UnixMs, out: &mut dyn Write) -> io::Result<()> {
    let names = names(value);
    let header = ["time"].into_iter().chain(names.iter().copied()).chain(["value"]);
    write_line(header, out)?;
    for row in rows(value, time) {
        let time = rfc3339(row.time);
        let label = |name: &&str| row.labels.and_then(|labels| labels.get(name)).unwrap_or("");
        let fields = [time.as_str()].into_iter().chain(names.iter().map(label));
        write_line(fields.chain([row.text.as_str()]), out)?;
    }
    Ok(())
}

/// The names of all labels.
fn names<'a>(value: &'a Value) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    let mut take = |labels: &'a Labels| names.extend(labels.iter().map(|(name, _)| name));
    match value {
        Value::Scalar(_) | Value::String(_) => {}
        Value::Vector(elements) => elements.iter().for_each(|element| take(&element.labels)),
        Value::Matrix(series) => series.iter().for_each(|series| take(&series.labels)),
    }
    names
}

fn write_line<'a>(fields: impl Iterator<Item = &'a str>, out: &mut dyn Write) -> io::Result<()> {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        if field.contains(['"', ',', '\n', '\r']) {
            write!(out, "\"{}\"", field.replace('"', "\"\""))?;
        } else {
            out.write_all(field.as_bytes())?;
        }
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use model::NAME;
    use query::{Element, Sample, Series};

    use super::*;

    fn check(value: &Value, expected: &str) {
        let mut out = Vec::new();
        write(value, UnixMs(1_500), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn every_sample_is_a_line() {
        check(&Value::Scalar(1.0), "time,value\n1970-01-01T00:00:01.500Z,1\n");
        check(&Value::Vector(Vec::new()), "time,value\n");
        let text = Value::String("a,\"b\"\r\n".into());
        check(&text, "time,value\n1970-01-01T00:00:01.500Z,\"a,\"\"b\"\"\r\n\"\n");
        let sample = Sample::Float(f64::NEG_INFINITY);
        let labels = Labels::from_pairs([(NAME, "up"), ("job", "é")]);
        let first = Element { labels, sample: sample.clone() };
        let second = Element { labels: Labels::from_pairs([("a,b", "c")]), sample };
        check(
            &Value::Vector(vec![first, second]),
            "time,__name__,\"a,b\",job,value\n1970-01-01T00:00:01.500Z,up,,é,-Inf\n\
             1970-01-01T00:00:01.500Z,,c,,-Inf\n",
        );
        let series = |name: &str| Series {
            labels: Labels::metric::<&str, &str>(name, []),
            times: vec![0, 60_000],
            values: vec![0.1, 2.0],
            histograms: Vec::new(),
        };
        check(
            &Value::Matrix(vec![series("a"), series("b")]),
            "time,__name__,value\n1970-01-01T00:00:00Z,a,0.1\n1970-01-01T00:01:00Z,a,2\n\
             1970-01-01T00:00:00Z,b,0.1\n1970-01-01T00:01:00Z,b,2\n",
        );
    }
}
