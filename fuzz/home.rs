//! What the targets of keys and records need: a generator with a seed, and a place for a keyring.
#![allow(dead_code, reason = "not every target needs all of it")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lavawall::generator::{Generator, Limits, Provenance};
use lavawall::keyring::seal::Choice;
use lavawall::keyring::{Keyring, Places};
use lavawall::secret::Secret;

/// A generator that gives other bytes in every process.
pub fn generator() -> Arc<Generator> {
    let day = Duration::from_secs(86_400);
    let limits = Limits { reseed_interval: day, grace_period: day };
    let generator = Generator::new(1, limits).expect("memory for a generator");
    let provenance = Provenance {
        generation: 1,
        seeded_at: Instant::now(),
        seeded_on: SystemTime::now(),
        sources: Vec::new(),
    };
    generator.reseed(&Secret::take(&mut [1; 32]), provenance);
    Arc::new(generator)
}

/// Where a keyring of this directory lives.
pub fn places(folder: &Path) -> Places {
    Places {
        keyring: folder.join("keyring"),
        seal_file: folder.join("seal-key"),
        audit: folder.join("audit.log"),
        anchor: None,
    }
}

/// A new keyring in a directory, under a file.
pub fn new_keyring(folder: &Path, generator: &Arc<Generator>) -> Keyring {
    let keyring = Keyring::load(places(folder), Arc::clone(generator)).expect("none yet");
    drop(keyring.init(&Choice::File).expect("made"));
    keyring
}
