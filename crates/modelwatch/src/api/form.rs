//! Parameters of the Prometheus endpoints: from the URL, a form body, or both.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use model::UnixMs;

use super::json::ApiError;

/// All parameters in order; a name may occur more than once.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let mut pairs = decode(request.uri().query().unwrap_or_default().as_bytes());
        if is_form(request.headers()) {
            let body = Bytes::from_request(request, state).await;
            let body = body.map_err(|error| ApiError::bad_data(error.body_text()))?;
            pairs.extend(decode(&body));
        }
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
    /// The first value of `name`; an empty one counts as absent, as in Prometheus.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A point in time, as float seconds or RFC 3339.
    pub(super) fn time(&self, name: &str) -> Result<Option<UnixMs>, ApiError> {
        self.get(name)
            .map(|text| parse_time(text).ok_or_else(|| invalid(name, text, "a valid timestamp")))
            .transpose()
    }

    /// A duration in milliseconds, as float seconds or a Prometheus duration.
    pub(super) fn duration_ms(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name)
            .map(|text| {
                parse_duration_ms(text).ok_or_else(|| invalid(name, text, "a valid duration"))
            })
            .transpose()
    }

    /// A whole number; absent means 0, which means without limit.
    pub(super) fn limit(&self, name: &str) -> Result<usize, ApiError> {
        let parsed = self.get(name).map(|text| {
            text.parse().map_err(|_| invalid(name, text, "a non-negative whole number"))
        });
        parsed.unwrap_or(Ok(0))
    }
}

fn invalid(name: &str, text: &str, wanted: &str) -> ApiError {
    ApiError::bad_data(format!("invalid parameter \"{name}\": cannot parse {text:?} to {wanted}"))
}

/// Beyond this, seconds in a float no longer tell milliseconds apart.
const SECONDS_MAX: f64 = 9e12;

/// Float seconds or RFC 3339.
pub(crate) fn parse_time(text: &str) -> Option<UnixMs> {
    if let Ok(seconds) = text.parse::<f64>() {
        let in_range = seconds.is_finite() && seconds.abs() <= SECONDS_MAX;
        return in_range.then(|| UnixMs((seconds * 1e3).round() as i64));
    }
    parse_rfc3339(text)
}

/// Float seconds or a Prometheus duration, in milliseconds.
pub(crate) fn parse_duration_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let in_range = seconds.is_finite() && seconds.abs() <= SECONDS_MAX;
        return in_range.then_some((seconds * 1e3).round() as i64);
    }
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(millis)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(if negative { -total } else { total })
}

/// `2026-11-24T10:00:00.5+01:00`; leap seconds count as the second before.
fn parse_rfc3339(text: &str) -> Option<UnixMs> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone_at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let valid = (0..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second)
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !valid {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let offset_minutes = match zone.as_bytes().first()? {
        b'Z' | b'z' => 0,
        sign => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if *sign == b'-' { -minutes } else { minutes }
        }
    };
    let seconds = days_from_civil(year, month, day) * 86_400
        + hour * 3_600
        + (minute - offset_minutes) * 60
        + second.min(59);
    Some(UnixMs(seconds * 1_000 + millis))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; years start in March so that the
/// leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |text, expected: Option<i64>| {
            assert_eq!(parse_time(text), expected.map(UnixMs), "{text}");
        };
        check("0", Some(0));
        check("1435781451.781", Some(1_435_781_451_781));
        check("1970-01-01T00:00:00Z", Some(0));
        check("2015-07-01T20:10:51.781Z", Some(1_435_781_451_781));
        check("2015-07-01T22:10:51.781+02:00", Some(1_435_781_451_781));
        check("2000-02-29T12:00:00-01:30", Some(951_831_000_000));
        for bad in
            ["", "x", "NaN", "1e300", "2015-13-01T00:00:00Z", "2015-07-01", "T", "1-1-1T1:1:1.é+"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn durations() {
        let check = |text, expected| assert_eq!(parse_duration_ms(text), expected, "{text}");
        check("15", Some(15_000));
        check("0.5", Some(500));
        check("1h30m", Some(5_400_000));
        check("-5m", Some(-300_000));
        check("1y", Some(31_536_000_000));
        for bad in ["", "m", "5x", "99999999999999999y", "1.5h"] {
            check(bad, None);
        }
    }
}
