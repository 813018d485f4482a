//! The passphrase seal: Argon2id derives the seal secret from a passphrase.

use argon2::{Algorithm, Argon2, Params, Version};

use crate::crypto::codec::{Reader, Writer};
use crate::crypto::key::{self, Key};
use crate::keyring::seal::contract::{NewSeal, Offered, Seal, SealContext, SealKind};
use crate::keyring::seal::error::SealError;
use lavawall_entropy::{Secret, on_scrubbed_stack};

/// 64 MiB, three passes, four lanes: the second recommended option of RFC 9106 §4.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// The size of a salt in bytes (RFC 9106 §4).
const SALT_BYTES: usize = 16;

/// The largest parameters of a keyring's file: 1 GiB, 64 passes, 64 lanes. A changed file must not be able
/// to exhaust memory.
const MEMORY_LIMIT_KIB: u32 = 1 << 20;
const PASSES_LIMIT: u32 = 64;
const LANES_LIMIT: u32 = 64;

/// The shortest new passphrase, in bytes. Length alone makes none strong; this catches typing errors.
const SHORTEST: usize = 12;

/// The passphrase seal. Parameters:
///
/// ```text
/// 4   memory, KiB
/// 4   passes
/// 4   lanes
/// 16  salt
///
/// seal secret = Argon2id(passphrase, salt, memory, passes, lanes, 32)     RFC 9106, version 0x13
/// ```
pub(crate) struct PassphraseSeal {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; SALT_BYTES],
}

/// Draws a salt, and derives the secret of this passphrase.
pub(crate) fn make(passphrase: &[u8], context: &SealContext<'_>) -> Result<NewSeal, SealError> {
    if passphrase.len() < SHORTEST {
        return Err(SealError::ShortPassphrase { limit: SHORTEST, value: passphrase.len() });
    }
    let salt = key::draw(context.generator)?;
    let seal = PassphraseSeal { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt };
    let secret = seal.stretch(passphrase)?;
    Ok(NewSeal { seal: Box::new(seal), secret, shares: Vec::new() })
}

impl PassphraseSeal {
    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, SealError> {
        let seal = Self {
            memory_kib: from.u32()?,
            passes: from.u32()?,
            lanes: from.u32()?,
            salt: from.array()?,
        };
        let is_affordable = seal.memory_kib <= MEMORY_LIMIT_KIB
            && seal.passes <= PASSES_LIMIT
            && seal.lanes <= LANES_LIMIT;
        if is_affordable { Ok(seal) } else { Err(SealError::Parameters) }
    }

    fn stretch(&self, passphrase: &[u8]) -> Result<Key, SealError> {
        let failed = |error: argon2::Error| SealError::Stretch {
            memory_kib: self.memory_kib,
            reason: error.to_string(),
        };
        let params = Params::new(self.memory_kib, self.passes, self.lanes, None).map_err(failed)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut stretched = Ok(());
        let secret = Secret::filled_by(|out: &mut [u8; key::KEY_BYTES]| {
            stretched = on_scrubbed_stack(|| argon.hash_password_into(passphrase, &self.salt, out));
        });
        stretched.map(|()| secret).map_err(failed)
    }
}

impl Seal for PassphraseSeal {
    fn kind(&self) -> SealKind {
        SealKind::Passphrase
    }

    fn pieces(&self) -> (u8, u8) {
        (0, 1)
    }

    fn parameters(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u32(self.memory_kib).u32(self.passes).u32(self.lanes).bytes(&self.salt);
        writer.finish().to_vec()
    }

    fn offer(&mut self, piece: &[u8]) -> Result<Offered, SealError> {
        self.stretch(piece).map(Offered::Complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::{AssociatedData, ParamsBuilder};
    use hex_literal::hex;

    #[test]
    fn argon2id_gives_the_answer_of_rfc_9106() {
        // RFC 9106 §5.3.
        let params = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .output_len(32)
            .data(AssociatedData::new(&[4; 12]).expect("12 bytes"))
            .build()
            .expect("within range");
        let argon = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params);
        let mut tag = [0; 32];
        argon
            .expect("a short secret")
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .expect("memory");
        let expected = hex!("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
        assert_eq!(tag, expected);
    }

    /// Cheap parameters, which no keyring has.
    fn seal(salt: u8) -> PassphraseSeal {
        PassphraseSeal { memory_kib: 64, passes: 1, lanes: 1, salt: [salt; SALT_BYTES] }
    }

    #[test]
    fn the_secret_depends_on_the_passphrase_and_on_every_parameter() {
        let secret = |seal: PassphraseSeal, passphrase: &[u8]| {
            *seal.stretch(passphrase).expect("memory").expose()
        };
        let secrets = [
            secret(seal(1), b"correct horse"),
            secret(seal(1), b"correct horsf"),
            secret(seal(2), b"correct horse"),
            secret(PassphraseSeal { memory_kib: 72, ..seal(1) }, b"correct horse"),
            secret(PassphraseSeal { passes: 2, ..seal(1) }, b"correct horse"),
            secret(PassphraseSeal { lanes: 2, ..seal(1) }, b"correct horse"),
        ];
        let different: std::collections::HashSet<_> = secrets.iter().collect();
        assert_eq!(different.len(), secrets.len());
        assert_eq!(secret(seal(1), b"correct horse"), secrets[0]);
    }

    #[test]
    fn a_changed_file_cannot_ask_for_all_memory() {
        let read = |seal: &PassphraseSeal| {
            PassphraseSeal::read(&mut Reader::of(&seal.parameters())).map(|_| ())
        };
        for (seal, is_good) in [
            (seal(1), true),
            (PassphraseSeal { memory_kib: MEMORY_LIMIT_KIB, ..seal(1) }, true),
            (PassphraseSeal { memory_kib: MEMORY_LIMIT_KIB + 1, ..seal(1) }, false),
            (PassphraseSeal { passes: PASSES_LIMIT + 1, ..seal(1) }, false),
            (PassphraseSeal { lanes: LANES_LIMIT + 1, ..seal(1) }, false),
        ] {
            assert_eq!(read(&seal).is_ok(), is_good);
        }
    }

    #[test]
    fn a_short_passphrase_is_refused_by_its_length_and_never_shown() {
        let generator = crate::crypto::test_support::generator();
        let context = SealContext {
            generator: &generator,
            id: &[0; 16],
            seal_file: std::path::Path::new("unused"),
            in_use: None,
        };
        let error = make(b"elevenbytes", &context).err().expect("too short");
        assert_eq!(error.to_string(), "the passphrase must have at least 12 bytes (got 11)");
        assert!(make(b"twelve bytes", &context).is_ok());
    }
}
