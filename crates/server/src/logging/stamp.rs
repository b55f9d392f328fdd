//! The time at the start of a line: `log_timestamp` and `log_timestamp_format`.
//!
//! Before: the moment at which a line was made. After: the writer puts the text in front of it.

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Local};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// How the time of a line is written.
#[derive(Clone, Debug)]
pub(super) enum Stamp {
    /// Not at all.
    None,
    /// Seconds since 1970.
    Unix,
    /// As the format says, in local time.
    Format(Vec<Item<'static>>),
}

impl Stamp {
    pub(super) fn new(wanted: bool, format: Option<&str>) -> Self {
        match format {
            _ if !wanted => Stamp::None,
            None => Stamp::Unix,
            // What chrono does not know is written as it stands, as strftime does.
            Some(format) => Stamp::Format(StrftimeItems::new_lenient(format).map(Item::to_owned).collect()),
        }
    }

    /// Appends the time and what separates it from the text.
    pub(super) fn write(&self, at: SystemTime, out: &mut String) {
        let written = match self {
            Stamp::None => return,
            Stamp::Unix => {
                let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                write!(out, "{seconds}: ")
            }
            Stamp::Format(items) => {
                let time = DateTime::<Local>::from(at).format_with_items(items.iter());
                write!(out, "{time}: ")
            }
        };
        // A String takes everything; chrono refuses items that a time does not have, and this one has all.
        debug_assert!(written.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stamped(stamp: &Stamp) -> String {
        let mut out = String::new();
        stamp.write(UNIX_EPOCH + Duration::from_secs(1_795_340_463), &mut out);
        out
    }

    #[test]
    fn the_default_is_unix_seconds() {
        assert_eq!(stamped(&Stamp::new(true, None)), "1795340463: ");
        assert_eq!(stamped(&Stamp::new(false, Some("%Y"))), "");
    }

    #[test]
    fn a_format_is_followed_and_a_wrong_one_does_no_harm() {
        assert_eq!(stamped(&Stamp::new(true, Some("%Y-%m"))), "2026-11: ");
        assert_eq!(stamped(&Stamp::new(true, Some("%s"))), "1795340463: ");
        let odd = stamped(&Stamp::new(true, Some("%Y%")));
        assert!(odd.starts_with("2026"), "{odd}");
        assert!(stamped(&Stamp::new(true, Some("%Q %!"))).ends_with(": "));
    }
}
