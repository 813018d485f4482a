//! The keyring's behaviour.

mod audit;
mod seals;

use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::*;
use crate::audit::Actor;
use crate::crypto::test_support;
use crate::crypto::test_support::{generator, hooked};
use crate::keyring::VersionState::{Active, Retired};
use crate::keyring::anchor::AnchorError;
use crate::keyring::format::{FORMAT, KeyringHeader};
use crate::keyring::keyset::Keyset;
use crate::keyring::keyset::{NAMESPACES_LIMIT, TITLE_LIMIT};
use crate::keyring::seal::shares::Share;
use crate::keyring::seal::{SealChoice, SealError, SealKind};
use crate::keyring::state::KeyringState;
use lavawall_entropy::Readiness::{Degraded, Ready};
use lavawall_entropy::{Generator, Kind, Secret};

/// A folder with a keyring in it, and perhaps an anchor beside it.
struct Home {
    folder: tempfile::TempDir,
    generator: Arc<Generator>,
    anchored: bool,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        Self { folder, generator: Arc::new(generator()), anchored: false }
    }

    fn anchored() -> Self {
        Self { anchored: true, ..Self::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self) -> Result<Keyring, KeyringError> {
        let places = Places {
            keyring: self.path("keyring"),
            seal_file: self.path("seal-key"),
            audit: self.path("audit.log"),
            anchor: self.anchored.then(|| self.path("anchor")),
        };
        Keyring::load(places, Arc::clone(&self.generator))
    }

    /// Makes a keyring under a file seal.
    fn init(&self) -> Keyring {
        let keyring = self.load().expect("nothing there");
        assert!(keyring.init(&Actor::SERVICE, &SealChoice::File).expect("made").is_empty());
        keyring
    }

    /// As after a restart.
    fn reopen(&self) -> Keyring {
        let keyring = self.load().expect("a keyring");
        assert!(keyring.unseal_stored(&Actor::SERVICE).expect("the seal's file"));
        keyring
    }

    fn file(&self) -> Vec<u8> {
        std::fs::read(self.path("keyring")).expect("a keyring")
    }
}

impl Keyring {
    /// Changes the seal in one step, as a caller without shares does.
    fn rekey(
        &self,
        proof: &[UnsealPiece],
        choice: &SealChoice,
    ) -> Result<Vec<Share>, KeyringError> {
        let (id, shares) = self.prepare_seal(&Actor::SERVICE, proof, choice)?;
        self.put_in_force(&Actor::SERVICE, &id).map(|()| shares)
    }
}

fn key_of(keyring: &Keyring, id: NamespaceId, version: u32) -> Option<[u8; 32]> {
    let keys = keyring.namespace_keys(id).expect("open");
    keys.get(version).map(|(_, key)| *key.expose())
}

#[test]
fn keys_are_the_same_after_a_restart() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    assert_eq!(keyring.rotate(&Actor::SERVICE, id).expect("rotated"), 2);
    let again = home.reopen();
    for version in [1, 2] {
        assert!(key_of(&keyring, id, version).is_some());
        assert_eq!(key_of(&again, id, version), key_of(&keyring, id, version));
    }
    assert_eq!(again.namespaces().expect("open"), keyring.namespaces().expect("open"));
    assert_eq!(again.namespace_keys(id).expect("open").active, 2);
}

#[test]
fn a_sealed_keyring_gives_no_key_and_says_so() {
    let home = Home::new();
    let keyring = home.load().expect("nothing there");
    assert!(matches!(keyring.namespaces(), Err(KeyringError::Absent)));
    assert_eq!(keyring.condition(), Condition::Absent);
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    keyring.seal(&Actor::SERVICE).expect("sealed");
    assert_eq!(keyring.condition(), Condition::Sealed(SealKind::File));
    assert!(matches!(keyring.namespace_keys(id), Err(KeyringError::Sealed)));
    assert!(matches!(
        keyring.create_namespace(&Actor::SERVICE, "second"),
        Err(KeyringError::Sealed)
    ));
    assert!(matches!(keyring.keys(), Err(KeyringError::Sealed)));
    assert!(keyring.seal(&Actor::SERVICE).is_ok(), "it is sealed");
    assert!(keyring.unseal_stored(&Actor::SERVICE).expect("the file is there"));
    assert!(keyring.namespace_keys(id).is_ok());
}

#[test]
fn sealing_needs_no_disk() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    std::fs::rename(home.path("keyring"), home.path("elsewhere")).expect("moved");
    keyring.seal(&Actor::SERVICE).expect("sealed");
    assert!(matches!(keyring.namespace_keys(id), Err(KeyringError::Sealed)));
    assert!(keyring.unseal_stored(&Actor::SERVICE).expect("the seal's file is there"));
    assert!(keyring.namespace_keys(id).is_ok());
}

#[test]
fn nothing_of_keys_or_titles_is_readable_in_the_file() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "a telling title").expect("made").id;
    let file = home.file();
    let holds = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
    assert!(!holds(b"telling"));
    assert!(!holds(&key_of(&keyring, id, 1).expect("there")));
    assert!(!holds(keyring.namespace_keys(id).expect("open").index_key.expose()));
    assert!(!holds(&id.0), "not even which namespaces there are");
}

#[test]
fn every_key_tells_where_it_came_from() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    test_support::degrade(&home.generator);
    keyring.rotate(&Actor::SERVICE, id).expect("the grace period has begun");
    let keys = home.reopen().keys().expect("open");
    let told: Vec<_> =
        keys.iter().map(|key| (key.version, key.state, key.provenance.state)).collect();
    assert_eq!(told, [(0, Active, Ready), (1, Retired, Ready), (2, Active, Degraded)]);
    assert_eq!(keys[1].provenance.kinds, [Kind::OperatingSystem, Kind::CpuTiming]);
    assert_eq!(keys[1].provenance.generation, 1);
    assert!(keys[1].provenance.made_at > 1_600_000_000);
}

#[test]
fn a_deleted_namespace_is_in_no_file_written_since() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "gone").expect("made").id;
    keyring.delete_namespace(&Actor::SERVICE, id).expect("deleted");
    assert!(matches!(keyring.namespace_keys(id), Err(KeyringError::UnknownNamespace(_))));
    let again = home.reopen();
    assert!(matches!(again.namespace_keys(id), Err(KeyringError::UnknownNamespace(_))));
    assert!(matches!(
        again.delete_namespace(&Actor::SERVICE, id),
        Err(KeyringError::UnknownNamespace(_))
    ));
    let entries = std::fs::read_dir(home.folder.path()).expect("a directory").count();
    assert_eq!(entries, 3, "the keyring, the seal's file, the log: no draft, no backup");
}

#[test]
fn versions_are_retired_revoked_and_destroyed_but_never_the_active_one() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    for refused in [keyring.revoke(&Actor::SERVICE, id, 1), keyring.destroy(&Actor::SERVICE, id, 1)]
    {
        assert!(matches!(refused, Err(KeyringError::ActiveVersion { version: 1 })));
    }
    keyring.rotate(&Actor::SERVICE, id).expect("rotated");
    let state = |version| {
        let keys = keyring.namespace_keys(id).expect("open");
        keys.get(version).map(|(state, _)| state)
    };
    assert_eq!((state(1), state(2)), (Some(VersionState::Retired), Some(VersionState::Active)));
    keyring.revoke(&Actor::SERVICE, id, 1).expect("revoked");
    assert_eq!(state(1), Some(VersionState::Revoked));
    keyring.destroy(&Actor::SERVICE, id, 1).expect("destroyed");
    assert_eq!(state(1), None);
    assert_eq!(key_of(&home.reopen(), id, 1), None);
    assert!(matches!(
        keyring.revoke(&Actor::SERVICE, id, 1),
        Err(KeyringError::DestroyedVersion { .. })
    ));
    assert!(matches!(
        keyring.revoke(&Actor::SERVICE, id, 9),
        Err(KeyringError::UnknownVersion { .. })
    ));
    assert_eq!(keyring.keys().expect("open").len(), 3, "it is remembered");
}

#[test]
fn titles_are_unique_and_bounded() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "taken").expect("made").id;
    assert!(matches!(
        keyring.create_namespace(&Actor::SERVICE, "taken"),
        Err(KeyringError::TitleTaken)
    ));
    let other = keyring.create_namespace(&Actor::SERVICE, "other").expect("made").id;
    assert!(matches!(
        keyring.rename_namespace(&Actor::SERVICE, other, "taken"),
        Err(KeyringError::TitleTaken)
    ));
    keyring.rename_namespace(&Actor::SERVICE, id, "taken").expect("its own title");
    keyring.rename_namespace(&Actor::SERVICE, id, "free").expect("renamed");
    keyring.create_namespace(&Actor::SERVICE, "taken").expect("free again");
    let drafts = [(); 2].map(|()| keyring.draft_namespace(&Actor::SERVICE, "twice").expect("free"));
    let added = drafts.map(|draft| keyring.add_namespace(&Actor::SERVICE, draft));
    assert!(matches!(added, [Ok(_), Err(KeyringError::TitleTaken)]));
    let long = "x".repeat(TITLE_LIMIT + 1);
    for title in ["", &long] {
        let error = keyring.create_namespace(&Actor::SERVICE, title).expect_err("no title");
        assert!(matches!(error, KeyringError::Title { value, .. } if value == title.len()));
    }
    keyring.create_namespace(&Actor::SERVICE, &long[1..]).expect("the longest");
    for (title, place) in
        [("a\nb", 2), ("\u{e4}\u{e4}\u{1b}[2J", 3), ("\0", 1), ("\u{9b}", 1), ("a\u{7f}", 2)]
    {
        for refused in [
            keyring.create_namespace(&Actor::SERVICE, title).map(drop),
            keyring.rename_namespace(&Actor::SERVICE, id, title),
        ] {
            let error = refused.expect_err("a control character");
            assert!(matches!(error, KeyringError::TitleControl { place: at, .. } if at == place));
            let said = error.to_string();
            assert!(!said.contains(char::is_control) && said.contains("U+"), "{said}");
        }
    }
}

#[test]
fn namespaces_and_their_key_versions_are_limited() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let change = |change: &dyn Fn(&mut Keyset)| match &mut *keyring.state.write() {
        KeyringState::Unsealed(open) => change(&mut open.keyset),
        _ => panic!("it is open"),
    };
    change(&|keyset| {
        let versions = &mut keyset.namespaces.get_mut(&id).expect("there").versions;
        let last = versions[0].clone();
        versions.resize(keyset::VERSIONS_LIMIT - 1, last);
    });
    keyring.rotate(&Actor::SERVICE, id).expect("the last one");
    assert!(matches!(
        keyring.rotate(&Actor::SERVICE, id),
        Err(KeyringError::TooMany { limit: 4096, .. })
    ));
    change(&|keyset| {
        let mut other = keyset.namespaces[&id].clone();
        other.versions.truncate(1);
        for number in 2..NAMESPACES_LIMIT {
            other.title = Zeroizing::new(number.to_string());
            let id = NamespaceId(u128::try_from(number).expect("small").to_be_bytes());
            keyset.namespaces.insert(id, other.clone());
        }
    });
    keyring.create_namespace(&Actor::SERVICE, "last").expect("the last one");
    let refused = keyring.create_namespace(&Actor::SERVICE, "one more");
    assert!(matches!(refused, Err(KeyringError::TooMany { limit: 1000, .. })));
    keyring.rename_namespace(&Actor::SERVICE, id, "other").expect("that is no more of them");
}

#[test]
fn a_generator_that_refuses_makes_no_key_and_changes_nothing() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let before = home.file();
    home.generator.halt("a test".into());
    assert!(matches!(
        keyring.create_namespace(&Actor::SERVICE, "second"),
        Err(KeyringError::NotReady(_))
    ));
    assert!(matches!(keyring.rotate(&Actor::SERVICE, id), Err(KeyringError::NotReady(_))));
    // Even what needs no new key needs a nonce.
    assert!(matches!(
        keyring.delete_namespace(&Actor::SERVICE, id),
        Err(KeyringError::NotReady(_))
    ));
    assert_eq!(home.file(), before);
    assert!(keyring.namespace_keys(id).is_ok(), "what is there can be used");
}

#[test]
fn what_cannot_be_written_has_not_happened() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let (before, counter) = (home.file(), keyring.counter().expect("open"));
    // A draft that cannot be opened simulates a full disk.
    std::fs::create_dir(home.path("keyring.new")).expect("a directory in the way");
    assert!(matches!(
        keyring.create_namespace(&Actor::SERVICE, "second"),
        Err(KeyringError::File { .. })
    ));
    assert!(matches!(keyring.rotate(&Actor::SERVICE, id), Err(KeyringError::File { .. })));
    assert!(matches!(
        keyring.delete_namespace(&Actor::SERVICE, id),
        Err(KeyringError::File { .. })
    ));
    assert!(keyring.rotate_root(&Actor::SERVICE, &[]).is_err());
    assert!(keyring.rekey(&[], &SealChoice::File).is_err());
    assert_eq!(home.file(), before);
    assert_eq!(keyring.counter().expect("open"), counter);
    assert_eq!(keyring.namespace_keys(id).expect("there").active, 1);
    std::fs::remove_dir(home.path("keyring.new")).expect("removed");
    keyring.rotate(&Actor::SERVICE, id).expect("the disk has room again");
    assert_eq!(key_of(&home.reopen(), id, 2), key_of(&keyring, id, 2));
}

#[test]
fn a_changed_file_is_named_and_opens_nothing() {
    let home = Home::new();
    let keyring = home.init();
    keyring.create_namespace(&Actor::SERVICE, "first").expect("made");
    let good = home.file();
    for at in (0..good.len()).step_by(7).chain([good.len() - 1]) {
        let mut changed = good.clone();
        changed[at] ^= 0x10;
        std::fs::write(home.path("keyring"), &changed).expect("written");
        let error = match home.load() {
            Ok(keyring) => keyring.unseal_stored(&Actor::SERVICE).expect_err("changed"),
            Err(error) => error,
        };
        let text = error.to_string();
        assert!(text.contains("keyring") || text.contains("seal"), "byte {at}: {text}");
    }
}

#[test]
fn the_counter_grows_with_every_write() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let before = keyring.counter().expect("open");
    keyring.rotate(&Actor::SERVICE, id).expect("rotated");
    keyring.rotate_root(&Actor::SERVICE, &[]).expect("rotated");
    assert_eq!(keyring.counter().expect("open"), before + 2);
    assert_eq!(home.reopen().counter().expect("open"), before + 2);
}

#[test]
fn a_keyring_of_format_4_opens_and_its_next_change_writes_the_present_format() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let old = match &*keyring.state.read() {
        KeyringState::Unsealed(open) => {
            // Without keys of callers the keysets of both formats are the same.
            let head = KeyringHeader { format: 4, ..open.head.clone() };
            head.seal_keyset(&open.keyset.write(), &open.root, &home.generator).expect("seeded").0
        }
        _ => panic!("it is open"),
    };
    std::fs::write(home.path("keyring"), old).expect("written");
    let again = home.reopen();
    assert_eq!(key_of(&again, id, 1), key_of(&keyring, id, 1));
    again.rotate(&Actor::SERVICE, id).expect("rotated");
    let (head, _) = KeyringHeader::read(&home.file()).expect("whole");
    assert_eq!(head.format, FORMAT);
    assert_eq!(key_of(&home.reopen(), id, 1), key_of(&keyring, id, 1));
}

#[test]
fn an_old_keyring_is_noticed_with_an_anchor_and_only_then() {
    for (home, is_noticed) in [(Home::anchored(), true), (Home::new(), false)] {
        let keyring = home.init();
        let old = home.file();
        keyring.create_namespace(&Actor::SERVICE, "since").expect("made");
        std::fs::write(home.path("keyring"), old).expect("put back");
        let opened = home.load().expect("a keyring").unseal_stored(&Actor::SERVICE);
        let told = matches!(
            opened,
            Err(KeyringError::Anchor(AnchorError::RolledBack { what: "keyring", .. }))
        );
        assert_eq!(told, is_noticed);
    }
}

#[test]
fn a_keyring_that_is_gone_is_noticed_with_an_anchor() {
    let home = Home::anchored();
    home.init();
    std::fs::remove_file(home.path("keyring")).expect("removed");
    assert!(matches!(
        home.load(),
        Err(KeyringError::Anchor(AnchorError::RolledBack { found: 0, .. }))
    ));
}

#[test]
fn a_crash_between_keyring_and_anchor_raises_no_alarm() {
    let home = Home::anchored();
    let keyring = home.init();
    let old_anchor = std::fs::read(home.path("anchor")).expect("there");
    keyring.create_namespace(&Actor::SERVICE, "since").expect("made");
    let new_anchor = std::fs::read(home.path("anchor")).expect("there");
    assert_ne!(old_anchor, new_anchor);
    std::fs::write(home.path("anchor"), old_anchor).expect("put back");
    home.reopen();
    let brought_up = std::fs::read(home.path("anchor")).expect("there");
    assert_eq!(brought_up, new_anchor);
}

#[test]
fn a_store_older_than_its_anchor_is_noticed() {
    let home = Home::anchored();
    let keyring = home.init();
    keyring.anchor_commits(10).expect("written");
    keyring.anchor_commits(7).expect("never goes back");
    let again = home.reopen();
    assert!(again.check_commits(10).is_ok() && again.check_commits(11).is_ok());
    assert!(matches!(
        again.check_commits(9),
        Err(KeyringError::Anchor(AnchorError::RolledBack {
            what: "store",
            found: 9,
            known: 10,
            ..
        }))
    ));
}

#[test]
fn what_the_anchor_could_not_be_told_of_the_store_is_told_again() {
    let home = Home::anchored();
    let keyring = home.init();
    std::fs::create_dir(home.path("anchor.new")).expect("a directory in the way");
    keyring.anchor_commits(10).expect_err("it cannot be written");
    keyring.anchor_commits(10).expect_err("nor now");
    std::fs::remove_dir(home.path("anchor.new")).expect("out of the way");
    keyring.anchor_commits(10).expect("written");
    assert!(home.reopen().check_commits(9).is_err());
}

#[test]
fn two_files_in_one_place_are_refused_before_one_is_written_over_the_other() {
    let home = Home::new();
    home.init();
    let places = |seal: &str, anchor: Option<&str>| Places {
        keyring: home.path("keyring"),
        seal_file: home.path(seal),
        audit: home.path("audit.log"),
        anchor: anchor.map(|anchor| home.path(anchor)),
    };
    let load = |places| Keyring::load(places, Arc::clone(&home.generator)).err();
    for (seal, anchor) in [
        ("keyring", None),
        ("./audit.log", None),
        ("seal-key", Some("keyring")),
        ("seal-key", Some("seal-key")),
        ("seal-key", Some("audit.log")),
    ] {
        let refused = load(places(seal, anchor));
        assert!(matches!(refused, Some(KeyringError::OnePlace { .. })), "{seal}, {anchor:?}");
    }
    assert!(load(places("seal-key", Some("anchor"))).is_none());
}

#[test]
fn an_anchor_that_is_gone_is_told_of_and_begun_anew() {
    let home = Home::anchored();
    home.init();
    assert_eq!(home.reopen().anchor_finding(), None);
    home.reopen().create_namespace(&Actor::SERVICE, "first").expect("made");
    std::fs::remove_file(home.path("anchor")).expect("removed");
    let found = home.reopen().anchor_finding().expect("told");
    assert!(found.contains("missing, recreated"), "{found}");
    assert_eq!(home.reopen().anchor_finding(), None);
}

#[test]
fn an_anchor_of_another_keyring_is_refused() {
    let (home, other) = (Home::anchored(), Home::anchored());
    home.init();
    other.init();
    std::fs::copy(other.path("anchor"), home.path("anchor")).expect("copied");
    let opened = home.load().expect("a keyring").unseal_stored(&Actor::SERVICE);
    assert!(matches!(opened, Err(KeyringError::Anchor(AnchorError::Foreign { .. }))));
    std::fs::remove_file(home.path("keyring")).expect("removed");
    assert!(home.load().is_err(), "and no keyring is made over it");
}
