//! The zone of this machine: programs on it write times that do not say in which zone they are.

use jiff::{Timestamp, tz::TimeZone};
use logs::Zone;

/// As `TZ` or `/etc/localtime` says; UTC where neither does.
pub(crate) fn machine() -> Zone {
    let zone = TimeZone::system();
    Zone::new(move |at| {
        let at = Timestamp::from_millisecond(at.0).unwrap_or_default();
        zone.to_offset(at).seconds() / 60
    })
}
