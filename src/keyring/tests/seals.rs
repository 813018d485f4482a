//! Unsealing a keyring, and changing and losing its seal.

use super::*;
use crate::keyring::condition::Progress;

const PASSPHRASE: &[u8] = b"a lamp, a lamp, my kingdom";

fn piece(bytes: &[u8]) -> UnsealPiece {
    Zeroizing::new(bytes.to_vec())
}

fn pieces(shares: &[Share]) -> Vec<UnsealPiece> {
    shares.iter().map(|share| piece(share.text().as_bytes())).collect()
}

#[test]
fn a_passphrase_opens_and_another_does_not() {
    let home = Home::new();
    let keyring = home.load().expect("nothing there");
    keyring.init(&Actor::SERVICE, &SealChoice::Passphrase(piece(PASSPHRASE))).expect("made");
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let again = home.load().expect("a keyring");
    assert_eq!(again.condition(), Condition::Sealed(SealKind::Passphrase));
    assert!(!again.unseal_stored(&Actor::SERVICE).expect("nothing is wrong"));
    let error = again.unseal(&Actor::SERVICE, b"a lamp, a lamp, my kingdoM").expect_err("another");
    assert!(matches!(error, KeyringError::Seal(SealError::WrongPassphrase)));
    assert_eq!(again.unseal(&Actor::SERVICE, PASSPHRASE).expect("right"), Progress::Unsealed);
    assert_eq!(key_of(&again, id, 1), key_of(&keyring, id, 1));
}

#[test]
fn shares_open_one_by_one_and_a_bad_one_spoils_nothing() {
    let home = Home::new();
    let keyring = home.load().expect("nothing there");
    let shares = keyring
        .init(&Actor::SERVICE, &SealChoice::Shares { threshold: 3, count: 5 })
        .expect("made");
    let again = home.load().expect("a keyring");
    let offer = |share: &Share| again.unseal(&Actor::SERVICE, share.text().as_bytes());
    assert_eq!(offer(&shares[4]).expect("true"), Progress::More { have: 1, need: 3 });
    assert!(again.unseal(&Actor::SERVICE, b"lava1:NONSENSE").is_err());
    assert!(matches!(
        offer(&shares[4]),
        Err(KeyringError::Seal(SealError::Repeated { number: 5, need: 3 }))
    ));
    assert_eq!(offer(&shares[0]).expect("true"), Progress::More { have: 2, need: 3 });
    assert_eq!(offer(&shares[2]).expect("true"), Progress::Unsealed);
    assert!(matches!(offer(&shares[1]), Err(KeyringError::Unsealed)));
}

#[test]
fn sealing_forgets_the_shares_that_were_given() {
    let home = Home::new();
    let keyring = home.load().expect("nothing there");
    let shares = keyring
        .init(&Actor::SERVICE, &SealChoice::Shares { threshold: 2, count: 2 })
        .expect("made");
    let again = home.load().expect("a keyring");
    again.unseal(&Actor::SERVICE, shares[0].text().as_bytes()).expect("true");
    again.seal(&Actor::SERVICE).expect("sealed");
    let offered = again.unseal(&Actor::SERVICE, shares[1].text().as_bytes()).expect("true");
    assert_eq!(offered, Progress::More { have: 1, need: 2 });
}

#[test]
fn rekeying_changes_who_opens_and_no_key() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let key = key_of(&keyring, id, 1);
    let shares =
        keyring.rekey(&[], &SealChoice::Shares { threshold: 2, count: 3 }).expect("file to shares");
    assert!(!home.path("seal-key").exists(), "the file would still open a copy");
    let newer = keyring
        .rekey(&pieces(&shares[..2]), &SealChoice::Shares { threshold: 2, count: 2 })
        .expect("shares to shares");
    let again = home.load().expect("a keyring");
    let old = again.unseal(&Actor::SERVICE, shares[0].text().as_bytes());
    assert!(matches!(old, Err(KeyringError::Seal(SealError::OtherSet { number: 1 }))));
    for share in &newer {
        again.unseal(&Actor::SERVICE, share.text().as_bytes()).expect("true");
    }
    assert_eq!(key_of(&again, id, 1), key);
    again
        .rekey(&pieces(&newer), &SealChoice::Passphrase(piece(PASSPHRASE)))
        .expect("shares to passphrase");
    again.rekey(&[piece(PASSPHRASE)], &SealChoice::File).expect("passphrase to file");
    again.rekey(&[], &SealChoice::File).expect("file to file");
    assert_eq!(key_of(&home.reopen(), id, 1), key);
}

#[test]
fn rekeying_and_a_new_root_need_what_opens_the_seal() {
    let home = Home::new();
    let keyring = home.load().expect("nothing there");
    let shares = keyring
        .init(&Actor::SERVICE, &SealChoice::Shares { threshold: 3, count: 3 })
        .expect("made");
    let before = home.file();
    for proof in [vec![], pieces(&shares[..2])] {
        let have = u8::try_from(proof.len()).expect("small");
        let refused = keyring.rekey(&proof, &SealChoice::File);
        assert!(matches!(refused, Err(KeyringError::Unproved { have: told, .. }) if told == have));
        assert!(matches!(
            keyring.rotate_root(&Actor::SERVICE, &proof),
            Err(KeyringError::Unproved { .. })
        ));
    }
    assert_eq!(home.file(), before);
    assert!(!home.path("seal-key").exists());
    keyring.rotate_root(&Actor::SERVICE, &pieces(&shares)).expect("proved");
    assert_ne!(home.file(), before);
}

#[test]
fn a_wrong_passphrase_proves_nothing() {
    let home = Home::new();
    let keyring = home.load().expect("nothing there");
    keyring.init(&Actor::SERVICE, &SealChoice::Passphrase(piece(PASSPHRASE))).expect("made");
    let refused = keyring.rotate_root(&Actor::SERVICE, &[piece(b"not the passphrase")]);
    assert!(matches!(refused, Err(KeyringError::Seal(SealError::WrongPassphrase))));
}

#[test]
fn the_old_root_key_opens_no_file_written_since_it_was_replaced() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let root = |keyring: &Keyring| match &*keyring.state.read() {
        KeyringState::Unsealed(open) => Secret::take(&mut open.root.expose().clone()),
        _ => panic!("it is open"),
    };
    let old = root(&keyring);
    keyring.rotate_root(&Actor::SERVICE, &[]).expect("rotated");
    assert_ne!(root(&keyring), old);
    let file = home.file();
    let (head, keyset) = KeyringHeader::read(&file).expect("whole");
    assert!(head.open_keyset(keyset, &old).is_err());
    assert!(head.open_keyset(keyset, &root(&keyring)).is_ok());
    assert_eq!(key_of(&home.reopen(), id, 1), key_of(&keyring, id, 1));
}

#[test]
fn a_crash_while_the_seal_is_changed_leaves_one_that_opens() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let (old_keyring, old_seal) = (home.file(), std::fs::read(home.path("seal-key")));
    // Stopped after the seal's file was written and before the keyring was.
    std::fs::create_dir(home.path("keyring.new")).expect("a directory in the way");
    assert!(keyring.rekey(&[], &SealChoice::File).is_err());
    std::fs::remove_dir(home.path("keyring.new")).expect("removed");
    assert_ne!(std::fs::read(home.path("seal-key")).expect("there"), old_seal.expect("there"));
    assert_eq!(home.file(), old_keyring);
    assert_eq!(key_of(&home.reopen(), id, 1), key_of(&keyring, id, 1));
    // The file that was left does not affect a later change.
    home.reopen().rekey(&[], &SealChoice::File).expect("changed");
    assert_eq!(key_of(&home.reopen(), id, 1), key_of(&keyring, id, 1));
}

#[test]
fn a_crash_after_the_seal_is_changed_does_not_endanger_the_next_change() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let old_seal = std::fs::read(home.path("seal-key")).expect("there");
    keyring.rekey(&[], &SealChoice::File).expect("changed");
    // Stopped before the old secret was removed from the file: it holds both.
    let new_seal = std::fs::read(home.path("seal-key")).expect("there");
    let both = [old_seal.as_slice(), &new_seal[24..]].concat();
    std::fs::write(home.path("seal-key"), both).expect("written");
    // The next change is stopped too, before the keyring names its seal.
    let keyring = home.reopen();
    std::fs::create_dir(home.path("keyring.new")).expect("a directory in the way");
    assert!(keyring.rekey(&[], &SealChoice::File).is_err());
    std::fs::remove_dir(home.path("keyring.new")).expect("removed");
    assert_eq!(key_of(&home.reopen(), id, 1), key_of(&keyring, id, 1));
}

#[test]
fn a_foreign_seal_file_does_not_open() {
    let (home, other) = (Home::new(), Home::new());
    home.init();
    other.init();
    std::fs::copy(other.path("seal-key"), home.path("seal-key")).expect("copied");
    let opened = home.load().expect("a keyring").unseal_stored(&Actor::SERVICE);
    assert!(matches!(opened, Err(KeyringError::Seal(SealError::Foreign { .. }))));
    std::fs::remove_file(home.path("seal-key")).expect("removed");
    let opened = home.load().expect("a keyring").unseal_stored(&Actor::SERVICE);
    assert!(matches!(opened, Err(KeyringError::Seal(SealError::File { .. }))));
}

#[test]
fn a_crash_in_the_first_start_between_seal_and_keyring_leaves_nothing_to_do_by_hand() {
    let home = Home::new();
    let keyring = home.load().expect("nothing there");
    // All that is on the disk before the keyring is; twice, since the next start may be cut short too.
    for id in [[1; 16], [2; 16]] {
        seal::make(&SealChoice::File, &keyring.seal_context(&id, None)).expect("written");
        assert!(home.path("seal-key.next").exists() && !home.path("seal-key").exists());
    }
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    assert!(home.path("seal-key").exists() && !home.path("seal-key.next").exists());
    assert_eq!(key_of(&home.reopen(), id, 1), key_of(&keyring, id, 1));
}

#[test]
fn a_crash_between_keyring_and_the_name_of_its_seals_file_leaves_one_that_opens() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    for next_change in [SealChoice::File, SealChoice::Shares { threshold: 2, count: 2 }] {
        std::fs::rename(home.path("seal-key"), home.path("seal-key.next")).expect("as it was");
        let again = home.reopen();
        assert_eq!(key_of(&again, id, 1), key_of(&keyring, id, 1));
        assert!(home.path("seal-key").exists() && !home.path("seal-key.next").exists());
        again.rekey(&[], &next_change).expect("and it is changed as ever");
    }
    assert!(!home.path("seal-key").exists());
}

#[test]
fn a_seals_file_without_its_keyring_is_kept_and_no_other_is_made_over_it() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let seal = std::fs::read(home.path("seal-key")).expect("there");
    std::fs::rename(home.path("keyring"), home.path("elsewhere")).expect("moved");
    let refused = home.load().expect("nothing there").init(&Actor::SERVICE, &SealChoice::File);
    assert!(matches!(refused, Err(KeyringError::Seal(SealError::Foreign { .. }))));
    assert_eq!(std::fs::read(home.path("seal-key")).expect("there"), seal);
    std::fs::rename(home.path("elsewhere"), home.path("keyring")).expect("moved back");
    assert_eq!(key_of(&home.reopen(), id, 1), key_of(&keyring, id, 1));
}

#[test]
fn what_waits_beside_the_seals_place_opens_only_its_own_keyring_and_replaces_nothing() {
    let (home, other) = (Home::new(), Home::new());
    home.init();
    other.init();
    std::fs::copy(other.path("seal-key"), home.path("seal-key.next")).expect("left");
    home.reopen();
    std::fs::remove_file(home.path("seal-key")).expect("lost");
    let opened = home.load().expect("a keyring").unseal_stored(&Actor::SERVICE);
    assert!(matches!(opened, Err(KeyringError::Seal(SealError::File { path, .. }))
        if path == home.path("seal-key")));
    assert!(!home.path("seal-key").exists());
    let left = std::fs::read(home.path("seal-key.next")).expect("there");
    assert_eq!(left, std::fs::read(other.path("seal-key")).expect("there"));
}

#[test]
fn a_first_start_that_fails_leaves_no_trace_and_the_next_one_makes_a_keyring() {
    for in_the_way in ["keyring.new", "anchor.new", "seal-key.new"] {
        let home = Home::anchored();
        let keyring = home.load().expect("nothing there");
        std::fs::create_dir(home.path(in_the_way)).expect("a directory in the way");
        keyring.init(&Actor::SERVICE, &SealChoice::File).expect_err("it cannot be written");
        for file in ["keyring", "anchor", "seal-key", "seal-key.next"] {
            assert!(!home.path(file).exists(), "{file} after {in_the_way}");
        }
        std::fs::remove_dir(home.path(in_the_way)).expect("removed");
        keyring.init(&Actor::SERVICE, &SealChoice::File).expect("made");
        home.reopen();
    }
}

#[test]
fn a_keyring_that_was_put_in_place_meanwhile_is_not_made_over() {
    let (home, other) = (Home::new(), Home::new());
    let keyring = home.load().expect("nothing there");
    other.init();
    std::fs::copy(other.path("keyring"), home.path("keyring")).expect("put there");
    assert!(matches!(keyring.init(&Actor::SERVICE, &SealChoice::File), Err(KeyringError::Present)));
    assert_eq!(home.file(), other.file());
}

#[test]
fn shares_that_never_arrived_open_nothing_and_the_seal_before_them_still_does() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let before = home.file();
    let two_of_two = SealChoice::Shares { threshold: 2, count: 2 };
    let (lost, _) = keyring.prepare_seal(&Actor::SERVICE, &[], &two_of_two).expect("prepared");
    assert_eq!(home.file(), before);
    // As after a crash, or when the answer was lost.
    assert_eq!(key_of(&home.reopen(), id, 1), key_of(&keyring, id, 1));
    let (prepared, shares) =
        keyring.prepare_seal(&Actor::SERVICE, &[], &two_of_two).expect("prepared");
    let refused = keyring.put_in_force(&Actor::SERVICE, &lost);
    assert!(matches!(refused, Err(KeyringError::Unprepared)), "of two, the later one counts");
    // A change in between is kept.
    keyring.rotate(&Actor::SERVICE, id).expect("rotated");
    keyring.put_in_force(&Actor::SERVICE, &prepared).expect("the shares have arrived");
    assert!(matches!(
        keyring.put_in_force(&Actor::SERVICE, &prepared),
        Err(KeyringError::Unprepared)
    ));
    assert_eq!(keyring.condition(), Condition::Unsealed(SealKind::Shares));
    assert!(!home.path("seal-key").exists());
    let again = home.load().expect("a keyring");
    for share in &shares {
        again.unseal(&Actor::SERVICE, share.text().as_bytes()).expect("true");
    }
    assert_eq!(key_of(&again, id, 2), key_of(&keyring, id, 2));
}

#[test]
fn a_prepared_seal_does_not_outlast_a_sealing_or_its_root_key() {
    let home = Home::new();
    let keyring = home.init();
    let two_of_two = SealChoice::Shares { threshold: 2, count: 2 };
    let (prepared, _) = keyring.prepare_seal(&Actor::SERVICE, &[], &two_of_two).expect("prepared");
    keyring.rotate_root(&Actor::SERVICE, &[]).expect("rotated");
    assert!(matches!(
        keyring.put_in_force(&Actor::SERVICE, &prepared),
        Err(KeyringError::Unprepared)
    ));
    let (prepared, _) = keyring.prepare_seal(&Actor::SERVICE, &[], &two_of_two).expect("prepared");
    keyring.seal(&Actor::SERVICE).expect("sealed");
    assert!(matches!(keyring.put_in_force(&Actor::SERVICE, &prepared), Err(KeyringError::Sealed)));
    assert!(keyring.unseal_stored(&Actor::SERVICE).expect("the seal's file"));
    assert!(matches!(
        keyring.put_in_force(&Actor::SERVICE, &prepared),
        Err(KeyringError::Unprepared)
    ));
    home.reopen();
}

#[test]
fn a_seal_whose_keyring_could_not_be_written_can_be_put_in_force_later() {
    let home = Home::new();
    let keyring = home.init();
    let two_of_two = SealChoice::Shares { threshold: 2, count: 2 };
    let (prepared, shares) =
        keyring.prepare_seal(&Actor::SERVICE, &[], &two_of_two).expect("prepared");
    std::fs::create_dir(home.path("keyring.new")).expect("a directory in the way");
    keyring.put_in_force(&Actor::SERVICE, &prepared).expect_err("it cannot be written");
    std::fs::remove_dir(home.path("keyring.new")).expect("removed");
    keyring.create_namespace(&Actor::SERVICE, "meanwhile").expect("made");
    home.reopen();
    keyring.put_in_force(&Actor::SERVICE, &prepared).expect("written");
    let again = home.load().expect("a keyring");
    for share in &shares {
        again.unseal(&Actor::SERVICE, share.text().as_bytes()).expect("true");
    }
}

#[test]
fn an_old_seals_file_that_cannot_be_removed_is_told_of_and_the_new_seal_is_in_force() {
    let home = Home::new();
    let keyring = home.init();
    let two_of_two = SealChoice::Shares { threshold: 2, count: 2 };
    let (prepared, shares) =
        keyring.prepare_seal(&Actor::SERVICE, &[], &two_of_two).expect("prepared");
    std::fs::remove_file(home.path("seal-key")).expect("removed");
    std::fs::create_dir(home.path("seal-key")).expect("what cannot be removed as a file");
    let done = keyring.put_in_force(&Actor::SERVICE, &prepared);
    assert!(matches!(done, Err(KeyringError::LeftBehind { .. })), "{done:?}");
    let again = home.load().expect("a keyring");
    for share in &shares {
        again.unseal(&Actor::SERVICE, share.text().as_bytes()).expect("true");
    }
    keyring
        .rotate_root(&Actor::SERVICE, &pieces(&shares))
        .expect("and what proves it are the shares");
}

/// Root ignores these permissions.
#[test]
fn a_keyring_whose_name_could_not_be_flushed_counts_and_both_seals_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        return;
    }
    let home = Home::new();
    let keyring = home.init();
    let two_of_two = SealChoice::Shares { threshold: 2, count: 2 };
    let (prepared, shares) =
        keyring.prepare_seal(&Actor::SERVICE, &[], &two_of_two).expect("prepared");
    let allow = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(home.folder.path(), mode).expect("changed");
    };
    // Files can be renamed in it, and it cannot be opened to be flushed.
    allow(0o300);
    let done = keyring.put_in_force(&Actor::SERVICE, &prepared);
    allow(0o700);
    assert!(matches!(done, Err(KeyringError::Incomplete(_))), "{done:?}");
    assert!(home.path("seal-key").exists(), "it opens the file that a crash may bring back");
    let again = home.load().expect("a keyring");
    for share in &shares {
        again.unseal(&Actor::SERVICE, share.text().as_bytes()).expect("true");
    }
    keyring.rotate_root(&Actor::SERVICE, &pieces(&shares)).expect("memory knows of the new seal");
}
