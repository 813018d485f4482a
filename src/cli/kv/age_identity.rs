//! Files with age identities, as `age-keygen` and `age -p` write them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Identity, IdentityFile, scrypt};
use zeroize::Zeroizing;

use crate::api::json::without_mark;
use crate::cli::ask;
use crate::cli::error::CommandError;

/// The most bytes of a file with identities: thousands of them.
const FILE_LIMIT: usize = 1 << 20;

/// The first bytes of an age file (age-encryption.org/v1), and of one in armour.
const AGE_FILE: &str = "age-encryption.org/";
const ARMOURED: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// Identities that open an age file.
pub(crate) type Identities = Vec<Box<dyn Identity + Send + Sync>>;

/// Reads the identities in a file. For one that is encrypted, with or without armour, asks for the
/// passphrase; `is_input_taken` is whether standard input is the export itself.
///
/// # Errors
/// When it cannot be read, the passphrase is wrong, or it holds something else, which is then named.
pub(crate) fn read(path: &Path, is_input_taken: bool) -> Result<Identities, CommandError> {
    let file = File::open(path).map_err(|error| CommandError::unreadable(path, &error))?;
    let bytes = whole(file).map_err(|error| CommandError::unreadable(path, &error))?;
    let text = opened(path, without_mark(&bytes), is_input_taken)?.unwrap_or(bytes);
    let no_key = |what: &str| CommandError::usage(format!("{}: {what}", path.display()));
    let Ok(text) = std::str::from_utf8(&text) else {
        return Err(no_key("holds no age identity"));
    };
    let lines = trimmed(text);
    let parsed = IdentityFile::from_buffer(lines.as_bytes());
    let keys = parsed.ok().and_then(|keys| keys.into_identities().ok()).unwrap_or_default();
    if keys.is_empty() {
        let why = format!("holds no age identity that opens an export: {}", what_is(text));
        return Err(no_key(&why));
    }
    Ok(keys)
}

/// The clear text of an age file; `None` if it is none.
fn opened(
    path: &Path,
    bytes: &[u8],
    is_input_taken: bool,
) -> Result<Option<Zeroizing<Vec<u8>>>, CommandError> {
    if !is_age_file(bytes) {
        return Ok(None);
    }
    let failed = |why: &str| CommandError::data(format!("{}: {why}", path.display()));
    let wrong = |error: DecryptError| match error {
        DecryptError::KeyDecryptionFailed | DecryptError::DecryptionFailed => {
            failed("the passphrase does not open it")
        }
        error => failed(&format!("an encrypted identity, truncated or changed: {error}")),
    };
    let decryptor = Decryptor::new(ArmoredReader::new(bytes)).map_err(wrong)?;
    if !decryptor.is_scrypt() {
        return Err(CommandError::usage(format!(
            "{}: holds no age identity: it is an age file that is encrypted to a key, not to a passphrase",
            path.display()
        )));
    }
    let prompt = format!("passphrase of {}", path.display());
    let passphrase = if is_input_taken { ask::terminal(&prompt)? } else { ask::secret(&prompt)? };
    let key = scrypt::Identity::new(SecretString::from(passphrase.as_str()));
    let clear = decryptor.decrypt(std::iter::once(&key as &dyn Identity)).map_err(wrong)?;
    let clear = whole(clear).map_err(|error| {
        failed(&format!("an encrypted identity, truncated or changed: {error}"))
    })?;
    Ok(Some(clear))
}

/// Reads all bytes, at most [`FILE_LIMIT`].
fn whole(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Reserved whole: a vector that grows leaves copies.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LIMIT + 1));
    from.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > FILE_LIMIT {
        return Err(io::Error::other(format!("more than {FILE_LIMIT} bytes: no identity file")));
    }
    Ok(bytes)
}

/// The lines without the white space around them, which age does not take.
fn trimmed(text: &str) -> Zeroizing<String> {
    let mut lines = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
        lines.push_str(line.trim());
        lines.push('\n');
    }
    lines
}

fn is_age_file(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    bytes.starts_with(AGE_FILE.as_bytes()) || bytes.starts_with(ARMOURED.as_bytes())
}

/// The name of the first thing in a text; none of its letters.
pub(crate) fn what_is(text: &str) -> &'static str {
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let begins =
        |with: &str| first.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    // The longest beginnings first.
    [
        (
            "AGE-SECRET-KEY-PQ-",
            "a post-quantum identity; X25519 ones (AGE-SECRET-KEY-1…) open exports",
        ),
        ("AGE-SECRET-KEY-1", "an identity (secret key)"),
        ("AGE-PLUGIN-", "an identity of a plugin; X25519 ones (AGE-SECRET-KEY-1…) open exports"),
        ("age1pq1", "a post-quantum recipient (public key)"),
        ("age1tag", "a recipient of a hardware key"),
        ("age1", "a recipient (public key), perhaps of a plugin"),
        ("ssh-", "an SSH public key"),
        ("ecdsa-", "an SSH public key"),
        (ARMOURED, "an encrypted age file in armour"),
        (AGE_FILE, "an encrypted age file"),
        ("-----BEGIN PGP", "a PGP key"),
        ("-----BEGIN", "a key of another program, such as SSH"),
    ]
    .into_iter()
    .find(|(with, _)| begins(with))
    .map_or("it is neither an identity nor a recipient", |(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_kind_is_named_and_none_of_its_letters_is_said() {
        for (text, expected) in [
            ("# a key\n\n age1pq1secret", "a post-quantum recipient"),
            ("AGE-SECRET-KEY-PQ-1SECRET", "a post-quantum identity"),
            ("age-secret-key-1secret", "an identity"),
            ("AGE-PLUGIN-YUBIKEY-1SECRET", "a plugin"),
            ("age1yubikey1secret", "of a plugin"),
            ("ssh-ed25519 secret", "an SSH public key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "SSH"),
            ("age-encryption.org/v1\n-> scrypt", "an encrypted age file"),
            ("-----BEGIN AGE ENCRYPTED FILE-----", "in armour"),
            ("", "neither"),
            ("ägë", "neither"),
        ] {
            let what = what_is(text);
            assert!(what.contains(expected) && !what.contains("secret\""), "{text}: {what}");
        }
    }
}
