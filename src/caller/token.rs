//! Bearer tokens: kept as hashes, compared without telling how close a guess came.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::net::tls::LoadError;

/// What a line of the file says before the digits.
const SCHEME: &str = "sha256:";

/// SHA-256 (FIPS 180-4).
const HASH_BYTES: usize = 32;

/// More tokens than anyone hands out; comparing all of them takes a quarter of a millisecond.
const TOKENS_LIMIT: usize = 10_000;

/// The form in which a token stands in the file of tokens: `sha256:HEX`.
///
/// # Security
/// There is no salt and no stretching: tokens are made by the generator, 256 bits each, and
/// cannot be guessed from their hash. Words that people choose could be.
#[must_use]
pub fn hash_token(token: &str) -> String {
    format!("{SCHEME}{}", HEXLOWER_PERMISSIVE.encode(&digest(token.as_bytes())))
}

/// The tokens that are let in.
#[derive(Default)]
pub struct Tokens {
    hashes: Vec<[u8; HASH_BYTES]>,
}

impl Tokens {
    /// Reads a file of tokens: `name sha256:HEX` on each line, empty lines and `#` lines aside.
    ///
    /// # Errors
    /// Names the line. An empty list is an error too: it would lock everybody out.
    pub fn parse(text: &str) -> Result<Self, LoadError> {
        let mut names = Vec::new();
        let mut hashes = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |reason| LoadError::Token { line: number, reason };
            let (name, rest) =
                line.split_once(char::is_whitespace).ok_or(bad("must be `name sha256:HEX`"))?;
            let digits =
                rest.trim().strip_prefix(SCHEME).ok_or(bad("the hash must begin with sha256:"))?;
            let hash = HEXLOWER_PERMISSIVE
                .decode(digits.as_bytes())
                .ok()
                .and_then(|hash| hash.try_into().ok())
                .ok_or(bad("the hash must be 64 hexadecimal digits"))?;
            if names.contains(&name) {
                return Err(bad("this name is on an earlier line too"));
            }
            if names.len() == TOKENS_LIMIT {
                return Err(bad("there are more than 10000 tokens"));
            }
            names.push(name);
            hashes.push(hash);
        }
        if hashes.is_empty() {
            return Err(LoadError::NoTokens);
        }
        Ok(Self { hashes })
    }

    /// Whether `token` is one of them. Takes the same time wherever it stands in the list, and
    /// whether it is there.
    #[must_use]
    pub fn admit(&self, token: &[u8]) -> bool {
        let hash = digest(token);
        let found =
            self.hashes.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&hash));
        found.into()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.hashes.len())
    }
}

/// The token of an `Authorization` header (RFC 6750 §2.1).
#[must_use]
pub fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(b"bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn digest(token: &[u8]) -> [u8; HASH_BYTES] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_admitted_by_its_hash_alone() {
        // FIPS 180-4 example: SHA-256("abc").
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash_token("abc"), abc);
        let text = format!(
            "# comment\n\nfirst {}\n  second\t{}\n",
            hash_token("one"),
            abc.replace('b', "B")
        );
        let tokens = Tokens::parse(&text).expect("valid");
        assert!(tokens.admit(b"one") && tokens.admit(b"abc"));
        assert!(!tokens.admit(b"on") && !tokens.admit(b"") && !tokens.admit(b"first"));
    }

    #[test]
    fn a_bad_line_is_named_and_nothing_is_shown() {
        let one = hash_token("one");
        for (text, line) in [
            ("only-a-name".to_owned(), 1),
            (format!("ok {one}\nplain secret"), 2),
            ("x sha256:12".to_owned(), 1),
            (format!("x {one}\n\nx {one}"), 3),
            (format!("x {one}00"), 1),
        ] {
            let error = Tokens::parse(&text).expect_err(&text);
            assert!(matches!(error, LoadError::Token { line: at, .. } if at == line), "{error}");
            assert!(!error.to_string().contains("secret"));
        }
        assert!(matches!(Tokens::parse("# none\n"), Err(LoadError::NoTokens)));
        assert_eq!(
            format!("{:?}", Tokens::parse(&format!("x {one}")).expect("valid")),
            "Tokens(1)"
        );
    }

    #[test]
    fn only_the_bearer_scheme_is_read() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bEARER   abc "), Some(&b"abc"[..]));
        for header in ["", "Bearer", "Bearer ", "Basic abc", "Bearerabc", "é"] {
            assert_eq!(bearer(header.as_bytes()), None, "{header}");
        }
    }
}
