//! Parameters of the Prometheus endpoints: from the URL, a form body, or both.

use std::{num::ParseIntError, str::FromStr};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, Method, header},
};
use model::UnixMs;

use super::{json::ApiError, time::parse_time};

/// All parameters in order; a name may occur more than once.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let from_url = decode(request.uri().query().unwrap_or_default().as_bytes());
        if request.method() == Method::GET || !is_form(request.headers()) {
            return Ok(Self(from_url));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| ApiError::bad_data(error.body_text()))?;
        // Of a parameter in both places the one in the body counts, as in Prometheus.
        let mut pairs = decode(&body);
        pairs.extend(from_url);
        Ok(Self(pairs))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

fn decode(bytes: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(bytes).map(|(name, value)| (name.into(), value.into())).collect()
}

impl Form {
    #[cfg(test)]
    pub(super) fn of(query: &str) -> Self {
        Self(decode(query.as_bytes()))
    }

    /// The first value of `name`; an empty one counts as absent, as in Prometheus.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A point in time, as float seconds or RFC 3339.
    pub(super) fn time(&self, name: &str) -> Result<Option<UnixMs>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match parse_time(text) {
            Some(time) => Ok(Some(time)),
            None => {
                let reason = format!("invalid time value for '{name}': {}", no_timestamp(text));
                Err(invalid(name, &reason))
            }
        }
    }

    /// As [`Form::time`], of a parameter that must be given.
    pub(super) fn required_time(&self, name: &str) -> Result<UnixMs, ApiError> {
        let text = self.get(name).unwrap_or_default();
        parse_time(text).ok_or_else(|| invalid(name, &no_timestamp(text)))
    }

    /// A duration in milliseconds, as float seconds or a Prometheus duration; the error is only the reason.
    pub(super) fn duration_ms(&self, name: &str) -> Result<Option<i64>, String> {
        self.get(name).map(parse_duration_ms).transpose()
    }

    /// A whole number; absent means 0, which means without limit.
    pub(super) fn limit(&self, name: &str) -> Result<usize, ApiError> {
        let Some(text) = self.get(name) else { return Ok(0) };
        let number = integer(text).map_err(|reason| invalid(name, &reason))?;
        usize::try_from(number).map_err(|_| invalid(name, "limit must be non-negative"))
    }
}

/// A parameter that cannot be used.
pub(super) fn invalid(name: &str, reason: &str) -> ApiError {
    ApiError::bad_data(format!("invalid parameter \"{name}\": {reason}"))
}

fn no_timestamp(text: &str) -> String {
    format!("cannot parse {text:?} to a valid timestamp")
}

/// A decimal integer with an optional sign. Fails with the words of Go's library, which clients of
/// Prometheus know.
pub(super) fn integer(text: &str) -> Result<i64, String> {
    integer_as(text, "Atoi")
}

/// As [`integer`], of any width, by Go's function of that name.
pub(super) fn integer_as<T: FromStr<Err = ParseIntError>>(
    text: &str,
    function: &str,
) -> Result<T, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse::<T>().map_err(|error| {
        let reason = match error.kind() {
            PosOverflow | NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.{function}: parsing {text:?}: {reason}")
    })
}

/// Units of a duration in the order in which they must come, with their milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longest duration: what Go holds in nanoseconds.
const DURATION_MS_MAX: i64 = i64::MAX / 1_000_000;

/// Float seconds or a Prometheus duration, in milliseconds.
pub(crate) fn parse_duration_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("cannot parse {text:?} to a valid duration");
    if let Ok(seconds) = text.parse::<f64>() {
        if seconds.is_nan() || seconds.abs() * 1e3 > DURATION_MS_MAX as f64 {
            return Err(format!("{}. It overflows int64", wrong()));
        }
        return Ok((seconds * 1e3).round() as i64);
    }
    units_ms(text).ok_or_else(wrong)
}

/// `1h30m`: whole numbers of units, each smaller than the one before.
fn units_ms(text: &str) -> Option<i64> {
    let (mut rest, mut total, mut units) = (text, 0_i64, UNITS.as_slice());
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let place = units.iter().position(|(name, _)| *name == unit)?;
        let millis = units.get(place)?.1;
        units = units.get(place + 1..)?;
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(millis)?)?;
        rest = after;
    }
    (!text.is_empty() && total <= DURATION_MS_MAX).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text, expected| assert_eq!(parse_duration_ms(text).ok(), expected, "{text}");
        check("15", Some(15_000));
        check("0.5", Some(500));
        check("-15", Some(-15_000));
        check("1h30m", Some(5_400_000));
        check("1y", Some(31_536_000_000));
        check("1m1ms", Some(60_001));
        for bad in [
            "",
            "m",
            "5x",
            "99999999999999999y",
            "300y",
            "1.5h",
            "-5m",
            "5m1h",
            "1m1m",
            "NaN",
            "1e10",
        ] {
            check(bad, None);
        }
        let overflow = "cannot parse \"1e10\" to a valid duration. It overflows int64";
        assert_eq!(parse_duration_ms("1e10"), Err(overflow.to_owned()));
    }

    #[test]
    fn integers() {
        assert_eq!(integer("-5"), Ok(-5));
        let check = |text, reason: &str| {
            assert_eq!(integer(text), Err(format!("strconv.Atoi: parsing {text:?}: {reason}")));
        };
        check("", "invalid syntax");
        check("1.5", "invalid syntax");
        check("99999999999999999999", "value out of range");
    }
}
