//! When a record expires: a duration or a time.

use clap::Args;

use crate::api::store::LIFE_SECONDS;
use crate::cli::when::When;
use crate::machine::unix_now;

/// When a record expires.
#[derive(Debug, Args)]
pub(crate) struct ExpirationArguments {
    /// Expire after this time: seconds, or such as 90s, 12h, 30days; at least a minute
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "expires")]
    ttl: Option<u64>,
    /// Expire at this time: such as 2030-01-31T12:00:00Z, 2030-01-31 for the first second of that day
    /// in UTC, or seconds since 1970
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    expires: Option<u64>,
}

impl ExpirationArguments {
    /// The end of the query of the write; empty when the record does not expire.
    pub(crate) fn query(&self) -> String {
        match (self.ttl, self.expires) {
            (Some(seconds), _) => format!("&expiration_ttl={seconds}"),
            (None, Some(seconds)) => format!("&expiration={seconds}"),
            (None, None) => String::new(),
        }
    }
}

fn duration(text: &str) -> Result<u64, String> {
    let seconds = match text.parse() {
        Ok(seconds) => seconds,
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string())?.as_secs(),
    };
    // Checked here too: the service would refuse only once the value, which may be large, is on its way.
    if seconds < LIFE_SECONDS {
        return Err(format!("must be at least {LIFE_SECONDS} s (got {seconds})"));
    }
    Ok(seconds)
}

fn moment(text: &str) -> Result<u64, String> {
    let seconds = match (text.parse(), When::read(text)) {
        (Ok(seconds), _) => seconds,
        (_, Ok(when)) => u64::try_from(when.first).unwrap_or(0),
        (_, Err(must)) => return Err(format!("{must}, or seconds since 1970")),
    };
    if seconds < unix_now() + LIFE_SECONDS {
        return Err(format!("must be at least {LIFE_SECONDS} s from now (got {text})"));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(duration("60"), Ok(60));
        assert!(duration("59").is_err() && duration("1s").is_err());
        assert_eq!(duration("2h"), Ok(7200));
        assert!(duration("soon").is_err() && duration("-5").is_err());
        assert_eq!(moment("4070952000"), Ok(4_070_952_000));
        assert_eq!(moment("2099-01-01T12:00:00Z"), Ok(4_070_952_000));
        assert_eq!(moment("2099-01-01T13:00:00+01:00"), Ok(4_070_952_000));
        assert_eq!(moment("2099-01-01"), Ok(4_070_908_800));
        assert!(moment("tomorrow").is_err() && moment("1000").is_err());
        assert!(moment("1969-12-31T23:59:59Z").is_err());
    }
}
