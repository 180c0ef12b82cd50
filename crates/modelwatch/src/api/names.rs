//! How names are written in the exposition formats that Prometheus 2 did not allow: quoted, or with
//! underscores in place of what was not allowed.

use model::{Labels, LabelsBuilder, NAME};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) are_quoted: bool,
}

impl Names {
    /// `name{label="value"}`, or `{"any name","any label"="value"}`.
    pub(super) fn write_series<'a>(
        self,
        out: &mut String,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        let is_outside = !self.are_quoted || is_plain(name, true);
        self.write_name(out, if is_outside { name } else { "" }, true);
        let mut separator = '{';
        if !is_outside {
            out.push(separator);
            self.write_name(out, name, true);
            separator = ',';
        }
        for (label, value) in labels {
            out.push(separator);
            separator = ',';
            self.write_name(out, label, false);
            out.push('=');
            write_quoted(out, value);
        }
        if separator == ',' {
            out.push('}');
        }
    }

    pub(super) fn write_name(self, out: &mut String, name: &str, is_metric: bool) {
        if is_plain(name, is_metric) {
            out.push_str(name);
        } else if self.are_quoted {
            write_quoted(out, name);
        } else {
            out.push_str(&escaped(name, is_metric));
        }
    }

    /// The labels as they will be read, so that those which become equal can be told.
    pub(super) fn as_written(self, labels: Labels) -> Labels {
        let is_fine = |(label, value): (&str, &str)| match label {
            NAME => is_plain(value, true),
            _ => is_plain(label, false),
        };
        if self.are_quoted || labels.iter().all(is_fine) {
            return labels;
        }
        let mut builder = LabelsBuilder::default();
        for (label, value) in labels.iter() {
            match label {
                NAME => builder.set(NAME, escaped(value, true)),
                _ => builder.set(escaped(label, false), value),
            };
        }
        builder.build()
    }
}

fn escaped(name: &str, is_metric: bool) -> String {
    let allowed = |index, c: char| {
        c == '_'
            || (is_metric && c == ':')
            || c.is_ascii_alphabetic()
            || (index > 0 && c.is_ascii_digit())
    };
    name.chars().enumerate().map(|(index, c)| if allowed(index, c) { c } else { '_' }).collect()
}

/// Whether Prometheus 2 allowed the name.
fn is_plain(name: &str, is_metric: bool) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || (is_metric && c == ':');
    name.chars().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out.push('"');
}
