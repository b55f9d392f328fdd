//! The time at which a message came, in words.

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, FixedOffset, Offset as _, Timelike as _};
use std::fmt::Write as _;

/// One conversion of `strftime`, such as `%Y`; printed as it is if there is no such conversion.
pub(super) fn convert(time: &DateTime<FixedOffset>, conversion: &str) -> String {
    if conversion == "%Z" && time.offset().fix().local_minus_utc() == 0 {
        return "UTC".to_owned();
    }
    // `%+` and `%:` are not the C library's.
    let foreign = matches!(conversion, "%+" | "%:" | "%f" | "%v" | "%q");
    let items: Vec<Item<'_>> = StrftimeItems::new(conversion).collect();
    if foreign || items.iter().any(|item| matches!(item, Item::Error)) {
        return conversion.to_owned();
    }
    time.format_with_items(items.into_iter()).to_string()
}

/// Nine digits.
pub(super) fn nanoseconds(time: &DateTime<FixedOffset>) -> String {
    format!("{:09}", time.nanosecond() % 1_000_000_000)
}

/// `2026-11-22T10:00:00+0000`.
pub(super) fn iso(time: &DateTime<FixedOffset>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%z").to_string()
}

/// `2026-11-22T10:00:00.123456+0000`.
pub(super) fn iso_micros(time: &DateTime<FixedOffset>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6f%z").to_string()
}

/// `1795341162.123456789`.
pub(super) fn unix(time: &DateTime<FixedOffset>) -> String {
    let mut text = time.timestamp().to_string();
    // Writing to a string does not fail.
    let _ = write!(text, ".{}", nanoseconds(time));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339("2026-11-02T05:07:09.001002003+02:00").expect("legal")
    }

    #[test]
    fn conversions() {
        for (conversion, text) in [
            ("%Y", "2026"),
            ("%m", "11"),
            ("%e", " 2"),
            ("%k", " 5"),
            ("%P", "am"),
            ("%s", "1793588829"),
            ("%z", "+0200"),
            ("%F", "2026-11-02"),
            ("%j", "306"),
            ("%5", "%5"),
            ("%+", "%+"),
        ] {
            assert_eq!(convert(&moment(), conversion), text, "{conversion}");
        }
        assert_eq!(convert(&moment().with_timezone(&chrono::Utc).fixed_offset(), "%Z"), "UTC");
    }

    #[test]
    fn stamps() {
        assert_eq!(iso(&moment()), "2026-11-02T05:07:09+0200");
        assert_eq!(iso_micros(&moment()), "2026-11-02T05:07:09.001002+0200");
        assert_eq!(unix(&moment()), "1793588829.001002003");
    }
}
