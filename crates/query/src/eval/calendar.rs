//! Dates in UTC from seconds since 1970, by counting days (proleptic Gregorian calendar).

use model::civil_from_days;

/// A date and time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: i64,
    /// 1 to 31.
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    /// 0 is Sunday.
    pub(super) weekday: i64,
    /// From 1.
    pub(super) day_of_year: i64,
}

pub(super) fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `None` for what is no time, or so far away that it makes no sense.
pub(super) fn date(seconds: f64) -> Option<Date> {
    if seconds.is_nan() || seconds.abs() > 1e14 {
        return None;
    }
    let seconds = seconds as i64;
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    let (year, month, day) = civil_from_days(days);
    let before: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    Some(Date {
        year,
        month,
        day,
        hour: of_day / 3_600,
        minute: of_day % 3_600 / 60,
        weekday: (days + 4).rem_euclid(7),
        day_of_year: before + day,
    })
}

/// A time in milliseconds as RFC 3339 writes it, whole seconds.
pub(super) fn text(time: i64) -> String {
    let seconds = time.div_euclid(1_000);
    let Some(date) = date(seconds as f64) else { return format!("{seconds}") };
    let Date { year, month, day, hour, minute, .. } = date;
    let second = seconds.rem_euclid(60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let check = |seconds: f64, expected: (i64, i64, i64, i64, i64)| {
            let date = date(seconds).unwrap();
            let found = (date.year, date.month, date.day, date.weekday, date.day_of_year);
            assert_eq!(found, expected);
        };
        check(0.0, (1970, 1, 1, 4, 1));
        check(951_782_400.0, (2000, 2, 29, 2, 60));
        check(-1.0, (1969, 12, 31, 3, 365));
        check(1_798_675_199.0, (2026, 12, 30, 3, 364));
    }
}
