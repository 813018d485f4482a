//! The generator's core: its output, and the state it keeps and erases.

use hex_literal::hex;

use super::*;

fn seed(byte: u8) -> Secret<KEY_BYTES> {
    Secret::take(&mut [byte; KEY_BYTES])
}

fn shard(byte: u8) -> Shard {
    let mut shard = Shard::unseeded().expect("memory for a shard");
    shard.reseed(&seed(byte), 0);
    shard
}

fn draw(shard: &mut Shard) -> [u8; KEY_BYTES] {
    let mut out = [0; KEY_BYTES];
    shard.draw(&mut out).expect("the shard is seeded");
    out
}

#[test]
fn the_keystream_is_that_of_rfc_8439() {
    // RFC 8439 appendix A.1, test vector 1: zero key, zero nonce, counter 0.
    let mut block = [0; 64];
    expand(&[0; KEY_BYTES], &mut block);
    assert_eq!(
        block,
        hex!(
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
            "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        )
    );
}

#[test]
fn an_unseeded_shard_gives_nothing() {
    let mut shard = Shard::unseeded().expect("memory for a shard");
    let mut out = [7; KEY_BYTES];
    assert_eq!(shard.draw(&mut out), Err(Unseeded));
    assert_eq!(out, [7; KEY_BYTES]);
}

#[test]
fn draws_never_repeat_over_many_batches() {
    let mut shard = shard(1);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..10_000 {
        assert!(seen.insert(draw(&mut shard)));
    }
}

#[test]
fn a_reseed_leaves_nothing_of_the_batch_before() {
    let mut shard = shard(1);
    draw(&mut shard);
    shard.reseed(&seed(2), 0);
    assert_eq!(shard.state.draws, [0; DRAW_BYTES]);
}

#[test]
fn the_state_after_a_draw_does_not_hold_it() {
    let mut shard = shard(1);
    for _ in 0..100 {
        let drawn = draw(&mut shard);
        let state = &*shard.state;
        assert_ne!(state.key, drawn);
        assert!(!state.draws.windows(KEY_BYTES).any(|window| window == drawn));
    }
}

#[test]
fn the_key_that_made_a_batch_is_gone_once_it_is_made() {
    let mut shard = shard(1);
    let before = shard.state.key;
    let first = draw(&mut shard);
    assert_ne!(shard.state.key, before, "key erasure");
    // The next key does not lead back to the first draw: running the new key gives other bytes.
    let mut batch = [0; BATCH_BYTES];
    expand(&shard.state.key, &mut batch);
    assert!(!batch.windows(KEY_BYTES).any(|window| window == first));
}

#[test]
fn a_known_seed_does_not_undo_an_unknown_one() {
    // An attacker who chooses the second seed knows the output of a fresh shard under it.
    let mut good_then_bad = shard(1);
    good_then_bad.reseed(&seed(0), 0);
    let mut bad_only = Shard::unseeded().expect("memory for a shard");
    bad_only.reseed(&seed(0), 0);
    assert_ne!(draw(&mut good_then_bad), draw(&mut bad_only));
}

#[test]
fn a_fresh_seed_replaces_a_known_state() {
    let (mut reseeded, mut left) = (shard(1), shard(1));
    reseeded.reseed(&seed(2), 0);
    assert_ne!(draw(&mut reseeded), draw(&mut left));
}

#[test]
fn shards_of_one_seed_differ() {
    let mut first = Shard::unseeded().expect("memory for a shard");
    let mut second = Shard::unseeded().expect("memory for a shard");
    first.reseed(&seed(1), 0);
    second.reseed(&seed(1), 1);
    assert_ne!(draw(&mut first), draw(&mut second));
}

#[test]
fn a_reseed_discards_what_the_old_key_had_ready() {
    let mut shard = shard(1);
    let mut copy = Shard::unseeded().expect("memory for a shard");
    copy.reseed(&seed(1), 0);
    draw(&mut shard);
    draw(&mut copy);
    shard.reseed(&seed(2), 0);
    let ready: Vec<_> = (0..DRAW_BYTES / KEY_BYTES - 1).map(|_| draw(&mut copy)).collect();
    assert!(!ready.contains(&draw(&mut shard)));
}
