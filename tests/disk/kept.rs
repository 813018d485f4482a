//! A store in a directory, opened in this process.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lavawall::Actor;
use lavawall::RedbStorage;
use lavawall::SealChoice;
use lavawall::Store;
use lavawall::{Condition, Keyring, Places};
use lavawall_entropy::{Generator, LeaseLimits, Provenance, Secret};

/// A generator seeded with this, or else with the operating system's bytes.
pub(crate) fn generator(seed: Option<[u8; 32]>) -> Arc<Generator> {
    let limits = LeaseLimits {
        reseed_interval: Duration::from_hours(1),
        grace_period: Duration::from_hours(1),
    };
    let generator = Arc::new(Generator::new(1, limits, lavawall::this_machine()).expect("memory"));
    let mut seed = seed.unwrap_or_else(|| {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the operating system's bytes");
        seed
    });
    let provenance = Provenance {
        generation: 1,
        seeded_at: Instant::now(),
        seeded_on: SystemTime::now(),
        sources: Vec::new(),
    };
    generator.reseed(&Secret::take(&mut seed), provenance);
    generator
}

/// Opens what is in this directory, as the service does; what is not there is made.
pub(crate) fn open(folder: &Path, generator: &Arc<Generator>) -> Result<Store, String> {
    let places = Places {
        keyring: folder.join("keyring"),
        seal_file: folder.join("seal-key"),
        audit: folder.join("audit.log"),
        anchor: Some(folder.join("anchor")),
    };
    let keyring = Keyring::load(places, Arc::clone(generator)).map_err(|it| it.to_string())?;
    match keyring.condition() {
        Condition::Absent => {
            drop(keyring.init(&Actor::SERVICE, &SealChoice::File).map_err(|it| it.to_string())?);
        }
        _ => drop(keyring.unseal_stored(&Actor::SERVICE).map_err(|it| it.to_string())?),
    }
    let storage = Box::new(RedbStorage::at(&folder.join("store"), 1 << 20));
    let store = Store::new(Arc::new(keyring), Arc::clone(generator), storage, BTreeSet::new());
    store.open().map_err(|it| it.to_string())?;
    Ok(store)
}
