//! Names of records.

use std::borrow::Borrow;
use std::fmt;

use zeroize::Zeroize;

use crate::kv::error::KvError;

/// The longest name in bytes, the limit of Workers KV.
pub const NAME_LIMIT: usize = 512;

/// A name in memory. Zeroized when dropped, and never printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordName(Box<str>);

impl RecordName {
    pub(crate) fn of(name: &str) -> Self {
        Self(name.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

// A name is ordered by bytes, as its text is: it can be looked up by the text.
impl Borrow<str> for RecordName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Drop for RecordName {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordName({} bytes)", self.0.len())
    }
}

/// Checks that a record may have this name.
pub(crate) fn check(name: &str) -> Result<(), KvError> {
    if name.is_empty() || name.len() > NAME_LIMIT {
        return Err(KvError::NameLength { limit: NAME_LIMIT, value: name.len() });
    }
    // Clients that normalize paths could not address them.
    if name == "." || name == ".." { Err(KvError::NameDots) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_none_is_a_dot() {
        let longest = "x".repeat(NAME_LIMIT);
        for name in ["a", "a/b c", "ä", "...", "\u{0}", &longest] {
            assert!(check(name).is_ok(), "{name}");
        }
        let too_long = "x".repeat(NAME_LIMIT + 1);
        for name in ["", ".", "..", &too_long] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn names_sort_by_bytes_and_are_not_printed() {
        let mut names = ["b", "a", "ä", "a/", "B"].map(RecordName::of);
        names.sort();
        assert_eq!(names.each_ref().map(RecordName::as_str), ["B", "a", "a/", "b", "ä"]);
        assert_eq!(format!("{:?}", RecordName::of("secret")), "RecordName(6 bytes)");
    }
}
