//! Access keys: a public id and a secret with which a client signs requests, in the form that clients of AWS
//! know.

use data_encoding::{BASE32_NOPAD, BASE64};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::caller::token::HASH_BYTES;
use crate::crypto::label;

/// The start of every id, before 16 letters and digits.
const PREFIX: &str = "LAVA";

/// Bytes of an id and of a secret before they are encoded: 16 and 40 characters, as those of AWS.
const ID_BYTES: usize = 10;
const SECRET_BYTES: usize = 30;

/// An access key.
///
/// ```text
/// id ‖ secret = HKDF-SHA-256(salt = label, SHA-256(token))      RFC 5869; 80 and 240 bits
/// ```
///
/// # Security
/// The service must know the secret to check a signature, so nobody ever sees the token itself, and its hash,
/// which the store keeps sealed, is worth as much as the secret.
pub(crate) struct AccessKey {
    /// Public: which access key a signature is of.
    pub(crate) id: String,
    /// Known to its holder and to the service.
    pub(crate) secret: Zeroizing<String>,
}

impl AccessKey {
    /// The access key of a token with this hash.
    pub(crate) fn of(hash: &[u8; HASH_BYTES]) -> Self {
        let mut derived = Zeroizing::new([0; ID_BYTES + SECRET_BYTES]);
        Hkdf::<Sha256>::new(Some(label::ACCESS_KEY.as_bytes()), hash)
            .expand(&[], derived.as_mut_slice())
            .expect("40 bytes are within HKDF's limit");
        let (id, secret) = derived.split_at(ID_BYTES);
        Self {
            id: format!("{PREFIX}{}", BASE32_NOPAD.encode(id)),
            secret: Zeroizing::new(BASE64.encode(secret)),
        }
    }
}

/// Shows the id alone.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_key_is_of_one_hash_and_has_the_form_that_clients_know() {
        let (one, other) = (AccessKey::of(&[1; 32]), AccessKey::of(&[2; 32]));
        assert_eq!((one.id.len(), one.secret.len()), (20, 40));
        assert!(one.id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
        assert_ne!(one.id, other.id);
        assert_ne!(one.secret, other.secret);
        assert_eq!(AccessKey::of(&[1; 32]).secret, one.secret);
        assert!(!format!("{one:?}").contains(one.secret.as_str()));
    }
}
