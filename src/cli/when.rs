//! Times on the command line: a timestamp, or a date in UTC.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The forms of a time.
const FORMS: &str = "2026-01-31, or 2026-01-31T08:00:00Z";

/// The first and the last second of a time, since 1970. A date is its whole day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl When {
    /// Parses a time.
    ///
    /// # Errors
    /// Names the forms.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(Self { first: moment.as_second(), last: moment.as_second() });
        }
        // The date's parser would accept a time without a zone too.
        let is_date = text.len() == "2026-01-31".len();
        let date = text.parse::<Date>().ok().filter(|_| is_date);
        let day = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
        let day = day.ok_or_else(|| format!("must be a time such as {FORMS}"))?;
        let first = day.timestamp().as_second();
        Ok(Self { first, last: first + 24 * 60 * 60 - 1 })
    }
}

/// Seconds since 1970 as RFC 3339 has them, in UTC.
pub(crate) fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_whole_day_in_utc_and_a_moment_one_second() {
        for (text, first, last) in [
            ("2026-11-01", 1_793_491_200, 1_793_577_599),
            ("2026-11-01T00:00:00Z", 1_793_491_200, 1_793_491_200),
            ("2026-11-01T02:00:00.9+02:00", 1_793_491_200, 1_793_491_200),
            ("1970-01-01", 0, 86_399),
        ] {
            assert_eq!(When::read(text), Ok(When { first, last }), "{text}");
        }
        for text in ["2026-11-01T08:00:00", "2026-11-01T08:00", "2026-13-01", "11-01", "today", ""]
        {
            let said = When::read(text).expect_err(text);
            assert!(said.contains("2026-01-31,"), "{said}");
        }
    }
}
