//! The shares seal: Shamir's k of n. No one holder opens the keyring, and n − k may lose theirs.

pub(crate) mod share_text;

use std::collections::BTreeMap;

use rand_core::{Infallible, TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::aead as formula;
use crate::crypto::aead::{KEY_BYTES, Key, label};
use crate::crypto::codec::{Reader, Writer};
use crate::keyring::seal::{ID_BYTES, Made, Offered, Seal, SealError, SealKind, Surroundings};
use lavawall_entropy::{Generator, NotReady, Secret};

pub use crate::keyring::seal::shares::share_text::Share;

/// More holders than anyone gathers.
const COUNT_LIMIT: u8 = 32;

/// Fewer would make each share the secret itself.
const LEAST: u8 = 2;

/// Tells the shares of one split from those of another.
const SET_BYTES: usize = 8;

/// The size of what tells a false share, in bytes: 2⁻¹²⁸ that one passes by chance.
const CHECK_BYTES: usize = 16;

/// The shares seal. Parameters:
///
/// ```text
/// 1   threshold k
/// 1   count n
/// 8   set
/// 16  share check, n times, in the order of the numbers 1 to n
/// ```
/// The checks tell which holder's share is false. A share is 32 uniformly random bytes, so they
/// help nobody to guess it.
pub struct SharesSeal {
    id: [u8; ID_BYTES],
    threshold: u8,
    set: [u8; SET_BYTES],
    checks: Vec<[u8; CHECK_BYTES]>,
    offered: BTreeMap<u8, Share>,
}

/// Makes a secret and splits it.
pub(crate) fn make(threshold: u8, count: u8, around: &Surroundings<'_>) -> Result<Made, SealError> {
    if threshold < LEAST || count > COUNT_LIMIT || threshold > count {
        return Err(SealError::ShareCount { threshold, count, limit: COUNT_LIMIT });
    }
    let secret = formula::draw_key(around.generator)?;
    let set = formula::draw(around.generator)?;
    let shares = split(&secret, threshold, count, set, around.generator)?;
    let checks = shares.iter().map(|share| check(around.id, share)).collect();
    let seal = SharesSeal { id: *around.id, threshold, set, checks, offered: BTreeMap::new() };
    Ok(Made { seal: Box::new(seal), secret, shares })
}

fn split(
    secret: &Key,
    threshold: u8,
    count: u8,
    set: [u8; SET_BYTES],
    generator: &Generator,
) -> Result<Vec<Share>, NotReady> {
    let mut draws = DealerDraws { generator, refused: None };
    let shares = blahaj::Sharks(threshold)
        .dealer_rng(secret.expose(), &mut draws)
        .take(usize::from(count))
        .map(|share| {
            let bytes = Zeroizing::new(Vec::from(&share));
            let mut part: [u8; KEY_BYTES] =
                bytes[1..].try_into().expect("a share is as long as the secret");
            Share { number: bytes[0], threshold, count, set, part: Secret::take(&mut part) }
        })
        .collect();
    // A coefficient that was not random would make the shares tell of the secret.
    draws.refused.map_or(Ok(shares), Err)
}

/// `SHA-256("lavawall v1 share check" ‖ keyring id ‖ set ‖ number ‖ share)[..16]`
fn check(id: &[u8; ID_BYTES], share: &Share) -> [u8; CHECK_BYTES] {
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
    pub(crate) fn read(from: &mut Reader<'_>, id: &[u8; ID_BYTES]) -> Result<Self, SealError> {
        let (threshold, count, set) = (from.byte()?, from.byte()?, from.array()?);
        if threshold < LEAST || count > COUNT_LIMIT || threshold > count {
            return Err(SealError::Parameters);
        }
        let checks = (0..count).map(|_| from.array()).collect::<Result<_, _>>()?;
        Ok(Self { id: *id, threshold, set, checks, offered: BTreeMap::new() })
    }

    /// Takes a share if it is one of ours.
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
        key.map(Offered::Opened)
    }

    fn forget(&mut self) {
        self.offered.clear();
    }
}

/// The generator as the dealer wants it, which knows no refusal: one is remembered instead.
struct DealerDraws<'a> {
    generator: &'a Generator,
    refused: Option<NotReady>,
}

impl TryRng for DealerDraws<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        if let Err(why) = self.generator.fill(out) {
            self.refused = Some(why);
        }
        Ok(())
    }
}

impl TryCryptoRng for DealerDraws<'_> {}

#[cfg(test)]
mod tests;
