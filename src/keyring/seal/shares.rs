//! The shares seal: Shamir's k of n. No single holder can unseal the keyring, and n − k may lose their share.

pub(crate) mod share_text;

use std::collections::BTreeMap;

use rand_core::utils::next_word_via_fill;
use rand_core::{Infallible, TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::codec::{Reader, Writer};
use crate::crypto::key::{self, KEY_BYTES, Key};
use crate::crypto::label;
use crate::keyring::id::KEYRING_ID_BYTES;
use crate::keyring::seal::contract::{NewSeal, Offered, Seal, SealContext, SealKind};
use crate::keyring::seal::error::SealError;
use crate::keyring::seal::shares::share_text::SET_BYTES;
use lavawall_entropy::{Generator, NotReady, Secret};

pub use share_text::Share;

/// The most shares.
const COUNT_LIMIT: u8 = 32;

/// The least threshold: with 1, each share would be the secret itself.
const LEAST: u8 = 2;

/// The size of a share's check in bytes: a false share passes with a probability of 2⁻¹²⁸.
const CHECK_BYTES: usize = 16;

/// The shares seal. Parameters:
///
/// ```text
/// 1   threshold k
/// 1   count n
/// 8   set
/// 16  share check, n times, in the order of the numbers 1 to n
/// ```
/// The checks identify the holder of a false share. A share is 32 uniformly random bytes, so that its check
/// does not help to guess it.
pub(crate) struct SharesSeal {
    id: [u8; KEYRING_ID_BYTES],
    threshold: u8,
    set: [u8; SET_BYTES],
    checks: Vec<[u8; CHECK_BYTES]>,
    offered: BTreeMap<u8, Share>,
}

/// Makes a secret and splits it.
pub(crate) fn make(
    threshold: u8,
    count: u8,
    context: &SealContext<'_>,
) -> Result<NewSeal, SealError> {
    if threshold < LEAST || count > COUNT_LIMIT || threshold > count {
        return Err(SealError::ShareCount { threshold, count, limit: COUNT_LIMIT });
    }
    let secret = key::draw_key(context.generator)?;
    let set = key::draw(context.generator)?;
    let shares = split(&secret, threshold, count, set, context.generator)?;
    let checks = shares.iter().map(|share| check(context.id, share)).collect();
    let seal = SharesSeal { id: *context.id, threshold, set, checks, offered: BTreeMap::new() };
    Ok(NewSeal { seal: Box::new(seal), secret, shares })
}

fn split(
    secret: &Key,
    threshold: u8,
    count: u8,
    set: [u8; SET_BYTES],
    generator: &Generator,
) -> Result<Vec<Share>, NotReady> {
    let mut random = DealerRandom { generator, refused: None };
    let shares = blahaj::Sharks(threshold)
        .dealer_rng(secret.expose(), &mut random)
        .take(usize::from(count))
        .map(|share| {
            let bytes = Zeroizing::new(Vec::from(&share));
            let mut part: [u8; KEY_BYTES] =
                bytes[1..].try_into().expect("a share is as long as the secret");
            Share { number: bytes[0], threshold, count, set, part: Secret::take(&mut part) }
        })
        .collect();
    // With a coefficient that is not random, the shares would disclose the secret.
    random.refused.map_or(Ok(shares), Err)
}

/// `SHA-256("lavawall v1 share check" ‖ keyring id ‖ set ‖ number ‖ share)[..16]`
fn check(id: &[u8; KEYRING_ID_BYTES], share: &Share) -> [u8; CHECK_BYTES] {
    let mut hash = Sha256::new();
    hash.update(label::SHARE_CHECK);
    hash.update(id);
    hash.update(share.set);
    hash.update([share.number]);
    hash.update(share.part.expose());
    let hash = hash.finalize();
    *hash.first_chunk().expect("SHA-256 gives 32 bytes")
}

impl SharesSeal {
    pub(crate) fn read(
        from: &mut Reader<'_>,
        id: &[u8; KEYRING_ID_BYTES],
    ) -> Result<Self, SealError> {
        let (threshold, count, set) = (from.byte()?, from.byte()?, from.array()?);
        if threshold < LEAST || count > COUNT_LIMIT || threshold > count {
            return Err(SealError::Parameters);
        }
        let checks = (0..count).map(|_| from.array()).collect::<Result<_, _>>()?;
        Ok(Self { id: *id, threshold, set, checks, offered: BTreeMap::new() })
    }

    /// Checks that a share is one of this seal.
    fn admit(&self, share: &Share) -> Result<(), SealError> {
        let number = share.number;
        if share.set != self.set {
            return Err(SealError::OtherSet { number });
        }
        let expected = number.checked_sub(1).and_then(|at| self.checks.get(usize::from(at)));
        let is_true =
            expected.is_some_and(|expected| bool::from(expected.ct_eq(&check(&self.id, share))));
        if !is_true {
            return Err(SealError::False { number });
        }
        if self.offered.contains_key(&number) {
            return Err(SealError::Repeated { number, need: self.threshold });
        }
        Ok(())
    }

    fn combine(&self) -> Result<Key, SealError> {
        let shares = self
            .offered
            .values()
            .map(|share| {
                let mut bytes = Zeroizing::new([0; KEY_BYTES + 1]);
                bytes[0] = share.number;
                bytes[1..].copy_from_slice(share.part.expose());
                blahaj::Share::try_from(bytes.as_slice()).map_err(|_| SealError::Mistyped)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut secret =
            blahaj::Sharks(self.threshold).recover(&shares).map_err(|_| SealError::Mistyped)?;
        let key = secret.first_chunk_mut().map(Secret::take).ok_or(SealError::Mistyped);
        secret.zeroize();
        key
    }
}

impl Seal for SharesSeal {
    fn kind(&self) -> SealKind {
        SealKind::Shares
    }

    fn pieces(&self) -> (u8, u8) {
        let have = u8::try_from(self.offered.len()).expect("there are at most 32 shares");
        (have, self.threshold)
    }

    fn parameters(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let count = u8::try_from(self.checks.len()).expect("there are at most 32");
        writer.byte(self.threshold).byte(count).bytes(&self.set);
        for check in &self.checks {
            writer.bytes(check);
        }
        writer.finish().to_vec()
    }

    fn offer(&mut self, piece: &[u8]) -> Result<Offered, SealError> {
        let share = Share::parse(piece)?;
        self.admit(&share)?;
        self.offered.insert(share.number, share);
        let have = u8::try_from(self.offered.len()).expect("there are at most 32");
        if have < self.threshold {
            return Ok(Offered::More { have, need: self.threshold });
        }
        let key = self.combine();
        self.offered.clear();
        key.map(Offered::Complete)
    }

    fn forget(&mut self) {
        self.offered.clear();
    }
}

/// The generator as the dealer's random source. That interface has no error, so a refusal is stored.
struct DealerRandom<'a> {
    generator: &'a Generator,
    refused: Option<NotReady>,
}

impl TryRng for DealerRandom<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        if let Err(why) = self.generator.fill(out) {
            self.refused = Some(why);
        }
        Ok(())
    }
}

impl TryCryptoRng for DealerRandom<'_> {}

#[cfg(test)]
mod tests;
