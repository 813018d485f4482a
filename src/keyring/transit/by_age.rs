//! Rotation of keys by the age of their last version.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;

use crate::audit::Actor;
use crate::keyring::error::KeyringError;
use crate::keyring::handle::Keyring;
use crate::keyring::keyset::Keyset;
use crate::keyring::transit::changes::{check_counts, check_key};
use crate::keyring::transit::fault::TransitFault;
use crate::keyring::transit::transit_key::{TransitKey, TransitName};

/// A version may have been made this much later than now, in seconds: a clock that is trusted moves back by
/// less.
const FUTURE_MOST: u64 = 60;

/// The result of a look at the ages of all keys.
#[derive(Debug, Default)]
pub(crate) struct RotatedByAge {
    /// The number of keys with a new version.
    pub(crate) rotated: usize,
    /// The ids of keys that are due and have no room for a version, each with the limit.
    pub(crate) full: BTreeMap<String, String>,
}

/// Keys that are due.
#[derive(Debug, Default)]
struct Due {
    names: Vec<(TransitName, [u8; 16])>,
    full: BTreeMap<String, String>,
}

impl Keyring {
    /// Rotates the keys whose last version is older than they allow. A key without room is left as it is, and
    /// the others are rotated. `now` must come from a clock that is trusted.
    ///
    /// # Errors
    /// When nothing can be written.
    pub(crate) fn rotate_due_transit_keys(&self, now: u64) -> Result<RotatedByAge, KeyringError> {
        let due = self.look(|keyset| Ok(Due::of(keyset, now)))?;
        let mut done = RotatedByAge { rotated: 0, full: due.full };
        for (name, id) in &due.names {
            match self.rotate_transit_key(&Actor::SERVICE, name) {
                Ok(_) => done.rotated += 1,
                // It was deleted in between.
                Err(KeyringError::Transit(TransitFault::Unknown)) => {}
                // The keys before it took the last room.
                Err(error @ KeyringError::TooMany { .. }) => {
                    done.full.insert(HEXLOWER.encode(id), error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

impl Due {
    /// A full key is found here and not tried: each try is a line in the audit log.
    fn of(keyset: &Keyset, now: u64) -> Self {
        let mut due = Self::default();
        if !keyset.transit.values().any(|key| is_due(key, now)) {
            return due;
        }
        let mut of_owners = BTreeMap::<&str, usize>::new();
        for (name, key) in &keyset.transit {
            *of_owners.entry(&name.owner).or_default() += key.versions.len();
        }
        let all = of_owners.values().sum();
        for (name, key) in keyset.transit.iter().filter(|(_, key)| is_due(key, now)) {
            let of_owner = of_owners.get(name.owner.as_str()).copied().unwrap_or_default();
            match check_key(key).and_then(|()| check_counts(of_owner, all)) {
                Ok(()) => due.names.push((name.clone(), key.id)),
                Err(error) => {
                    due.full.insert(HEXLOWER.encode(&key.id), error.to_string());
                }
            }
        }
        due
    }
}

/// Whether the last version is too old. One from the future was made while the clock was wrong, and its age is
/// not known: it counts as too old.
fn is_due(key: &TransitKey, now: u64) -> bool {
    let most = key.settings.auto_rotate_seconds;
    most > 0
        && key.versions.last().is_some_and(|last| {
            let made_at = last.provenance.made_at;
            now.saturating_sub(made_at) >= most || made_at.saturating_sub(now) > FUTURE_MOST
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::test_support::generator;
    use crate::keyring::provenance::KeyProvenance;
    use crate::keyring::transit::changes::check_versions;
    use crate::keyring::transit::transit_key::{
        KeyPurpose, OWNER_VERSIONS_LIMIT, TransitSettings, TransitType, VERSIONS_LIMIT,
    };

    const MADE_AT: u64 = 1_000_000;
    const AGE: u64 = 3600;

    fn keyset() -> Keyset {
        let (key, provenance) = KeyProvenance::draw(&generator()).expect("seeded");
        Keyset::new(provenance, key)
    }

    /// Adds a key with `count` versions, the last of which was made at [`MADE_AT`].
    fn add(keyset: &mut Keyset, id: u8, owner: &str, count: usize) -> TransitName {
        let settings = TransitSettings { auto_rotate_seconds: AGE, ..TransitSettings::default() };
        let (drawn, mut provenance) = KeyProvenance::draw(&generator()).expect("seeded");
        provenance.made_at = MADE_AT;
        let drawn = (drawn, provenance);
        let mut key = TransitKey::new([id; 16], TransitType::Aes256Gcm96, settings, drawn);
        let version = key.versions[0].clone();
        key.versions.resize(count, version);
        let purpose = KeyPurpose::Transit;
        let name = TransitName { purpose, owner: owner.to_owned(), name: id.to_string() };
        keyset.transit.insert(name.clone(), Arc::new(key));
        name
    }

    fn names(due: &Due) -> Vec<&TransitName> {
        due.names.iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_full_key_is_named_with_its_limit_and_the_keys_after_it_are_rotated() {
        let mut keyset = keyset();
        add(&mut keyset, 1, "acme", VERSIONS_LIMIT);
        let other = add(&mut keyset, 2, "acme", VERSIONS_LIMIT - 1);
        let rival = add(&mut keyset, 3, "rival", 1);
        let due = Due::of(&keyset, MADE_AT + AGE);
        assert_eq!(names(&due), [&other, &rival]);
        let limit = (HEXLOWER.encode(&[1; 16]), "versions of one key: at most 4096".to_owned());
        assert_eq!(due.full.into_iter().collect::<Vec<_>>(), [limit]);
    }

    #[test]
    fn an_owner_that_has_all_its_versions_leaves_room_for_the_others() {
        let mut keyset = keyset();
        for (id, count) in [(1, 4000), (2, 4000), (3, OWNER_VERSIONS_LIMIT - 8001)] {
            add(&mut keyset, id, "acme", count);
        }
        let rival = add(&mut keyset, 4, "rival", 1);
        check_versions(&keyset, "acme").expect("room for one");
        add(&mut keyset, 5, "acme", 1);
        let refused = check_versions(&keyset, "acme").expect_err("no room");
        assert_eq!(refused.to_string(), "versions of the keys of one owner: at most 10000");
        check_versions(&keyset, "rival").expect("it has one");
        let due = Due::of(&keyset, MADE_AT + AGE);
        assert_eq!((names(&due), due.full.len()), (vec![&rival], 4));
    }

    #[test]
    fn a_version_is_due_at_its_age_or_when_it_was_made_in_the_future() {
        let mut keyset = keyset();
        let name = add(&mut keyset, 1, "acme", 1);
        let is_due = |now| names(&Due::of(&keyset, now)) == [&name];
        assert!(is_due(MADE_AT + AGE) && !is_due(MADE_AT + AGE - 1));
        assert!(!is_due(MADE_AT) && !is_due(MADE_AT - FUTURE_MOST));
        assert!(is_due(MADE_AT - FUTURE_MOST - 1));
    }
}
