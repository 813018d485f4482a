//! The keyring's file and the words of a share: whatever they hold, an error or a keyring that is as
//! it was written, and no panic.
#![no_main]

#[path = "../home.rs"]
mod home;

use std::sync::{Arc, LazyLock};

use lavawall::Actor;
use lavawall::Keyring;
use lavawall::Share;
use lavawall_entropy::Generator;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// A keyring that opens by itself, and its file.
struct Valid {
    folder: TempDir,
    generator: Arc<Generator>,
    file: Vec<u8>,
}

static VALID: LazyLock<Valid> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let generator = home::generator();
    let keyring = home::new_keyring(folder.path(), &generator);
    keyring.create_namespace(&Actor::SERVICE, "first").expect("made");
    let file = std::fs::read(folder.path().join("keyring")).expect("written");
    Valid { folder, generator, file }
});

// Either the file itself, or the bytes to overlay the valid one with, from an offset on.
fuzz_target!(|input: (bool, u16, &[u8])| {
    let (is_whole, offset, bytes) = input;
    let _ = Share::parse(bytes);
    let valid = &*VALID;
    let file = if is_whole { bytes.to_vec() } else { overlaid(&valid.file, offset.into(), bytes) };
    let places = home::places(valid.folder.path());
    // Opening reads all of it, and it would grow with every try.
    let _ = std::fs::remove_file(&places.audit);
    std::fs::write(&places.keyring, &file).expect("written");
    let Ok(keyring) = Keyring::load(places, Arc::clone(&valid.generator)) else { return };
    if let Ok(true) = keyring.unseal_stored(&Actor::SERVICE) {
        assert!(file == valid.file, "a keyring that was changed has opened");
        assert_eq!(keyring.namespaces().expect("open")[0].title.as_str(), "first");
    }
});

fn overlaid(file: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let start = offset % file.len();
    for (to, from) in file[start..].iter_mut().zip(bytes) {
        *to = *from;
    }
    file
}
