//! The content of a block, and its credit.

use hex_literal::hex;
use proptest::prelude::*;

use super::*;

/// Feeds samples, each with this credit, until a block comes.
fn block(id: &str, samples: &[&[u8]], credit_bits: u32) -> Option<Block> {
    let mut conditioner = Conditioner::new(id);
    samples.iter().find_map(|sample| conditioner.absorb(sample, credit_bits, Instant::now()))
}

#[test]
fn the_block_is_that_of_the_formula() {
    // Python: hashlib.sha256(b"lavawall v1 block" + (2).to_bytes(8,"big") + b"os"
    //   + (0).to_bytes(8,"big") + (3).to_bytes(8,"big") + b"abc").hexdigest()
    let block = block("os", &[b"abc"], CREDIT_IN_BITS).expect("enough credit for a block");
    assert_eq!(
        *block.bytes.expose(),
        hex!("78539722e8e1b08b198ab81289b1ecfd6bfaf8e59bc91e834caf97636dda71e4")
    );
}

#[test]
fn less_than_320_bits_make_no_block_and_320_make_256() {
    let mut conditioner = Conditioner::new("os");
    assert!(conditioner.absorb(b"a", 319, Instant::now()).is_none());
    let block = conditioner.absorb(b"b", 1, Instant::now()).expect("320 bits went in");
    assert_eq!(block.credit_bits, 256);
}

#[test]
fn credit_starts_over_with_each_block() {
    let mut conditioner = Conditioner::new("os");
    assert!(conditioner.absorb(b"a", 10_000, Instant::now()).is_some());
    assert!(conditioner.absorb(b"b", 319, Instant::now()).is_none());
}

#[test]
fn withdrawn_credit_does_not_count_but_the_bytes_stay_in() {
    let mut conditioner = Conditioner::new("os");
    assert!(conditioner.absorb(b"a", 319, Instant::now()).is_none());
    conditioner.withdraw();
    assert!(conditioner.absorb(b"b", 319, Instant::now()).is_none());
    let with_a = conditioner.absorb(b"c", 1, Instant::now()).expect("320 bits since");
    assert_ne!(with_a.bytes, block("os", &[b"b", b"c"], 160).expect("a block").bytes);
}

#[test]
fn a_source_without_credit_gives_blocks_worth_nothing() {
    let samples = [b"x".as_slice(); UNCREDITED_SAMPLES as usize];
    let block = block("replay", &samples, 0).expect("a block after enough samples");
    assert_eq!(block.credit_bits, 0);
}

#[test]
fn an_uncredited_block_has_eight_samples() {
    let mut conditioner = Conditioner::new("replay");
    for _ in 0..3 {
        for _ in 0..7 {
            assert!(conditioner.absorb(b"x", 0, Instant::now()).is_none());
        }
        let block = conditioner.absorb(b"x", 0, Instant::now()).expect("eight samples");
        assert_eq!(block.credit_bits, 0);
    }
    // With any credit it waits for 320 bits.
    assert!((0..20).all(|_| conditioner.absorb(b"x", 1, Instant::now()).is_none()));
}

#[test]
fn blocks_differ_by_source_and_by_sequence() {
    let mut conditioner = Conditioner::new("a");
    let first = conditioner.absorb(b"x", 320, Instant::now()).expect("a block");
    let second = conditioner.absorb(b"x", 320, Instant::now()).expect("a block");
    assert_ne!(first.bytes, second.bytes);
    assert_ne!(first.bytes, block("b", &[b"x"], 320).expect("a block").bytes);
}

#[test]
fn where_one_sample_ends_matters() {
    assert_ne!(
        block("a", &[b"ab", b"c"], 160).expect("a block").bytes,
        block("a", &[b"a", b"bc"], 160).expect("a block").bytes
    );
}

#[test]
fn a_block_is_as_old_as_its_oldest_sample() {
    let old = Instant::now();
    let new = old + std::time::Duration::from_secs(5);
    let mut conditioner = Conditioner::new("a");
    assert!(conditioner.absorb(b"x", 1, new).is_none());
    assert!(conditioner.absorb(b"x", 1, old).is_none());
    assert_eq!(conditioner.absorb(b"x", 318, new).expect("a block").taken, old);
}

proptest! {
    #[test]
    fn credit_out_never_exceeds_credit_in(credits in prop::collection::vec(0u32..700, 1..60)) {
        let mut conditioner = Conditioner::new("a");
        let out: u32 = credits
            .iter()
            .filter_map(|credit| conditioner.absorb(b"x", *credit, Instant::now()))
            .map(|block| block.credit_bits)
            .sum();
        prop_assert!(out <= credits.iter().sum());
    }
}
