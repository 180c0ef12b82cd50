//! Files of samples: the Prometheus text format with timestamps, and OpenMetrics, line by line.
//!
//! The two formats differ in the unit of a timestamp and a file does not say which it is, so the
//! number decides: whole numbers from 10^11 on are milliseconds (from 1973 on), everything else is
//! seconds. A sample without a timestamp is refused: when it was taken is not ours to guess.

use collect::exposition;
use model::{
    Labels, UnixMs,
    catalogue::Kind,
    limits::LABEL_BYTES_MAX,
    sample::{Exemplar, Metadata},
};

use super::{Gathered, cache::Cache};

/// Longest line; a longer one is bad.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 20;

/// From here on a whole number is milliseconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// What is wrong with a line, as the code of a message.
pub(crate) type BadLine = &'static str;

/// Reads lines and remembers label sets from one to the next.
#[derive(Default)]
pub(crate) struct TextReader {
    labels: Cache<Labels>,
    /// The metric that the lines before this one described.
    described: Option<Metadata>,
}

impl TextReader {
    /// Takes in one line without its end. A bad line changes nothing, except that a sample stays when
    /// only its exemplar is bad.
    pub(crate) fn read(&mut self, line: &[u8], into: &mut Gathered) -> Result<(), BadLine> {
        if line.len() > LINE_BYTES_MAX {
            return Err("import.line_too_long");
        }
        let line = std::str::from_utf8(line).map_err(|_| "import.not_utf8")?.trim();
        if let Some(comment) = line.strip_prefix('#') {
            self.comment(comment, into);
            Ok(())
        } else if line.is_empty() {
            Ok(())
        } else {
            self.sample(line, into)
        }
    }

    /// Hands over what was described last; to be called when there are no more lines.
    pub(crate) fn finish(&mut self, into: &mut Gathered) {
        into.metadata.extend(self.described.take());
    }

    fn sample(&mut self, line: &str, into: &mut Gathered) -> Result<(), BadLine> {
        let (text, rest) = exposition::split(line).ok_or("import.bad_series")?;
        let (numbers, exemplar) = match rest.split_once('#') {
            Some((numbers, exemplar)) => (numbers, Some(exemplar)),
            None => (rest, None),
        };
        let mut words = numbers.split_ascii_whitespace();
        let value = words.next().and_then(exposition::value).ok_or("import.bad_value")?;
        let time = words.next().ok_or("import.no_time")?;
        let time = time_of(time).filter(|_| words.next().is_none()).ok_or("import.bad_time")?;
        let labels = self
            .labels
            .get_or_make(text.as_bytes(), || exposition::series(text).ok_or("import.bad_series"))?;
        self.name_counter(&labels);
        let exemplar = exemplar.map(|text| read_exemplar(text, &labels, time));
        let is_same = into.points.series.last().is_some_and(|(last, _)| *last == labels);
        if !is_same {
            into.points.start(labels);
        }
        into.points.push(time, value);
        match exemplar {
            Some(Some(exemplar)) => into.exemplars.push(exemplar),
            Some(None) => return Err("import.bad_exemplar"),
            None => {}
        }
        Ok(())
    }

    fn comment(&mut self, comment: &str, into: &mut Gathered) {
        let Some((what, rest)) = comment.trim_start().split_once(' ') else { return };
        if !matches!(what, "HELP" | "TYPE" | "UNIT") {
            return;
        }
        let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let name = name.trim_matches('"');
        if name.is_empty() || name.len() > LABEL_BYTES_MAX {
            return;
        }
        if self.described.as_ref().is_none_or(|metric| metric.name != name) {
            into.metadata.extend(self.described.take());
        }
        let metric = self.described.get_or_insert_with(|| Metadata {
            name: name.into(),
            kind: Kind::Unknown,
            unit: String::new(),
            help: String::new(),
        });
        match what {
            "TYPE" => metric.kind = Kind::from_word(text.trim()),
            "UNIT" => metric.unit = text.trim().into(),
            _ => metric.help = unescape(text),
        }
    }

    /// OpenMetrics describes a counter without the `_total` that its samples carry; queries know it
    /// by the latter.
    fn name_counter(&mut self, labels: &Labels) {
        if let Some(metric) = self.described.as_mut().filter(|metric| metric.kind == Kind::Counter)
            && labels.name().strip_suffix("_total") == Some(metric.name.as_str())
        {
            metric.name = labels.name().into();
        }
    }
}

/// Reads `{trace_id="x"} 0.5 1700000000.1`; the time may be missing.
fn read_exemplar(text: &str, series: &Labels, sample_time: UnixMs) -> Option<Exemplar> {
    let (labels, rest) = exposition::split(text.trim_start())?;
    let mut words = rest.split_ascii_whitespace();
    let value = exposition::value(words.next()?)?;
    let time = words.next().map_or(Some(sample_time), time_of)?;
    let labels = exposition::labels(labels).filter(|labels| labels.name().is_empty())?;
    Some(Exemplar { series: series.clone(), labels, time, value })
}

/// Milliseconds as a whole number, or seconds; exact, and what is finer than a millisecond is cut off.
fn time_of(word: &str) -> Option<UnixMs> {
    if let Ok(number) = word.parse::<i64>() {
        let is_millis = number.unsigned_abs() >= MILLISECONDS_FROM.unsigned_abs();
        return if is_millis { Some(number) } else { number.checked_mul(1_000) }.map(UnixMs);
    }
    let Some((whole, fraction)) = word.split_once('.').filter(|_| !word.contains(['e', 'E']))
    else {
        let millis = word.parse::<f64>().ok()? * 1e3;
        // Beyond this, a float no longer tells milliseconds apart.
        return (millis.abs() <= 9e15).then_some(UnixMs(millis.trunc() as i64));
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (is_negative, whole) = match whole.strip_prefix('-') {
        Some(whole) => (true, whole),
        None => (false, whole),
    };
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let fraction: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let millis = whole.parse::<i64>().ok()?.checked_mul(1_000)?.checked_add(fraction)?;
    Some(UnixMs(if is_negative { -millis } else { millis }))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Gathered, Vec<BadLine>) {
        let (mut reader, mut gathered) = (TextReader::default(), Gathered::default());
        let lines = text.lines();
        let bad = lines.filter_map(|line| reader.read(line.as_bytes(), &mut gathered).err());
        let bad = bad.collect();
        reader.finish(&mut gathered);
        (gathered, bad)
    }

    fn check(text: &str, points: &[&str], bad: &[BadLine]) {
        let (gathered, found) = read(text);
        let shown: Vec<String> = gathered
            .points
            .iter()
            .map(|(labels, samples)| format!("{labels} {samples:?}"))
            .collect();
        assert_eq!(
            (shown, found),
            (points.iter().map(|text| (*text).to_owned()).collect(), bad.to_vec()),
            "{text}"
        );
    }

    #[test]
    fn samples() {
        check("a 1 1700000000123", &["a [(1700000000123, 1.0)]"], &[]);
        check(
            "a 1 1700000000.123\na 2 1700000001",
            &["a [(1700000000123, 1.0), (1700000001000, 2.0)]"],
            &[],
        );
        check("a{b=\"c d\"} NaN 1\n\n# EOF\n", &["a{b=\"c d\"} [(1000, NaN)]"], &[]);
        check("{\"é\"} -0 1.5\nb +Inf 2", &["é [(1500, -0.0)]", "b [(2000, inf)]"], &[]);
        check("a 1", &[], &["import.no_time"]);
        check("a x 1\na", &[], &["import.bad_value", "import.bad_series"]);
        check(
            "a 1 x\na 1 2 3\na{b} 1 2",
            &[],
            &["import.bad_time", "import.bad_time", "import.bad_series"],
        );
        check("a 1 2 # {t=\"x", &["a [(2000, 1.0)]"], &["import.bad_exemplar"]);
    }

    #[test]
    fn times() {
        let check = |text, expected: Option<i64>| {
            assert_eq!(time_of(text), expected.map(UnixMs), "{text}");
        };
        check("0", Some(0));
        check("0.001", Some(1));
        check("-0.5", Some(-500));
        check("1.0009", Some(1_000));
        check("99999999999", Some(99_999_999_999_000));
        check("100000000000", Some(100_000_000_000));
        check("-1700000000000", Some(-1_700_000_000_000));
        check("1.7e9", Some(1_700_000_000_000));
        check("1000000000000.000", Some(1_000_000_000_000_000));
        for bad in ["", "x", ".5", "1.x", "1.-5", "1e300", "NaN", "9999999999999999999.0"] {
            check(bad, None);
        }
    }

    #[test]
    fn exemplars_and_metadata() {
        let (gathered, bad) = read(
            "# HELP a what\\nit is\n# TYPE a counter\n# UNIT a s\na_total 1 2 # {trace_id=\"x #1\"} 0.5 1.5\n\
             # TYPE b gauge\nb 1 2 # {} 1\n# whatever\n# EOF\n",
        );
        assert_eq!(bad, Vec::<BadLine>::new());
        let metadata = |name: &str, kind, unit: &str, help: &str| Metadata {
            name: name.into(),
            kind,
            unit: unit.into(),
            help: help.into(),
        };
        let expected = [
            metadata("a_total", Kind::Counter, "s", "what\nit is"),
            metadata("b", Kind::Gauge, "", ""),
        ];
        assert_eq!(gathered.metadata, expected);
        let exemplar = |series: &str, labels: &[(&str, &str)], time, value| Exemplar {
            series: Labels::metric::<&str, &str>(series, []),
            labels: Labels::from_pairs(labels.iter().copied()),
            time: UnixMs(time),
            value,
        };
        let expected = [
            exemplar("a_total", &[("trace_id", "x #1")], 1_500, 0.5),
            exemplar("b", &[], 2_000, 1.0),
        ];
        assert_eq!(gathered.exemplars, expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            TextReader::default().read(&bytes, &mut Gathered::default()).unwrap_or_default();
        }

        #[test]
        fn any_line_is_survived(line in "[a#{}=\",\\\\ 0-9.e-]{0,40}") {
            TextReader::default()
                .read(line.as_bytes(), &mut Gathered::default())
                .unwrap_or_default();
        }
    }
}
