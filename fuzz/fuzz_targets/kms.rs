//! Requests to open a text of Kubernetes: whatever was changed, none opens, or the text that was sealed.
#![no_main]

#[path = "../home.rs"]
mod home;

use std::sync::{Arc, LazyLock};

use lavawall::KmsProbe;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

const TEXT: &[u8] = b"the seed of a data key";

struct Plugin {
    _folder: TempDir,
    probe: KmsProbe,
    valid: Vec<u8>,
}

static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let generator = home::generator();
    let keyring = Arc::new(home::new_keyring(folder.path(), &generator));
    let probe = KmsProbe::new(keyring, generator);
    let valid = probe.sealed(TEXT);
    assert_eq!(probe.opened(&valid).as_deref(), Some(TEXT));
    Plugin { _folder: folder, probe, valid }
});

// Either the request itself, or the bytes to put into a valid one in the place of others.
fuzz_target!(|input: (bool, u16, u8, &[u8])| {
    let (is_whole, start, taken, bytes) = input;
    let plugin = &*PLUGIN;
    let mut request = bytes.to_vec();
    if !is_whole {
        request.clone_from(&plugin.valid);
        let start = usize::from(start) % request.len();
        let end = request.len().min(start + usize::from(taken));
        request.splice(start..end, bytes.iter().copied());
    }
    if let Some(opened) = plugin.probe.opened(&request) {
        assert_eq!(opened, TEXT);
    }
});
