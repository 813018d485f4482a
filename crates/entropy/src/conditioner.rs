//! The conditioner: raw samples of one source in, full-entropy blocks out.
//!
//! ```text
//! block = SHA-256("lavawall v1 block" ‖ len(id) ‖ id ‖ sequence ‖ len(sample) ‖ sample ‖ …)
//! ```
//! SHA-256 is a vetted conditioning component (SP 800-90B §3.1.5.1.1): 320 bits of assessed
//! min-entropy in make 256 bits of full entropy out (output length + 64, FIPS 140-3 IG D.K).
//! All lengths and the sequence number are eight bytes, big-endian.

use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::secret::{Secret, on_scrubbed_stack};

/// The size of a block in bytes.
pub const BLOCK_BYTES: usize = 32;

/// The credit of a credited block, in bits: full entropy.
pub const BLOCK_CREDIT_BITS: u32 = 256;

/// The credit that a block needs to be credited, in bits: output length + 64
/// (SP 800-90C §3.2.2.2).
pub const CREDIT_IN_BITS: u32 = 320;

/// An uncredited source completes a block of zero credit after this many samples: often enough to
/// be in every seed, rarely enough to cost little.
const UNCREDITED_SAMPLES: u32 = 8;

/// Domain separation from everything else SHA-256 is used for.
const LABEL: &[u8] = b"lavawall v1 block";

/// Hashes the samples of one source into blocks.
///
/// ```rust
/// use std::time::Instant;
///
/// use lavawall_entropy::{BLOCK_CREDIT_BITS, Conditioner};
///
/// let now = Instant::now();
/// let mut conditioner = Conditioner::new("camera0");
/// // A block needs 320 credited bits of min-entropy.
/// assert!(conditioner.absorb(b"a first sample", 200, now).is_none());
/// let block = conditioner.absorb(b"a second one", 120, now).expect("320 bits");
/// assert_eq!(block.credit_bits, BLOCK_CREDIT_BITS);
/// ```
pub struct Conditioner {
    id: String,
    sequence: u64,
    partial: Option<PartialBlock>,
}

/// The block being built.
struct PartialBlock {
    hash: Sha256,
    samples: u32,
    credit_bits: u32,
    taken: Instant,
}

/// Conditioned output of one source: 256 bits of full entropy, or a block without credit.
#[derive(Debug)]
pub struct Block {
    /// The output.
    pub bytes: Secret<BLOCK_BYTES>,
    /// [`BLOCK_CREDIT_BITS`] or zero.
    pub credit_bits: u32,
    /// The time of its oldest sample.
    pub taken: Instant,
}

impl Conditioner {
    /// A conditioner for the source of this name.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), sequence: 0, partial: None }
    }

    /// Hashes one sample, credited or not, and returns a block when it is complete. `credit_bits`
    /// is the min-entropy credited for the sample; `taken` is its time.
    pub fn absorb(&mut self, sample: &[u8], credit_bits: u32, taken: Instant) -> Option<Block> {
        on_scrubbed_stack(|| {
            // In place: a hash that is moved stays where it was, too.
            let partial = self.partial.get_or_insert_with(|| PartialBlock {
                hash: start(&self.id, self.sequence),
                samples: 0,
                credit_bits: 0,
                taken,
            });
            partial.add(sample, credit_bits, taken);
            let block = partial.is_complete().then(|| partial.finish());
            if block.is_some() {
                self.sequence += 1;
                // The hash zeroizes itself.
                self.partial = None;
            }
            block
        })
    }

    /// Withdraws the credit of the block being built. Its samples stay in, which is harmless.
    pub fn withdraw(&mut self) {
        if let Some(partial) = &mut self.partial {
            partial.credit_bits = 0;
        }
    }
}

impl PartialBlock {
    fn add(&mut self, sample: &[u8], credit_bits: u32, taken: Instant) {
        self.hash.update((sample.len() as u64).to_be_bytes());
        self.hash.update(sample);
        self.samples = self.samples.saturating_add(1);
        self.credit_bits = self.credit_bits.saturating_add(credit_bits);
        self.taken = self.taken.min(taken);
    }

    fn is_complete(&self) -> bool {
        self.credit_bits >= CREDIT_IN_BITS
            || (self.credit_bits == 0 && self.samples >= UNCREDITED_SAMPLES)
    }

    fn finish(&mut self) -> Block {
        let credited = self.credit_bits >= CREDIT_IN_BITS;
        Block {
            bytes: Secret::filled_by(|bytes| self.hash.finalize_into_reset(bytes.into())),
            credit_bits: if credited { BLOCK_CREDIT_BITS } else { 0 },
            taken: self.taken,
        }
    }
}

fn start(id: &str, sequence: u64) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(LABEL);
    hash.update((id.len() as u64).to_be_bytes());
    hash.update(id);
    hash.update(sequence.to_be_bytes());
    hash
}

#[cfg(test)]
mod tests;
