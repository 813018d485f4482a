//! How long a record is kept, as the command line says it.

use clap::Args;
use jiff::Timestamp;

/// Until when a record is there.
#[derive(Debug, Args)]
pub(super) struct Life {
    /// Keep it so long: seconds, or such as 90s, 12h, 30days; a minute at least
    #[arg(long, value_name = "TIME", value_parser = lasting, conflicts_with = "expires")]
    ttl: Option<u64>,
    /// Keep it until then: such as 2030-01-31T12:00:00Z, or seconds since 1970
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    expires: Option<u64>,
}

impl Life {
    /// What stands behind the path of the record; empty when it is kept for good.
    pub(super) fn query(&self) -> String {
        match (self.ttl, self.expires) {
            (Some(seconds), _) => format!("?expiration_ttl={seconds}"),
            (None, Some(seconds)) => format!("?expiration={seconds}"),
            (None, None) => String::new(),
        }
    }
}

fn lasting(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    humantime::parse_duration(text).map(|time| time.as_secs()).map_err(|error| error.to_string())
}

fn moment(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let when: Timestamp = text.parse().map_err(|_| {
        "must be a time such as 2030-01-31T12:00:00Z, or seconds since 1970".to_owned()
    })?;
    u64::try_from(when.as_second()).map_err(|_| "is before 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(lasting("90"), Ok(90));
        assert_eq!(lasting("2h"), Ok(7200));
        assert!(lasting("soon").is_err() && lasting("-5").is_err());
        assert_eq!(moment("1900000000"), Ok(1_900_000_000));
        assert_eq!(moment("2030-01-31T12:00:00Z"), Ok(1_896_091_200));
        assert_eq!(moment("2030-01-31T13:00:00+01:00"), Ok(1_896_091_200));
        assert!(moment("tomorrow").is_err() && moment("1969-12-31T23:59:59Z").is_err());
    }
}
