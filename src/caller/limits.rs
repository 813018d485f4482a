//! Limits of a tenant as the operator writes them, and those in force.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// More requests in a window than any machine answers.
const REQUESTS_MOST: u32 = 1_000_000_000;

/// More bytes than a machine sends in a day: 1 EiB.
const BYTES_MOST: u64 = 1 << 60;

/// Limits in force; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Requests in a window.
    pub(crate) rate: Option<Rate>,
    /// Requests at once after a pause; by default those of a window.
    pub(crate) burst: Option<u32>,
    /// Bytes of answers per day in UTC.
    pub(crate) bytes_per_day: Option<u64>,
    /// Answers longer than a buffer that are sent at a time.
    pub(crate) long_answers: Option<u32>,
    /// Calls that use a key, per day in UTC.
    pub(crate) key_uses_per_day: Option<u64>,
    /// Namespaces of its own: those whose titles begin with its name and a slash.
    pub(crate) namespaces: Option<u64>,
    /// Records in its namespaces.
    pub(crate) records: Option<u64>,
    /// Bytes of names, metadata and values of these records.
    pub(crate) stored_bytes: Option<u64>,
}

/// The limits that the operator set of one tenant, as they are stored. Those that are not set are not
/// stored, and follow the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct LimitSettings {
    /// Requests in a window.
    #[serde(skip_serializing_if = "Setting::is_default")]
    pub(crate) rate: Setting<Rate>,
    /// Requests at once after a pause.
    #[serde(skip_serializing_if = "Setting::is_default")]
    pub(crate) burst: Setting<u32>,
    /// Bytes of answers per day in UTC.
    #[serde(skip_serializing_if = "Setting::is_default")]
    pub(crate) bytes_per_day: Setting<u64>,
    /// Answers longer than a buffer that are sent at a time.
    #[serde(skip_serializing_if = "Setting::is_default")]
    pub(crate) long_answers: Setting<u32>,
    /// Calls that use a key, per day in UTC.
    #[serde(skip_serializing_if = "Setting::is_default")]
    pub(crate) key_uses_per_day: Setting<u64>,
    /// Namespaces of its own.
    #[serde(skip_serializing_if = "Setting::is_default")]
    pub(crate) namespaces: Setting<u64>,
    /// Records in its namespaces.
    #[serde(skip_serializing_if = "Setting::is_default")]
    pub(crate) records: Setting<u64>,
    /// Bytes of these records.
    #[serde(skip_serializing_if = "Setting::is_default")]
    pub(crate) stored_bytes: Setting<u64>,
}

/// One limit as the operator set it. As text: `none`, or the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SettingText<T>", into = "SettingText<T>")]
#[serde(bound(serialize = "T: Serialize + Clone", deserialize = "T: Deserialize<'de>"))]
pub(crate) enum Setting<T> {
    /// Not set: the default of the configuration.
    #[default]
    Default,
    /// Set to no limit, also where there is a default.
    Lifted,
    /// Set to this.
    At(T),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SettingText<T> {
    Word(Word),
    At(T),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    None,
    Default,
}

impl LimitSettings {
    /// The limits in force, where `defaults` are those of the configuration. The burst of a rate of the
    /// tenant's own is its own, too.
    #[must_use]
    pub(crate) fn over(&self, defaults: &Limits) -> Limits {
        let rate = self.rate.over(defaults.rate);
        let default_burst = defaults.burst.filter(|_| self.rate.is_default());
        Limits {
            rate,
            burst: self.burst.over(default_burst).filter(|_| rate.is_some()),
            bytes_per_day: self.bytes_per_day.over(defaults.bytes_per_day),
            long_answers: self.long_answers.over(defaults.long_answers),
            key_uses_per_day: self.key_uses_per_day.over(defaults.key_uses_per_day),
            namespaces: self.namespaces.over(defaults.namespaces),
            records: self.records.over(defaults.records),
            stored_bytes: self.stored_bytes.over(defaults.stored_bytes),
        }
    }
}

impl<T: Copy> Setting<T> {
    /// The limit in force, where `default` is that of the configuration.
    #[must_use]
    pub(crate) fn over(self, default: Option<T>) -> Option<T> {
        match self {
            Self::Default => default,
            Self::Lifted => None,
            Self::At(limit) => Some(limit),
        }
    }
}

impl<T> Setting<T> {
    /// Whether it is not set.
    #[must_use]
    pub(crate) fn is_default(&self) -> bool {
        matches!(self, Self::Default)
    }
}

impl<T> From<SettingText<T>> for Setting<T> {
    fn from(text: SettingText<T>) -> Self {
        match text {
            SettingText::Word(Word::None) => Self::Lifted,
            SettingText::Word(Word::Default) => Self::Default,
            SettingText::At(limit) => Self::At(limit),
        }
    }
}

impl<T> From<Setting<T>> for SettingText<T> {
    fn from(setting: Setting<T>) -> Self {
        match setting {
            Setting::Default => Self::Word(Word::Default),
            Setting::Lifted => Self::Word(Word::None),
            Setting::At(limit) => Self::At(limit),
        }
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct DailyBytes(pub u64);

/// Calls per day that use a key. As text: `1000/day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct DailyUses(pub u64);

/// Bytes at rest. As text: `10MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct StoredBytes(pub u64);

/// Bytes per second, at least one. As text: `100MiB/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ByteRate(pub u64);

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
    /// Uses per day.
    #[error("must be a number of calls per day, such as 1000/day")]
    DailyUses,
    /// Bytes at rest.
    #[error("must be a size of at most 1EiB, such as 10MiB")]
    StoredBytes,
    /// Bytes per second.
    #[error("must be a size of 1B to 1EiB per second, such as 100MiB/s")]
    ByteRate,
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
        read_size(text, "/day").map(Self).ok_or(LimitError::DailyBytes)
    }
}

impl FromStr for ByteRate {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let bytes = read_size(text, "/s").filter(|bytes| *bytes > 0);
        bytes.map(Self).ok_or(LimitError::ByteRate)
    }
}

impl FromStr for DailyUses {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let uses = text.strip_suffix("/day").and_then(|uses| uses.parse().ok());
        uses.map(Self).ok_or(LimitError::DailyUses)
    }
}

impl FromStr for StoredBytes {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        read_size(text, "").map(Self).ok_or(LimitError::StoredBytes)
    }
}

/// Reads and writes a type as text with this unit.
macro_rules! as_text {
    ($type:ident, $unit:literal) => {
        impl TryFrom<String> for $type {
            type Error = LimitError;

            fn try_from(text: String) -> Result<Self, LimitError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from($type(number): $type) -> Self {
                format!(concat!("{}", $unit), number)
            }
        }
    };
}

as_text!(DailyBytes, "B/day");
as_text!(ByteRate, "B/s");
as_text!(DailyUses, "/day");
as_text!(StoredBytes, "B");

/// A size of at most 1 EiB before this unit.
fn read_size(text: &str, unit: &str) -> Option<u64> {
    let size: ByteSize = text.strip_suffix(unit)?.parse().ok()?;
    // The parser gives the largest number for what is larger.
    Some(size.as_u64()).filter(|bytes| *bytes <= BYTES_MOST)
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
        assert_eq!("100MiB/s".parse(), Ok(ByteRate(100 << 20)));
        assert_eq!("1000/day".parse(), Ok(DailyUses(1000)));
        for text in ["1000", "-1/day", "1.5/day", "/day", "1000/s"] {
            assert_eq!(text.parse::<DailyUses>(), Err(LimitError::DailyUses), "{text}");
        }
        assert_eq!("10MiB".parse(), Ok(StoredBytes(10 << 20)));
        for text in ["", "10MiB/day", "-1B", "2EiB"] {
            assert_eq!(text.parse::<StoredBytes>(), Err(LimitError::StoredBytes), "{text}");
        }
        for text in ["0B/s", "1MiB", "1MiB/day", "2EiB/s"] {
            assert_eq!(text.parse::<ByteRate>(), Err(LimitError::ByteRate), "{text}");
        }
        for text in ["1MiB", "MiB/day", "1MiB/s", "-1B/day", "2EiB/day", "99999EiB/day", ""] {
            assert_eq!(text.parse::<DailyBytes>(), Err(LimitError::DailyBytes), "{text}");
        }
    }

    #[test]
    fn limits_are_stored_as_text_and_read_back() {
        let limits = LimitSettings {
            rate: Setting::At("50/s".parse().expect("a rate")),
            burst: Setting::Default,
            bytes_per_day: Setting::At(1 << 20),
            long_answers: Setting::Lifted,
            ..LimitSettings::default()
        };
        let text = serde_json::to_string(&limits).expect("JSON");
        assert_eq!(text, r#"{"rate":"50/s","bytes-per-day":1048576,"long-answers":"none"}"#);
        assert_eq!(serde_json::from_str::<LimitSettings>(&text).expect("read back"), limits);
        for text in [r#"{"rat":"50/s"}"#, r#"{"rate":"0/s"}"#, r#"{"burst":"many"}"#] {
            assert!(serde_json::from_str::<LimitSettings>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_that_is_not_set_is_the_default_and_none_lifts_it() {
        let rate = |text: &str| text.parse::<Rate>().expect("a rate");
        let defaults = Limits {
            rate: Some(rate("5/s")),
            burst: Some(9),
            bytes_per_day: Some(100),
            long_answers: Some(1),
            records: Some(5),
            ..Limits::default()
        };
        let mut settings = LimitSettings::default();
        assert_eq!(settings.over(&defaults), defaults);
        assert_eq!(settings.over(&Limits::default()), Limits::default());
        settings.bytes_per_day = Setting::Lifted;
        settings.long_answers = Setting::At(7);
        settings.rate = Setting::At(rate("1/h"));
        let expected = Limits {
            rate: Some(rate("1/h")),
            burst: None,
            bytes_per_day: None,
            long_answers: Some(7),
            records: Some(5),
            ..Limits::default()
        };
        assert_eq!(settings.over(&defaults), expected);
        settings.rate = Setting::Lifted;
        settings.burst = Setting::At(3);
        assert_eq!(settings.over(&defaults).burst, None, "there is no rate");
    }
}
