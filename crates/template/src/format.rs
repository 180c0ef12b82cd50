//! Go's `fmt`: `print`, `println`, `printf` and how values are written where nothing else is said.
//! What is not there: `%b` of floats, `%#` of anything but numbers, `%T` and pointers.

use std::iter::repeat_n;

use crate::{
    TEXT_BYTES_MAX, float, methods, time,
    value::{MapKind, Value},
};

/// Widest field and most decimals; Go refuses more than a million.
const WIDTH_MAX: usize = 10_000;

/// A value as `{{.}}` writes it inside other values; `Nil` is `<nil>` there.
pub(crate) fn printed(value: &Value) -> Result<String, String> {
    let mut out = String::new();
    write(&mut out, value, &Spec::plain())?;
    Ok(out)
}

/// Go's `Sprint`: blanks between operands where neither is a text.
pub(crate) fn print(values: &[Value]) -> Result<String, String> {
    let (mut out, mut was_text) = (String::new(), true);
    for (at, value) in values.iter().enumerate() {
        let is_text = matches!(value, Value::Text(_));
        if at > 0 && !is_text && !was_text {
            out.push(' ');
        }
        write(&mut out, value, &Spec::plain())?;
        was_text = is_text;
    }
    Ok(out)
}

pub(crate) fn println(values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        write(&mut out, value, &Spec::plain())?;
    }
    out.push('\n');
    Ok(out)
}

/// How one verb of `printf` wants its operand.
#[derive(Clone, Copy, Debug)]
struct Spec {
    verb: char,
    width: Option<usize>,
    precision: Option<usize>,
    is_left: bool,
    has_plus: bool,
    has_space: bool,
    has_zeros: bool,
    is_sharp: bool,
    /// `%+v`: records show the names of their fields.
    has_names: bool,
}

impl Spec {
    fn plain() -> Self {
        Self {
            verb: 'v',
            width: None,
            precision: None,
            is_left: false,
            has_plus: false,
            has_space: false,
            has_zeros: false,
            is_sharp: false,
            has_names: false,
        }
    }

    fn flag(&mut self, flag: char) -> bool {
        match flag {
            '-' => self.is_left = true,
            '+' => self.has_plus = true,
            ' ' => self.has_space = true,
            '0' => self.has_zeros = true,
            '#' => self.is_sharp = true,
            _ => return false,
        }
        true
    }

    /// A text in its field.
    fn pad(&self, out: &mut String, text: &str) {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if !self.is_left {
            out.extend(repeat_n(if self.has_zeros { '0' } else { ' ' }, missing));
        }
        out.push_str(text);
        if self.is_left {
            out.extend(repeat_n(' ', missing));
        }
    }

    /// A number in its field: zeros go between sign and digits.
    fn pad_number(&self, out: &mut String, is_negative: bool, digits: &str) {
        let sign = match (is_negative, self.has_plus, self.has_space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        };
        let length = sign.len() + digits.chars().count();
        let missing = self.width.unwrap_or(0).saturating_sub(length);
        let zeros = if self.has_zeros && !self.is_left { missing } else { 0 };
        let text = format!("{sign}{}{digits}", "0".repeat(zeros));
        Self { has_zeros: false, ..*self }.pad(out, &text);
    }
}

/// Go's `Sprintf`, its complaints within the text included.
pub(crate) fn printf(format: &str, values: &[Value]) -> Result<String, String> {
    let mut printer = Printer { rest: format, values, at: 0, is_reordered: false };
    let mut out = String::new();
    while !printer.rest.is_empty() {
        let literal = printer.rest.find('%').unwrap_or(printer.rest.len());
        let (text, rest) = printer.rest.split_at(literal);
        out.push_str(text);
        printer.rest = rest;
        if printer.next_char().is_some() {
            printer.verb(&mut out)?;
        }
        check(&out)?;
    }
    printer.extra(&mut out)?;
    Ok(out)
}

struct Printer<'a> {
    rest: &'a str,
    values: &'a [Value],
    at: usize,
    is_reordered: bool,
}

impl Printer<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next_char(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// What follows a percent sign.
    fn verb(&mut self, out: &mut String) -> Result<(), String> {
        let mut spec = Spec::plain();
        while self.peek().is_some_and(|c| spec.flag(c)) {
            self.next_char();
        }
        let mut is_good = self.index();
        spec.width = self.number(out, "WIDTH", &mut spec.is_left);
        if self.peek() == Some('.') {
            self.next_char();
            is_good &= self.index();
            let mut is_negative = false;
            let precision = self.number(out, "PREC", &mut is_negative);
            spec.precision = if is_negative { None } else { precision.or(Some(0)) };
        }
        is_good &= self.index();
        let Some(verb) = self.next_char() else {
            out.push_str("%!(NOVERB)");
            return Ok(());
        };
        spec.verb = verb;
        if verb == 'v' {
            spec.has_names = std::mem::take(&mut spec.has_plus);
        }
        if verb == '%' {
            out.push('%');
        } else if !is_good {
            out.push_str(&format!("%!{verb}(BADINDEX)"));
        } else if let Some(value) = self.values.get(self.at) {
            self.at += 1;
            write(out, value, &spec)?;
        } else {
            out.push_str(&format!("%!{verb}(MISSING)"));
        }
        Ok(())
    }

    /// `[3]`, which chooses the next operand; false where there is none of that number.
    fn index(&mut self) -> bool {
        let Some(behind) = self.rest.strip_prefix('[') else { return true };
        self.is_reordered = true;
        let Some((digits, rest)) = behind.split_once(']') else {
            self.rest = behind;
            return false;
        };
        self.rest = rest;
        match digits.parse::<usize>() {
            Ok(number) if (1..=self.values.len()).contains(&number) => {
                self.at = number - 1;
                true
            }
            _ => false,
        }
    }

    /// A number in the format or, for a star, among the operands.
    fn number(&mut self, out: &mut String, what: &str, is_negative: &mut bool) -> Option<usize> {
        if self.peek() != Some('*') {
            let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at(digits);
            self.rest = rest;
            return number.parse().ok().map(|number: usize| number.min(WIDTH_MAX));
        }
        self.next_char();
        let value = self.values.get(self.at);
        self.at += 1;
        match value {
            Some(Value::Int(number)) if number.unsigned_abs() <= WIDTH_MAX as u64 => {
                *is_negative |= *number < 0;
                Some(number.unsigned_abs() as usize)
            }
            _ => {
                out.push_str(&format!("%!(BAD{what})"));
                None
            }
        }
    }

    /// What Go says of operands that no verb used.
    fn extra(&self, out: &mut String) -> Result<(), String> {
        let rest = self.values.get(self.at..).unwrap_or_default();
        if self.is_reordered || rest.is_empty() {
            return Ok(());
        }
        out.push_str("%!(EXTRA ");
        for (at, value) in rest.iter().enumerate() {
            if at > 0 {
                out.push_str(", ");
            }
            if *value == Value::Nil {
                out.push_str("<nil>");
                continue;
            }
            out.push_str(type_name(value));
            out.push('=');
            write(out, value, &Spec::plain())?;
        }
        out.push(')');
        Ok(())
    }
}

fn check(out: &str) -> Result<(), String> {
    if out.len() > TEXT_BYTES_MAX {
        return Err(format!("makes more than {TEXT_BYTES_MAX} bytes of text"));
    }
    Ok(())
}

fn write(out: &mut String, value: &Value, spec: &Spec) -> Result<(), String> {
    check(out)?;
    match value {
        Value::Nil if spec.verb == 'v' => spec.pad(out, "<nil>"),
        Value::Nil => out.push_str(&format!("%!{}(<nil>)", spec.verb)),
        Value::Bool(is_true) => match spec.verb {
            'v' | 't' => spec.pad(out, if *is_true { "true" } else { "false" }),
            _ => write_bad(out, value, spec)?,
        },
        Value::Int(number) => write_int(out, *number, value, spec)?,
        Value::Float(number) => write_float(out, *number, value, spec)?,
        Value::Text(text) => write_text(out, text, value, spec)?,
        Value::Time(time) => write_text(out, &time.to_string(), value, spec)?,
        Value::Duration(nanos) if matches!(spec.verb, 'd' | 'x' | 'X' | 'o' | 'b') => {
            write_int(out, *nanos, value, spec)?;
        }
        Value::Duration(nanos) => write_text(out, &time::duration_text(*nanos), value, spec)?,
        Value::List(list) => match methods::written_pairs(list) {
            Some(text) if matches!(spec.verb, 'v' | 's') => spec.pad(out, &text),
            _ => {
                out.push('[');
                for (at, item) in list.items().iter().enumerate() {
                    if at > 0 {
                        out.push(' ');
                    }
                    write(out, item, spec)?;
                }
                out.push(']');
            }
        },
        Value::Map(map) if map.kind == MapKind::KeyValues && matches!(spec.verb, 'v' | 's') => {
            spec.pad(out, &methods::written(map));
        }
        Value::Map(map) => {
            let is_record = map.kind == MapKind::Record;
            out.push_str(if is_record { "{" } else { "map[" });
            for (at, (name, item)) in map.entries().iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                if !is_record || spec.has_names {
                    out.push_str(name);
                    out.push(':');
                }
                write(out, item, spec)?;
            }
            out.push(if is_record { '}' } else { ']' });
        }
    }
    check(out)
}

/// A verb that does not suit the value, as Go marks it.
fn write_bad(out: &mut String, value: &Value, spec: &Spec) -> Result<(), String> {
    out.push_str(&format!("%!{}({}=", spec.verb, type_name(value)));
    write(out, value, &Spec::plain())?;
    out.push(')');
    Ok(())
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Float(_) => "float64",
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
        Value::Time(_) => "time.Time",
        Value::Duration(_) => "time.Duration",
        other => other.kind(),
    }
}

fn write_int(out: &mut String, number: i64, value: &Value, spec: &Spec) -> Result<(), String> {
    let magnitude = number.unsigned_abs();
    let (prefix, digits) = match spec.verb {
        'v' | 'd' => ("", magnitude.to_string()),
        'b' => (if spec.is_sharp { "0b" } else { "" }, format!("{magnitude:b}")),
        'o' => (if spec.is_sharp { "0" } else { "" }, format!("{magnitude:o}")),
        'O' => ("0o", format!("{magnitude:o}")),
        'x' => (if spec.is_sharp { "0x" } else { "" }, format!("{magnitude:x}")),
        'X' => (if spec.is_sharp { "0X" } else { "" }, format!("{magnitude:X}")),
        'c' | 'q' | 'U' => {
            let code = u32::try_from(number).ok().and_then(char::from_u32);
            let c = code.unwrap_or(char::REPLACEMENT_CHARACTER);
            let text = match spec.verb {
                'c' => c.to_string(),
                'q' => format!("'{}'", escaped(&c.to_string(), '\'')),
                _ => format!("U+{:04X}", u32::from(c)),
            };
            spec.pad(out, &text);
            return Ok(());
        }
        _ => return write_bad(out, value, spec),
    };
    let missing = spec.precision.unwrap_or(0).saturating_sub(digits.len());
    let digits = format!("{prefix}{}{digits}", "0".repeat(missing));
    // A precision says how many digits there are, so that zeros do not fill the field.
    let has_zeros = spec.has_zeros && spec.precision.is_none();
    Spec { has_zeros, ..*spec }.pad_number(out, number < 0, &digits);
    Ok(())
}

fn write_float(out: &mut String, number: f64, value: &Value, spec: &Spec) -> Result<(), String> {
    let magnitude = number.abs();
    if !matches!(spec.verb, 'v' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G') {
        return write_bad(out, value, spec);
    }
    if !number.is_finite() {
        let is_infinite = number.is_infinite();
        let (has_plus, text) =
            (spec.has_plus || is_infinite, if is_infinite { "Inf" } else { "NaN" });
        let spec = Spec { has_zeros: false, has_plus: has_plus && !spec.has_space, ..*spec };
        spec.pad_number(out, is_infinite && number < 0.0, text);
        return Ok(());
    }
    let digits = match spec.verb {
        'e' | 'E' => float::exponent(magnitude, Some(spec.precision.unwrap_or(6))),
        'f' | 'F' => float::fixed(magnitude, Some(spec.precision.unwrap_or(6))),
        _ => float::general(magnitude, spec.precision),
    };
    let digits = if matches!(spec.verb, 'E' | 'G') { digits.to_uppercase() } else { digits };
    spec.pad_number(out, number.is_sign_negative(), &digits);
    Ok(())
}

fn write_text(out: &mut String, text: &str, value: &Value, spec: &Spec) -> Result<(), String> {
    let cut: String = match spec.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_owned(),
    };
    let hexadecimal = |upper: bool| {
        let bytes = text.bytes().take(spec.precision.unwrap_or(usize::MAX));
        let pairs =
            bytes.map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        pairs.collect::<Vec<_>>().join(if spec.has_space { " " } else { "" })
    };
    let written = match spec.verb {
        'v' | 's' => cut,
        'q' if spec.is_sharp && !cut.contains(['`', '\n', '\r']) => format!("`{cut}`"),
        'q' => format!("\"{}\"", escaped(&cut, '"')),
        'x' => hexadecimal(false),
        'X' => hexadecimal(true),
        _ => return write_bad(out, value, spec),
    };
    spec.pad(out, &written);
    Ok(())
}

/// With Go's escapes, without the quotes around.
fn escaped(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        match c {
            c if c == quote || c == '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}
