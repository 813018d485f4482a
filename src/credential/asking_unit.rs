//! The unit that asks, and its credential, from the address that systemd binds.
//!
//! ```text
//! NUL ‖ 16 hexadecimal digits or fewer ‖ "/unit/" ‖ unit ‖ "/" ‖ credential
//! ```

use std::fmt;

/// The most characters of a unit's name: `UNIT_NAME_MAX` of systemd is 256 with the zero at the end.
const UNIT_MOST: usize = 255;

/// Which unit asks for which credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskingUnit {
    unit: String,
    credential: String,
}

impl AskingUnit {
    /// The unit of an abstract address, without the NUL; `None` for an address of any other form.
    pub(crate) fn of(address: &[u8]) -> Option<Self> {
        let text = str::from_utf8(address).ok()?;
        let (random, rest) = text.split_once("/unit/")?;
        let (unit, credential) = rest.split_once('/')?;
        let is_random = (1..=16).contains(&random.len())
            && random.bytes().all(|digit| digit.is_ascii_hexdigit());
        let is_unit = (1..=UNIT_MOST).contains(&unit.len()) && unit.bytes().all(is_of_name);
        let is_credential = !credential.is_empty() && credential.bytes().all(is_of_credential);
        (is_random && is_unit && is_credential)
            .then(|| Self { unit: unit.to_owned(), credential: credential.to_owned() })
    }
}

/// For the fuzz target: the unit of an address, as the audit log names it.
#[cfg(any(test, feature = "test-support"))]
#[must_use]
pub fn asking_unit(address: &[u8]) -> Option<String> {
    AskingUnit::of(address).map(|asking| asking.to_string())
}

/// `ssh.service, credential seed`
impl fmt::Display for AskingUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, credential {}", self.unit, self.credential)
    }
}

/// The characters of a unit's name (systemd.unit(5)), which escapes all others with `\`.
fn is_of_name(letter: u8) -> bool {
    letter.is_ascii_alphanumeric() || b":-_.\\@".contains(&letter)
}

/// The characters of a credential's name: printable ASCII except those that part fields (systemd's
/// `credential_name_valid`).
fn is_of_credential(letter: u8) -> bool {
    (b' '..=b'~').contains(&letter) && !matches!(letter, b':' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_and_credential_are_those_of_the_address() {
        let asking = AskingUnit::of(b"9f86d081884c7d65/unit/a\\x2db@1.service/host-key.seed");
        let shown = asking.expect("a unit").to_string();
        assert_eq!(shown, "a\\x2db@1.service, credential host-key.seed");
        assert!(AskingUnit::of(b"0/unit/a/b").is_some());
        assert!(AskingUnit::of(b"0/unit/a/my key+1,2=3").is_some());
        assert!(AskingUnit::of(b"0/unit/a/key:1").is_none());
    }

    #[test]
    fn an_address_of_another_form_is_of_no_unit() {
        for address in [
            &b""[..],
            b"9f/unit/a.service",
            b"9f/unit/a.service/",
            b"9f/unit//seed",
            b"/unit/a.service/seed",
            b"xy/unit/a.service/seed",
            b"00112233445566778/unit/a.service/seed",
            b"9f/unit/a.service/se/ed",
            b"9f/unit/a\nb.service/seed",
            b"9f/unit/a b.service/seed",
            b"9f/unit/\xff.service/seed",
            b"9f/user/a.service/seed",
        ] {
            assert_eq!(AskingUnit::of(address), None, "{}", address.escape_ascii());
        }
        let long = format!("9f/unit/{}/seed", "a".repeat(256));
        assert_eq!(AskingUnit::of(long.as_bytes()), None);
    }
}
