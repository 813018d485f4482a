//! The conditions of a release, and the inputs of a seed.

use std::time::Duration;

use hex_literal::hex;
use proptest::prelude::*;

use super::*;
use crate::conditioner::BLOCK_BYTES;

const KINDS: [Kind; 3] = [Kind::OperatingSystem, Kind::PhysicalCamera, Kind::None];

fn member(id: &str, kind: Kind) -> PoolMember {
    PoolMember { id: id.to_owned(), kind, required: false }
}

fn members() -> Vec<PoolMember> {
    vec![member("os", KINDS[0]), member("camera", KINDS[1]), member("replay", KINDS[2])]
}

fn pool(quorum: usize) -> Pool {
    Pool::new(members(), quorum).expect("memory for a pool")
}

fn block_at(byte: u8, credit_bits: u32, taken: Instant) -> Block {
    Block { bytes: Secret::take(&mut [byte; BLOCK_BYTES]), credit_bits, taken }
}

fn block(byte: u8) -> Block {
    block_at(byte, 256, Instant::now())
}

/// Two full blocks from each of these sources.
fn fill(pool: &mut Pool, sources: &[usize]) {
    for &source in sources {
        for _ in 0..2 {
            let number = u8::try_from(source).expect("a small number");
            pool.absorb(source, &block(number));
        }
    }
}

fn seed(pool: &mut Pool) -> Secret<SEED_BYTES> {
    pool.release().expect("the quorum is met").seed
}

#[test]
fn the_seed_is_that_of_the_formula() {
    // Python, with the standard library only:   import hashlib, hmac   pool = lambda bs:
    // __import__("functools").reduce(lambda s, b: hashlib.sha512(s + b).digest(), bs, bytes(64))
    // n = lambda x: x.to_bytes(8, "big")   ikm = b"lavawall v1 seed" + n(1)   for i, (name, blocks)
    // in enumerate([(b"os", 2), (b"camera", 2), (b"replay", 1)]):
    //       ikm += n(len(name)) + name + pool([bytes([i]) * 32] * blocks)
    //   prk = hmac.new(bytes(32), ikm, "sha256").digest()
    //   hmac.new(prk, b"lavawall v1 seed" + b"\x01", "sha256").hexdigest()
    //   chain = hmac.new(prk, b"lavawall v1 chain" + b"\x01", "sha256").hexdigest()
    let mut pool = pool(2);
    fill(&mut pool, &[0, 1]);
    pool.absorb(2, &block(2));
    assert_eq!(
        *seed(&mut pool).expose(),
        hex!("1741a8c3f9ff5b439ed385d450385c27efab0fa51914f5e840711b27381ab707")
    );
    assert_eq!(
        *pool.chain,
        hex!("f96be21acc28a73d452ac1b97060e7148363e7e738085189730031ac5d121b42")
    );
}

#[test]
fn the_next_seed_is_made_of_the_chain_and_of_pools_that_start_over() {
    // As above, with the chain as the key, n(2), and no block of the replay.
    let mut pool = pool(2);
    fill(&mut pool, &[0, 1]);
    pool.absorb(2, &block(2));
    seed(&mut pool);
    fill(&mut pool, &[0, 1]);
    assert_eq!(
        *seed(&mut pool).expose(),
        hex!("871c727ee14c4e8b81091a1b8c20b5e5261f4051057aad35149422cde7bdce62")
    );
}

#[test]
fn one_kind_is_no_quorum_of_two() {
    let mut pool = pool(2);
    fill(&mut pool, &[0]);
    let shortfall = pool.release().expect_err("one kind only");
    assert_eq!(shortfall.present, [Kind::OperatingSystem]);
    assert_eq!(shortfall.needed, 2);
    fill(&mut pool, &[1]);
    assert!(pool.release().is_ok());
}

#[test]
fn a_changed_quorum_holds_from_the_next_seed() {
    let mut pool = pool(1);
    fill(&mut pool, &[0]);
    pool.set_quorum(2);
    let shortfall = pool.release().expect_err("one kind of two");
    assert_eq!((shortfall.needed, shortfall.present), (2, vec![KINDS[0]]));
    pool.set_quorum(1);
    assert_eq!(pool.shortfall(), None);
    seed(&mut pool);
}

#[test]
fn two_sources_of_one_kind_count_once() {
    let twins = vec![member("a", Kind::Device), member("b", Kind::Device)];
    let mut pool = Pool::new(twins, 2).expect("memory for a pool");
    fill(&mut pool, &[0, 1]);
    assert!(pool.release().is_err());
}

#[test]
fn a_kind_of_none_never_counts_whatever_its_blocks_claim() {
    let mut pool = pool(2);
    fill(&mut pool, &[0, 2]);
    assert!(pool.release().is_err());
}

#[test]
fn the_first_seed_needs_384_bits_of_each_kind_and_later_ones_256() {
    let mut pool = pool(2);
    for source in [0, 1] {
        pool.absorb(source, &block(1));
    }
    assert!(pool.release().is_err(), "256 bits are not 384");
    for source in [0, 1] {
        pool.absorb(source, &block(2));
    }
    assert!(pool.release().is_ok());
    for source in [0, 1] {
        pool.absorb(source, &block(3));
    }
    assert!(pool.release().is_ok(), "256 bits are enough for a reseed");
}

#[test]
fn uncredited_blocks_release_nothing() {
    let mut pool = pool(2);
    for _ in 0..100 {
        for source in 0..3 {
            pool.absorb(source, &block_at(1, 0, Instant::now()));
        }
    }
    assert!(pool.release().is_err());
}

#[test]
fn credit_starts_over_after_a_release() {
    let mut pool = pool(2);
    fill(&mut pool, &[0, 1]);
    assert!(pool.release().is_ok());
    assert!(pool.release().is_err());
    assert_eq!(pool.shortfall().expect("nothing has come since").present, []);
}

#[test]
fn withdrawn_credit_must_be_earned_again() {
    let mut pool = pool(2);
    fill(&mut pool, &[0, 1]);
    pool.withdraw(1);
    assert!(pool.release().is_err());
    fill(&mut pool, &[1]);
    assert!(pool.release().is_ok());
}

#[test]
fn a_required_source_is_waited_for() {
    let mut members = members();
    members.push(PoolMember { id: "tpm".into(), kind: Kind::Tpm, required: true });
    let mut pool = Pool::new(members, 2).expect("memory for a pool");
    fill(&mut pool, &[0, 1]);
    assert_eq!(pool.release().expect_err("the tpm is missing").missing_required, ["tpm"]);
    fill(&mut pool, &[3]);
    assert!(pool.release().is_ok());
}

#[test]
fn the_seed_depends_on_every_source_credited_or_not() {
    let known = seed_with(None);
    for changed in 0..3 {
        assert_ne!(known, seed_with(Some(changed)), "source {changed}");
    }
}

/// The seed of three sources' fixed blocks, one of which may have given one other block.
fn seed_with(changed: Option<usize>) -> Secret<SEED_BYTES> {
    let mut pool = pool(2);
    for source in 0..3 {
        let other = u8::from(changed == Some(source));
        pool.absorb(source, &block(other));
        pool.absorb(source, &block(7));
    }
    seed(&mut pool)
}

#[test]
fn all_blocks_of_a_source_stay_in_not_only_the_last() {
    let mut one = pool(2);
    let mut other = pool(2);
    one.absorb(0, &block(1));
    other.absorb(0, &block(2));
    fill(&mut one, &[0, 1]);
    fill(&mut other, &[0, 1]);
    assert_ne!(seed(&mut one), seed(&mut other));
}

#[test]
fn equal_blocks_give_another_seed_each_time() {
    let mut pool = pool(2);
    fill(&mut pool, &[0, 1]);
    let first = seed(&mut pool);
    fill(&mut pool, &[0, 1]);
    assert_ne!(first, seed(&mut pool), "the generation and the chain went in");
}

#[test]
fn the_chain_carries_the_past_into_the_next_seed() {
    // Both pools get the same second set of blocks under the same generation number.
    let mut one = pool(2);
    let mut other = pool(2);
    fill(&mut one, &[0, 1]);
    fill(&mut other, &[0, 1]);
    other.absorb(0, &block(99));
    let _ = (seed(&mut one), seed(&mut other));
    fill(&mut one, &[0, 1]);
    fill(&mut other, &[0, 1]);
    assert_ne!(seed(&mut one), seed(&mut other));
}

#[test]
fn a_boot_seed_changes_the_seed_and_earns_nothing() {
    let mut one = pool(2);
    let mut other = pool(2);
    other.mix_in_boot_seed(b"from the last run");
    assert!(other.release().is_err());
    fill(&mut one, &[0, 1]);
    fill(&mut other, &[0, 1]);
    assert_ne!(seed(&mut one), seed(&mut other));
}

#[test]
fn seed_and_chain_differ() {
    let mut pool = pool(2);
    fill(&mut pool, &[0, 1]);
    let seed = seed(&mut pool);
    assert_ne!(*seed.expose(), *pool.chain);
}

#[test]
fn where_a_name_ends_matters() {
    // Without the length prefix a name could run over into the state that follows it.
    let named = |name: &str| {
        let members = vec![member(name, Kind::Device), member("os", Kind::OperatingSystem)];
        let mut pool = Pool::new(members, 2).expect("memory for a pool");
        fill(&mut pool, &[0, 1]);
        seed(&mut pool)
    };
    assert_ne!(named("a"), named("ab"));
}

#[test]
fn a_fresh_seed_counts_only_blocks_taken_since() {
    let mut pool = pool(2);
    let before = Instant::now();
    let asked = before + Duration::from_secs(1);
    fill(&mut pool, &[0, 1]);
    assert!(pool.release_fresh().is_err(), "there is no demand");
    pool.demand_fresh(asked);
    assert!(pool.release_fresh().is_err(), "what was there does not count");
    for source in [0, 1] {
        for _ in 0..2 {
            pool.absorb(source, &block_at(1, 256, before));
        }
    }
    assert!(pool.release_fresh().is_err(), "late blocks of early samples do not count");
    for source in [0, 1] {
        assert!(!pool.is_satisfied_since_demand(source));
        for _ in 0..2 {
            pool.absorb(source, &block_at(1, 256, asked));
        }
        assert!(pool.is_satisfied_since_demand(source));
    }
    assert!(pool.release_fresh().is_ok());
    assert!(pool.release_fresh().is_err(), "the demand is over");
}

#[test]
fn a_fresh_seed_takes_nothing_from_sources_that_are_not_in_it() {
    let members =
        ["a", "b", "slow"].into_iter().zip([Kind::OperatingSystem, Kind::Tpm, Kind::Device]);
    let members = members.map(|(id, kind)| member(id, kind)).collect();
    let mut pool = Pool::new(members, 2).expect("memory for a pool");
    fill(&mut pool, &[0, 1, 2]);
    seed(&mut pool);
    let now = Instant::now();
    pool.absorb(2, &block_at(9, 128, now));
    for _ in 0..10 {
        pool.demand_fresh(now);
        fill(&mut pool, &[0, 1]);
        let release = pool.release_fresh().expect("two kinds are enough");
        assert_eq!(release.credits_bits, [512, 512, 0]);
    }
    assert!(!pool.is_satisfied(2));
    pool.absorb(2, &block_at(9, 128, now));
    assert!(pool.is_satisfied(2), "both halves count");
    fill(&mut pool, &[0]);
    assert_eq!(pool.release().expect("two kinds").credits_bits, [512, 0, 256]);
}

#[test]
fn a_source_that_is_not_in_a_fresh_seed_does_not_change_it() {
    let with = |byte| {
        let mut pool = pool(1);
        let now = Instant::now();
        pool.demand_fresh(now);
        pool.absorb(1, &block_at(byte, 256, now));
        fill(&mut pool, &[0]);
        let fresh = pool.release_fresh().expect("one kind").seed;
        fill(&mut pool, &[0]);
        (fresh, seed(&mut pool))
    };
    let (one, other) = (with(7), with(8));
    assert_eq!(one.0, other.0);
    assert_ne!(one.1, other.1, "it is in the next regular one");
}

#[test]
fn new_members_start_at_zero_and_old_ones_keep_what_they_gave() {
    let mut pool = pool(2);
    fill(&mut pool, &[0, 1]);
    pool.set_members(vec![member("camera", KINDS[1]), member("tpm", Kind::Tpm)])
        .expect("memory for a pool");
    assert!(pool.is_satisfied(0) && !pool.is_satisfied(1));
    fill(&mut pool, &[1]);
    assert_eq!(pool.release().expect("both gave").credits_bits, [512, 512]);
}

proptest! {
    /// Random blocks, alarms and releases: a seed comes exactly when at least two kinds have
    /// given, since the last seed and their own last alarm, what the standard asks for.
    #[test]
    fn a_seed_needs_its_quorum(steps in prop::collection::vec((0usize..3, 0u8..10), 1..80)) {
        let mut pool = pool(2);
        let mut credit = [0u32; 3];
        let mut seeds = 0;
        for (source, action) in steps {
            match action {
                0 => { pool.withdraw(source); credit[source] = 0; }
                1..=3 => pool.absorb(source, &block_at(action, 0, Instant::now())),
                _ => {
                    pool.absorb(source, &block(action));
                    if KINDS[source] != Kind::None { credit[source] += 256; }
                }
            }
            let needed = if seeds == 0 { FIRST_SEED_BITS } else { RESEED_BITS };
            let expected = credit.iter().filter(|credit| **credit >= needed).count() >= 2;
            prop_assert_eq!(pool.release().is_ok(), expected);
            if expected { credit = [0; 3]; seeds += 1; }
        }
    }

    /// Blocks, alarms, demands and fresh seeds in any order: however many demands there are, a
    /// source that goes into none of their seeds keeps all that it gave for the next regular one.
    #[test]
    fn demands_take_nothing_from_a_source_outside_their_seeds(
        steps in prop::collection::vec((0usize..2, 0u8..6), 1..120)
    ) {
        let mut pool = pool(1);
        let early = Instant::now();
        let mut credit = 0_u32;
        for (source, action) in steps {
            match (source, action) {
                (_, 0) => pool.demand_fresh(early + Duration::from_secs(1)),
                (1, 1) => { pool.withdraw(1); credit = 0; }
                // The camera's samples are always older than the demand.
                (1, _) => {
                    pool.absorb(1, &block_at(action, 64, early));
                    credit = (credit + 64).min(512);
                }
                _ => pool.absorb(0, &block_at(action, 256, early + Duration::from_secs(2))),
            }
            if let Ok(release) = pool.release_fresh() {
                prop_assert_eq!(release.credits_bits[1], 0);
            }
            prop_assert_eq!(pool.slots[1].credit_bits, credit);
        }
        fill(&mut pool, &[0]);
        let release = pool.release().expect("one kind is enough");
        prop_assert_eq!(release.credits_bits[1], credit);
    }
}
