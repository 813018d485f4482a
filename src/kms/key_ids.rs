//! The ids of the versions of a key: derived once for each of its changes, and looked up in each call.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::crypto::kms;
use crate::keyring::VersionState;
use crate::keyring::transit::TransitKey;

/// The ids of the key that was used last. Holds no key: it is zeroized as soon as the keyring is sealed.
#[derive(Default)]
pub(crate) struct KeyIds(Mutex<(Weak<TransitKey>, Arc<VersionIds>)>);

/// The ids of the versions that open.
#[derive(Debug, Default)]
pub(crate) struct VersionIds {
    numbers: HashMap<String, u32>,
    revoked: HashSet<String>,
    last: String,
}

impl KeyIds {
    /// The ids of this key's versions.
    pub(crate) fn of(&self, key: &Arc<TransitKey>) -> Arc<VersionIds> {
        let mut known = self.0.lock();
        // A weak reference keeps the address from being used again.
        if !std::ptr::eq(known.0.as_ptr(), Arc::as_ptr(key)) {
            *known = (Arc::downgrade(key), Arc::new(VersionIds::new(key)));
        }
        Arc::clone(&known.1)
    }

    /// The last id that was known; empty before the first.
    pub(crate) fn last(&self) -> String {
        self.0.lock().1.last.clone()
    }
}

impl VersionIds {
    fn new(key: &TransitKey) -> Self {
        let mut ids = Self::default();
        for version in &key.versions {
            let Some(secret) = key.usable_to_rewrap(version.number) else { continue };
            let id = kms::key_id(secret, &key.id, version.number);
            if version.state == VersionState::Revoked {
                ids.revoked.insert(id);
            } else {
                ids.last.clone_from(&id);
                ids.numbers.insert(id, version.number);
            }
        }
        ids
    }

    /// Whether the version with this id is revoked.
    pub(crate) fn is_revoked(&self, id: &str) -> bool {
        self.revoked.contains(id)
    }

    /// The id of the version that seals.
    pub(crate) fn last(&self) -> &str {
        &self.last
    }

    /// The number of the version with this id.
    pub(crate) fn number(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support::generator;
    use crate::keyring::KeyProvenance;
    use crate::keyring::transit::{TransitSettings, TransitType};

    fn draw() -> (crate::crypto::key::Key, KeyProvenance) {
        KeyProvenance::draw(&generator()).expect("seeded")
    }

    fn key() -> TransitKey {
        TransitKey::new([1; 16], TransitType::Aes256Gcm96, TransitSettings::default(), draw())
    }

    #[test]
    fn each_version_is_found_by_its_id_and_the_last_one_seals() {
        let ids = KeyIds::default();
        assert_eq!(ids.last(), "");
        let mut key = key();
        let first = ids.of(&Arc::new(key.clone()));
        key.rotate(draw());
        let key = Arc::new(key);
        let second = ids.of(&key);
        assert_ne!(first.last(), second.last());
        assert_eq!(second.number(first.last()), Some(1));
        assert_eq!(second.number(second.last()), Some(2));
        assert_eq!(first.number(second.last()), None);
        assert_eq!((second.number(""), second.number("no")), (None, None));
        assert!(Arc::ptr_eq(&ids.of(&key), &second), "derived once");
        drop(key);
        assert_eq!(ids.last(), second.last(), "told while the keyring is sealed");
    }

    #[test]
    fn a_version_that_does_not_open_has_no_id() {
        let mut key = key();
        key.rotate(draw());
        key.rotate(draw());
        let all = KeyIds::default().of(&Arc::new(key.clone()));
        let middle = all.numbers.iter().find(|(_, number)| **number == 2).expect("three").0;
        key.versions[1].state = VersionState::Revoked;
        key.settings.min_decryption = 2;
        let open = KeyIds::default().of(&Arc::new(key));
        assert_eq!((open.numbers.len(), open.number(all.last())), (1, Some(3)));
        assert!(open.is_revoked(middle) && open.revoked.len() == 1, "and nothing of version 1");
    }
}
