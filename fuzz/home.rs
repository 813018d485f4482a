//! What the targets of keys and records need: a generator with a seed, and a place for a keyring.
#![allow(dead_code, reason = "not every target needs all of it")]

#[path = "../benches/common/seeded.rs"]
mod seeded;

use std::path::Path;
use std::sync::Arc;

use lavawall::Actor;
use lavawall::SealChoice;
use lavawall::{Keyring, Places};
use lavawall_entropy::Generator;

/// A generator with a seed.
pub fn generator() -> Arc<Generator> {
    Arc::new(seeded::generator())
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
    drop(keyring.init(&Actor::SERVICE, &SealChoice::File).expect("made"));
    keyring
}
