//! Which format a reader of `/metrics` gets, by its header `Accept`.

use super::super::names::Names;

/// Entries of the header that are looked at.
const ENTRIES_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Format {
    pub(super) is_openmetrics: bool,
    version: &'static str,
    pub(super) names: Names,
}

impl Format {
    /// What everybody can read.
    const PLAIN: Self =
        Self { is_openmetrics: false, version: "0.0.4", names: Names { are_quoted: false } };

    pub(super) fn content_type(self) -> String {
        let kind = if self.is_openmetrics { "application/openmetrics-text" } else { "text/plain" };
        let escaping = if self.names.are_quoted { "allow-utf-8" } else { "underscores" };
        format!("{kind}; version={}; charset=utf-8; escaping={escaping}", self.version)
    }
}

/// The format that is wanted most of those that we write; of equals the first.
pub(super) fn negotiate(accept: &str) -> Format {
    let mut best = (0.0, Format::PLAIN);
    for entry in accept.split(',').take(ENTRIES_MAX) {
        if let Some((quality, format)) = read(entry)
            && quality > best.0
        {
            best = (quality, format);
        }
    }
    best.1
}

/// One entry: how much it is wanted, and the format if it is one of ours.
fn read(entry: &str) -> Option<(f64, Format)> {
    let mut parts = entry.split(';').map(str::trim);
    let kind = parts.next()?.to_ascii_lowercase();
    let (mut quality, mut version, mut are_quoted) = (1.0, "", false);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match name.trim() {
            "q" => quality = value.parse().ok().filter(|q| (0.0..=1.0).contains(q))?,
            "version" => version = value,
            "escaping" => are_quoted = value == "allow-utf-8",
            _ => {}
        }
    }
    let is_openmetrics = kind == "application/openmetrics-text";
    let version = match (kind.as_str(), version) {
        ("application/openmetrics-text", "" | "1.0.0") => "1.0.0",
        ("application/openmetrics-text", "0.0.1") => "0.0.1",
        ("text/plain", "1.0.0") => "1.0.0",
        ("text/plain", "" | "0.0.4") | ("text/*" | "*/*", _) => "0.0.4",
        _ => return None,
    };
    Some((quality, Format { is_openmetrics, version, names: Names { are_quoted } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scrapers_really_send() {
        let check = |accept: &str, expected: &str| {
            let found = negotiate(accept).content_type();
            let found = found.replace(" charset=utf-8;", "").replace(' ', "");
            assert_eq!(found, expected, "{accept}");
        };
        let text = "text/plain;version=0.0.4;escaping=underscores";
        check("", text);
        check("*/*", text);
        check("application/json", text);
        // Prometheus 2.42.
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
             q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=underscores",
        );
        // Prometheus 3.5 with native histograms.
        check(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
             encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;\
             escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,\
             */*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
        );
        // vmagent.
        check("text/plain;version=0.0.4;q=1,*/*;q=0.1", text);
        check(
            "text/plain;version=1.0.0;escaping=allow-utf-8, application/openmetrics-text;q=0.9",
            "text/plain;version=1.0.0;escaping=allow-utf-8",
        );
        check("application/openmetrics-text;q=0, text/plain;q=0.1", text);
        check("application/openmetrics-text;q=x", text);
    }
}
