//! Floats as Go writes them. All functions take the magnitude; signs are the caller's.

/// `%g`: the shortest text that reads back as the same number, or so many significant digits; with an exponent
/// where that is short.
pub(crate) fn general(magnitude: f64, digits: Option<usize>) -> String {
    let scientific = match digits {
        Some(digits) => format!("{magnitude:.*e}", digits.saturating_sub(1)),
        None => format!("{magnitude:e}"),
    };
    let (mantissa, power) = parts(&scientific);
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    let limit = digits.map_or(SHORTEST_POWER_MAX, |digits| digits.max(1) as i32);
    if (-4..limit).contains(&power) {
        return positional(mantissa, power);
    }
    with_exponent(mantissa, power)
}

/// From this power of ten on the shortest text has an exponent.
const SHORTEST_POWER_MAX: i32 = 6;

/// `%e`, with so many decimals or as many as needed.
pub(crate) fn exponent(magnitude: f64, decimals: Option<usize>) -> String {
    let scientific = match decimals {
        Some(decimals) => format!("{magnitude:.decimals$e}"),
        None => format!("{magnitude:e}"),
    };
    let (mantissa, power) = parts(&scientific);
    with_exponent(mantissa, power)
}

/// `%f`, with so many decimals or as many as needed.
pub(crate) fn fixed(magnitude: f64, decimals: Option<usize>) -> String {
    match decimals {
        Some(decimals) => format!("{magnitude:.decimals$}"),
        None => format!("{magnitude}"),
    }
}

fn parts(scientific: &str) -> (&str, i32) {
    let (mantissa, power) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (mantissa, power.parse().unwrap_or(0))
}

fn with_exponent(mantissa: &str, power: i32) -> String {
    let sign = if power < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", power.abs())
}

/// The digits of a mantissa with the point where the power puts it.
fn positional(mantissa: &str, power: i32) -> String {
    let digits = mantissa.replace('.', "");
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    if power < 0 {
        return format!("0.{}{digits}", zeros(-power - 1));
    }
    let whole = power as usize + 1;
    match digits.split_at_checked(whole) {
        Some((whole, "")) => whole.to_owned(),
        Some((whole, decimals)) => format!("{whole}.{decimals}"),
        None => format!("{digits}{}", zeros(whole as i32 - digits.len() as i32)),
    }
}
