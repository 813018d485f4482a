//! Limits of a tenant: what it may ask for, as the operator writes it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// More requests in a window than any machine answers.
const REQUESTS_MOST: u32 = 1_000_000_000;

/// More bytes than a machine sends in a day: 1 EiB.
const BYTES_MOST: u64 = 1 << 60;

/// Limits; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Requests in a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<Rate>,
    /// Requests at once after a pause; by default those of a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) burst: Option<u32>,
    /// Bytes of answers per day in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_day: Option<u64>,
    /// Answers longer than a buffer that are sent at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) long_answers: Option<u32>,
}

/// Requests in a window of time. As text: `50/s`, `3000/min`, `100/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Rate {
    requests: u32,
    window: Window,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    Second,
    Minute,
    Hour,
}

/// Bytes per day. As text: `1MiB/day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DailyBytes(pub u64);

/// A text that is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitError {
    /// A rate.
    #[error(
        "must be a number of requests from 1 to 1000000000 and a window, such as 50/s, 3000/min, 100/h"
    )]
    Rate,
    /// Bytes per day.
    #[error("must be a size of at most 1EiB per day, such as 1MiB/day")]
    DailyBytes,
}

impl Rate {
    /// Requests in a window.
    #[must_use]
    pub(crate) fn requests(self) -> u32 {
        self.requests
    }

    /// The window.
    #[must_use]
    pub(crate) fn window(self) -> Duration {
        Duration::from_secs(match self.window {
            Window::Second => 1,
            Window::Minute => 60,
            Window::Hour => 3600,
        })
    }
}

impl FromStr for Rate {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (requests, window) = text.split_once('/').ok_or(LimitError::Rate)?;
        let window = match window {
            "s" => Window::Second,
            "min" => Window::Minute,
            "h" => Window::Hour,
            _ => return Err(LimitError::Rate),
        };
        let requests = requests.parse().map_err(|_| LimitError::Rate)?;
        if !(1..=REQUESTS_MOST).contains(&requests) {
            return Err(LimitError::Rate);
        }
        Ok(Self { requests, window })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = match self.window {
            Window::Second => "s",
            Window::Minute => "min",
            Window::Hour => "h",
        };
        write!(f, "{}/{window}", self.requests)
    }
}

impl TryFrom<String> for Rate {
    type Error = LimitError;

    fn try_from(text: String) -> Result<Self, LimitError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl FromStr for DailyBytes {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let size = text.strip_suffix("/day").ok_or(LimitError::DailyBytes)?;
        let size: ByteSize = size.parse().map_err(|_| LimitError::DailyBytes)?;
        // The parser gives the largest number for what is larger.
        Some(size.as_u64())
            .filter(|bytes| *bytes <= BYTES_MOST)
            .map(Self)
            .ok_or(LimitError::DailyBytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_sizes_are_read_as_people_write_them() {
        for (text, requests, seconds) in [("50/s", 50, 1), ("3000/min", 3000, 60), ("1/h", 1, 3600)]
        {
            let rate: Rate = text.parse().expect(text);
            assert_eq!((rate.requests(), rate.window().as_secs()), (requests, seconds));
            assert_eq!(rate.to_string(), text);
        }
        for text in
            ["", "50", "50/", "/s", "0/s", "1000000001/s", "-1/s", "50/day", "5 /s", "1.5/s"]
        {
            assert_eq!(text.parse::<Rate>(), Err(LimitError::Rate), "{text}");
        }
        assert_eq!("1MiB/day".parse(), Ok(DailyBytes(1 << 20)));
        assert_eq!("0B/day".parse(), Ok(DailyBytes(0)));
        for text in ["1MiB", "MiB/day", "1MiB/s", "-1B/day", "2EiB/day", "99999EiB/day", ""] {
            assert_eq!(text.parse::<DailyBytes>(), Err(LimitError::DailyBytes), "{text}");
        }
    }

    #[test]
    fn limits_are_stored_as_text_and_read_back() {
        let limits = Limits {
            rate: Some("50/s".parse().expect("a rate")),
            burst: None,
            bytes_per_day: Some(1 << 20),
            long_answers: Some(2),
        };
        let text = serde_json::to_string(&limits).expect("JSON");
        assert_eq!(text, r#"{"rate":"50/s","bytes-per-day":1048576,"long-answers":2}"#);
        assert_eq!(serde_json::from_str::<Limits>(&text).expect("read back"), limits);
        assert!(serde_json::from_str::<Limits>(r#"{"rat":"50/s"}"#).is_err());
    }
}
