//! Files with age identities, as `age-keygen` and `age -p` write them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Identity, scrypt, x25519};
use zeroize::Zeroizing;

use crate::api::json::without_mark;
use crate::cli::ask;
use crate::cli::error::CommandError;

/// The most bytes of a file with identities: thousands of them.
const FILE_LIMIT: usize = 1 << 20;

/// The first bytes of an age file (age-encryption.org/v1), and of one in armour.
const AGE_FILE: &str = "age-encryption.org/";
const ARMOURED: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// Answers of [`what_is`].
const X25519: &str = "an identity (secret key)";
const UNKNOWN: &str = "it is neither an identity nor a recipient";

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
    let wrong = |why: String| CommandError::usage(format!("{}: {why}", path.display()));
    let text = std::str::from_utf8(without_mark(&text))
        .map_err(|_| wrong("holds no age identity: it is not text".to_owned()))?;
    keys_in(text).map_err(wrong)
}

/// The X25519 identities in a text, one per line. Those of plugins and of other kinds beside them are passed
/// over.
fn keys_in(text: &str) -> Result<Identities, String> {
    let mut keys: Identities = Vec::new();
    let mut unknown = None;
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match what_is(line) {
            X25519 => {
                let key: x25519::Identity = line.parse().map_err(|_| {
                    format!("line {number}: an age identity, mistyped or cut short")
                })?;
                keys.push(Box::new(key));
            }
            UNKNOWN => unknown = unknown.or(Some(number)),
            _ => {}
        }
    }
    match unknown {
        _ if keys.is_empty() => {
            Err(format!("holds no age identity that opens an export: {}", what_is(text)))
        }
        Some(number) => Err(format!("line {number}: {UNKNOWN}")),
        None => Ok(keys),
    }
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
    // A text may begin with blank lines; the parser takes none.
    let bytes = bytes.trim_ascii_start();
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
        ("AGE-SECRET-KEY-1", X25519),
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
    .map_or(UNKNOWN, |(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_beside_others_are_found_and_a_mistyped_one_is_named_by_its_line() {
        let key = x25519::Identity::generate().to_string();
        let key = age::secrecy::ExposeSecret::expose_secret(&key);
        let plugin = "AGE-PLUGIN-YUBIKEY-1QQQ";
        for (text, count) in [
            (format!("# a key\r\n  {key}  \r\n"), 1),
            (key.to_lowercase(), 1),
            (format!("{plugin}\n{key}\nAGE-SECRET-KEY-PQ-1QQQ\n\n{key}"), 2),
        ] {
            assert_eq!(keys_in(&text).ok().map(|keys| keys.len()), Some(count), "{text}");
        }
        for (text, why) in [
            (format!("{key}\n{}", &key[..key.len() - 1]), "line 2: an age identity, mistyped"),
            (format!("\n{}x", &key[..key.len() - 1]), "line 2: an age identity, mistyped"),
            (format!("{key}\nsomething"), "line 2: it is neither"),
            (plugin.to_owned(), "opens an export: an identity of a plugin"),
            (String::new(), "opens an export: it is neither"),
        ] {
            let said = keys_in(&text).err().expect("refused");
            assert!(said.contains(why) && !said.contains(&key[20..]), "{text}: {said}");
        }
    }

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
