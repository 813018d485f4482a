//! Bearer tokens: stored as hashes, compared in constant time.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::caller::limits::Limits;
use crate::caller::permission::Permission;
use crate::caller::tenant::{Origin, Tenant};
use lavawall_entropy::{Generator, NotReady};

/// The scheme before the digits on a line of the file.
pub(super) const SCHEME: &str = "sha256:";

/// SHA-256 (FIPS 180-4).
pub(super) const HASH_BYTES: usize = 32;

/// Far more tokens than any service hands out; comparing all of them takes a quarter of a
/// millisecond.
const TOKENS_LIMIT: usize = 10_000;

/// The form of a token in the token file: `sha256:HEX`.
///
/// # Security
/// Neither salted nor stretched: tokens are made by the generator, 256 bits each, and cannot be
/// guessed from their hash. Words that people choose could be.
#[must_use]
pub fn hash_token(token: &str) -> String {
    format!("{SCHEME}{}", HEXLOWER_PERMISSIVE.encode(&digest(token.as_bytes())))
}

/// A new token: 256 bits of the generator, in base64url.
///
/// # Errors
/// When the generator refuses.
pub(crate) fn draw_token(generator: &Generator) -> Result<Zeroizing<String>, NotReady> {
    let mut bytes = Zeroizing::new([0; 32]);
    generator.fill(bytes.as_mut_slice())?;
    Ok(Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_slice())))
}

/// Why a token file is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A line of the file is wrong.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The fault; never the line itself.
        reason: &'static str,
    },
    /// The file has no tokens.
    #[error("the file has no tokens: all callers would be refused")]
    Empty,
}

/// The tokens that are accepted: each is a tenant that may ask for random bytes and read the status.
#[derive(Default)]
pub struct Tokens {
    tenants: Vec<Arc<Tenant>>,
    hashes: Vec<[u8; HASH_BYTES]>,
}

impl Tokens {
    /// Reads a token file: `name sha256:HEX` per line, empty lines and `#` lines aside.
    ///
    /// # Errors
    /// Names the line. An empty list is an error too: it would refuse every caller.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let mut tokens = Self::default();
        // Some editors begin a file with a byte order mark, which would be a part of the first name.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |reason| TokenError::Line { line: number, reason };
            let (name, rest) =
                line.split_once(char::is_whitespace).ok_or(bad("must be `name sha256:HEX`"))?;
            let digits =
                rest.trim().strip_prefix(SCHEME).ok_or(bad("the hash must begin with sha256:"))?;
            let hash = HEXLOWER_PERMISSIVE
                .decode(digits.as_bytes())
                .ok()
                .and_then(|hash| hash.try_into().ok())
                .ok_or(bad("the hash must be 64 hexadecimal digits"))?;
            if tokens.tenants.iter().any(|known| *known.name == *name) {
                return Err(bad("this name is on an earlier line too"));
            }
            if tokens.tenants.len() == TOKENS_LIMIT {
                return Err(bad("there are more than 10000 tokens"));
            }
            tokens.tenants.push(Arc::new(Tenant::of_token_file(name)));
            tokens.hashes.push(hash);
        }
        if tokens.hashes.is_empty() {
            return Err(TokenError::Empty);
        }
        Ok(tokens)
    }

    /// The same tokens, of operators: they may do everything.
    #[must_use]
    pub fn of_operators(mut self) -> Self {
        for tenant in &mut self.tenants {
            let account = Arc::clone(tenant.account());
            let permissions = vec![Permission::Operator];
            *tenant = Arc::new(Tenant::new(&tenant.name, Origin::TokenFile, permissions, account));
        }
        self
    }

    /// The holder of `token`, if it is one of these.
    ///
    /// # Security
    /// Compares with every hash in constant time: the time reveals neither whether the token is known
    /// nor its place in the list.
    #[must_use]
    pub(crate) fn holder(&self, token: &[u8]) -> Option<&Arc<Tenant>> {
        let hash = digest(token);
        // 0 for none; the list is far shorter than u32.
        let found = self.hashes.iter().zip(1_u32..).fold(0, |found, (known, number)| {
            u32::conditional_select(&found, &number, known.ct_eq(&hash))
        });
        self.tenants.get(usize::try_from(found).ok()?.checked_sub(1)?)
    }

    fn limit(&self, limits: Limits) {
        for tenant in &self.tenants {
            tenant.account().limiter.set(limits);
        }
    }

    /// Goes on with the accounts of `earlier` tokens of the same names.
    fn take_accounts(&mut self, earlier: &Self) {
        for tenant in &mut self.tenants {
            let Some(known) = earlier.tenants.iter().find(|it| it.name == tenant.name) else {
                continue;
            };
            let (permissions, account) =
                (tenant.permissions().to_vec(), Arc::clone(known.account()));
            *tenant = Arc::new(Tenant::new(&tenant.name, tenant.origin, permissions, account));
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.hashes.len())
    }
}

/// Tokens that are replaced while the service runs. Unset at first.
#[derive(Debug, Default)]
pub struct ReloadableTokens {
    tokens: ArcSwapOption<Tokens>,
    /// The limits of each of their tenants.
    limits: Mutex<Limits>,
}

impl ReloadableTokens {
    /// Replaces the tokens. Counts from the next request on, also of open connections.
    pub fn set(&self, mut tokens: Tokens) {
        let limits = self.limits.lock();
        if let Some(earlier) = self.tokens.load().as_ref() {
            tokens.take_accounts(earlier);
        }
        tokens.limit(*limits);
        self.tokens.store(Some(Arc::new(tokens)));
    }

    /// Sets the limits of each of their tenants, also of those of later tokens.
    pub(crate) fn set_limits(&self, limits: Limits) {
        let mut present = self.limits.lock();
        *present = limits;
        if let Some(tokens) = self.tokens.load().as_ref() {
            tokens.limit(limits);
        }
    }

    /// Whether there are tokens yet.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.tokens.load().is_some()
    }

    /// The holder of `token`, by the current tokens.
    #[must_use]
    pub(crate) fn holder(&self, token: &[u8]) -> Option<Arc<Tenant>> {
        self.tokens.load().as_ref()?.holder(token).cloned()
    }

    /// The tenants that hold tokens now.
    pub(crate) fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.tokens.load().as_ref().map(|tokens| tokens.tenants.clone()).unwrap_or_default()
    }
}

/// The token of an `Authorization` header (RFC 6750 §2.1).
#[must_use]
pub fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(b"bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

pub(super) fn digest(token: &[u8]) -> [u8; HASH_BYTES] {
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
        let name_of = |token| tokens.holder(token).map(|tenant| &*tenant.name);
        assert_eq!((name_of(b"one"), name_of(b"abc")), (Some("first"), Some("second")));
        assert_eq!((name_of(b"on"), name_of(b""), name_of(b"first")), (None, None, None));
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
            assert!(matches!(error, TokenError::Line { line: at, .. } if at == line), "{error}");
            assert!(!error.to_string().contains("secret"));
        }
        assert!(matches!(Tokens::parse("# none\n"), Err(TokenError::Empty)));
        assert_eq!(
            format!("{:?}", Tokens::parse(&format!("x {one}")).expect("valid")),
            "Tokens(1)"
        );
    }

    #[test]
    fn a_reload_keeps_the_accounts_of_those_that_stay() {
        let tokens = ReloadableTokens::default();
        let set = |text: &str| tokens.set(Tokens::parse(text).expect("valid"));
        set(&format!("ci {}", hash_token("one")));
        let before = tokens.holder(b"one").expect("known");
        set(&format!("new {}\nci {}", hash_token("three"), hash_token("two")));
        let after = tokens.holder(b"two").expect("known");
        assert!(tokens.holder(b"one").is_none());
        assert!(Arc::ptr_eq(before.account(), after.account()));
        let new = tokens.holder(b"three").expect("known");
        assert!(!Arc::ptr_eq(before.account(), new.account()));
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
