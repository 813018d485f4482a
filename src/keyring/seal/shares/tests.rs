//! What shares promise their holders.

use super::*;
use crate::crypto::test_support as doubles;
use crate::crypto::test_support::generator;
use crate::keyring::seal::read;
use std::path::Path;

const ID: [u8; KEYRING_ID_BYTES] = [7; KEYRING_ID_BYTES];

fn made(threshold: u8, count: u8) -> NewSeal {
    let generator = generator();
    let context = SealContext {
        generator: &generator,
        id: &ID,
        seal_file: Path::new("unused"),
        in_use: None,
    };
    make(threshold, count, &context).expect("made")
}

/// The seal as it is read from the keyring's file.
fn reread(seal: &dyn Seal) -> Box<dyn Seal> {
    read(SealKind::Shares as u8, &seal.parameters(), &ID, Path::new("unused")).expect("ours")
}

fn offer_all<'a>(seal: &mut dyn Seal, shares: impl IntoIterator<Item = &'a Share>) -> Option<Key> {
    let mut opened = None;
    for share in shares {
        if let Offered::Complete(key) = seal.offer(share.text().as_bytes()).expect("a true share") {
            opened = Some(key);
        }
    }
    opened
}

#[test]
fn every_k_of_n_up_to_eight_opens_by_every_choice_of_holders() {
    for count in 2..=8u8 {
        for threshold in 2..=count {
            let made = made(threshold, count);
            let mut seal = reread(&*made.seal);
            for choice in 0u32..1 << count {
                let chosen = |share: &&Share| choice & (1 << (share.number() - 1)) != 0;
                let chosen: Vec<_> = made.shares.iter().filter(chosen).collect();
                if chosen.len() == usize::from(threshold) {
                    let opened = offer_all(&mut *seal, chosen);
                    assert_eq!(opened.as_ref(), Some(&made.secret), "{threshold} of {count}");
                }
            }
        }
    }
}

#[test]
fn fewer_than_k_shares_leave_every_secret_possible() {
    // Two of three are known. For every value the third might have there is another secret, and
    // every secret comes up: knowing two says nothing about any byte of it.
    let made = made(3, 3);
    let known: Vec<_> = made.shares[..2]
        .iter()
        .map(|share| [&[share.number], share.part.expose().as_slice()].concat())
        .collect();
    let mut secrets = vec![std::collections::HashSet::new(); KEY_BYTES];
    for guess in 0..=u8::MAX {
        let third = [&[3], [guess; KEY_BYTES].as_slice()].concat();
        let shares: Vec<_> = known
            .iter()
            .chain([&third])
            .map(|bytes| blahaj::Share::try_from(bytes.as_slice()).expect("well-formed"))
            .collect();
        let secret = blahaj::Sharks(3).recover(&shares).expect("three shares");
        for (seen, byte) in secrets.iter_mut().zip(secret) {
            seen.insert(byte);
        }
    }
    assert!(secrets.iter().all(|seen| seen.len() == 256));
}

#[test]
fn fewer_than_k_shares_open_nothing() {
    let made = made(3, 5);
    let mut seal = reread(&*made.seal);
    for (at, share) in made.shares[..2].iter().enumerate() {
        let have = u8::try_from(at + 1).expect("small");
        let offered = seal.offer(share.text().as_bytes()).expect("a true share");
        assert!(matches!(offered, Offered::More { have: told, need: 3 } if told == have));
    }
}

#[test]
fn coefficients_may_be_zero() {
    // RUSTSEC-2024-0398: coefficients that are never zero tell something of the secret. With a
    // threshold of two, a share equals the secret where the coefficient is zero: 1 byte of 256.
    // None in 6,400 bytes comes by chance once in 7 · 10¹⁰ runs.
    let equal = (0..200).any(|_| {
        let made = made(2, 2);
        let bytes = made.secret.expose().iter().zip(made.shares[0].part.expose());
        bytes.into_iter().any(|(secret, share)| secret == share)
    });
    assert!(equal);
}

#[test]
fn a_repeated_a_false_a_foreign_and_a_mistyped_share_are_told_apart() {
    let (ours, others) = (made(3, 5), made(3, 5));
    let mut seal = reread(&*ours.seal);
    let offer = |seal: &mut Box<dyn Seal>, text: &str| seal.offer(text.as_bytes());
    assert!(offer(&mut seal, &ours.shares[1].text()).is_ok());
    assert!(matches!(
        offer(&mut seal, &ours.shares[1].text()),
        Err(SealError::Repeated { number: 2, need: 3 })
    ));
    assert!(matches!(
        offer(&mut seal, &others.shares[2].text()),
        Err(SealError::OtherSet { number: 3 })
    ));
    let liar = Share { part: Secret::take(&mut [9; KEY_BYTES]), ..copy(&ours.shares[3]) };
    assert!(matches!(offer(&mut seal, &liar.text()), Err(SealError::False { number: 4 })));
    let renumbered = Share { number: 5, ..copy(&ours.shares[3]) };
    assert!(matches!(offer(&mut seal, &renumbered.text()), Err(SealError::False { number: 5 })));
    for number in [0, 6, 255] {
        let unknown = Share { number, ..copy(&ours.shares[3]) };
        let told = offer(&mut seal, &unknown.text());
        assert!(matches!(told, Err(SealError::False { number: at }) if at == number));
    }
    let mut text = ours.shares[0].text().to_string();
    let last = text.pop().expect("letters");
    text.push(if last == 'A' { 'B' } else { 'A' });
    assert!(matches!(offer(&mut seal, &text), Err(SealError::Mistyped)));
    // The earlier shares still count.
    let opened = offer_all(&mut *seal, [&ours.shares[0], &ours.shares[4]]);
    assert_eq!(opened, Some(ours.secret));
}

fn copy(share: &Share) -> Share {
    Share::parse(share.text().as_bytes()).expect("its own text")
}

#[test]
fn every_single_mistyped_letter_is_noticed() {
    let share = &made(2, 2).shares[0];
    let text = share.text();
    for at in 6..text.len() {
        let mut wrong = text.as_bytes().to_vec();
        wrong[at] = match wrong[at] {
            b'-' => b'A',
            b'Q' => b'R',
            _ => b'Q',
        };
        assert!(Share::parse(&wrong).is_err(), "letter {at}");
    }
}

#[test]
fn case_hyphens_and_blanks_do_not_matter() {
    let share = &made(2, 2).shares[0];
    let text = share.text();
    for typed in
        [text.to_lowercase(), text.replace('-', ""), format!("{}  \n", text.replace('-', " "))]
    {
        let read = Share::parse(typed.as_bytes()).expect("the same share");
        assert_eq!((read.number(), read.threshold(), read.count()), (1, 2, 2));
        assert_eq!(read.part, share.part);
    }
    let endless = format!("{}{}", text.as_str(), " ".repeat(1000));
    for typed in ["", "lava1", "lava2:AAAA", "lava1:0189", &endless] {
        assert!(Share::parse(typed.as_bytes()).is_err(), "{typed}");
    }
}

#[test]
fn numbers_of_shares_that_make_no_sense_are_refused() {
    let generator = generator();
    let context = SealContext {
        generator: &generator,
        id: &ID,
        seal_file: Path::new("unused"),
        in_use: None,
    };
    for (threshold, count, is_good) in
        [(1, 3, false), (0, 0, false), (4, 3, false), (2, 33, false), (2, 2, true), (32, 32, true)]
    {
        assert_eq!(make(threshold, count, &context).is_ok(), is_good, "{threshold} of {count}");
    }
}

#[test]
fn a_generator_that_refuses_half_way_deals_no_shares() {
    let generator = doubles::failing_after(5);
    let secret = Secret::take(&mut [1; KEY_BYTES]);
    assert!(split(&secret, 3, 5, [0; SET_BYTES], &generator).is_err());
}

#[test]
fn debug_output_does_not_show_a_share() {
    let share = &made(2, 2).shares[0];
    assert_eq!(format!("{share:?}"), "Share(1 of 2)");
}
