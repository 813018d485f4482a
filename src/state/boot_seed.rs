//! The boot seed: randomness carried from one run to the next, mixed in and credited nothing.
//!
//! ```text
//! boot-seed   64 bytes, mode 0600
//! ```
//! The file is replaced before its content is used, so that a run which crashes, or a disk that is
//! copied, never has two runs start from one boot seed.

use std::io;

use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::durable;
use crate::state::StateDir;
use lavawall_entropy::Generator;

/// The file's name and its size in bytes.
const FILE: &str = "boot-seed";
const BYTES: usize = 64;

/// Domain separation of the provisional seed, used until the generator can make one.
const LABEL: &[u8] = b"lavawall v1 next boot seed";

/// Takes the boot seed of the last run, and replaces it.
///
/// # Errors
/// When the file cannot be read or replaced: then it must not be used, or the next run would start
/// from it again.
pub(crate) fn take(dir: &StateDir) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let old = match durable::read(&dir.file(FILE)) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut os = Zeroizing::new([0; BYTES]);
    getrandom::fill(os.as_mut_slice()).map_err(io::Error::other)?;
    let mut next: [u8; BYTES] =
        Sha512::new().chain_update(LABEL).chain_update(&old).chain_update(os).finalize().into();
    let replaced = dir.replace(FILE, &next);
    next.zeroize();
    replaced.map(|()| Some(old))
}

/// Writes a boot seed of the generator for the next run.
///
/// # Errors
/// When the generator refuses or the file cannot be written.
pub(crate) fn leave(dir: &StateDir, generator: &Generator) -> io::Result<()> {
    let mut seed = Zeroizing::new([0; BYTES]);
    generator.fill(seed.as_mut_slice()).map_err(io::Error::other)?;
    dir.replace(FILE, seed.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> (tempfile::TempDir, StateDir) {
        let base = tempfile::tempdir().expect("a directory");
        let dir = StateDir::open(&base.path().join("state")).expect("a state directory");
        (base, dir)
    }

    #[test]
    fn the_first_run_has_none() {
        let (_base, dir) = dir();
        assert!(take(&dir).expect("no file is no error").is_none());
    }

    #[test]
    fn a_boot_seed_is_never_used_twice() {
        let (_base, dir) = dir();
        dir.replace(FILE, &[7; BYTES]).expect("written");
        let first = take(&dir).expect("readable").expect("there");
        let second = take(&dir).expect("readable").expect("there");
        assert_eq!(*first, [7; BYTES]);
        assert_ne!(first, second);
    }

    #[test]
    fn a_boot_seed_that_cannot_be_replaced_is_not_used() {
        let (_base, dir) = dir();
        dir.replace(FILE, &[7; BYTES]).expect("written");
        // A directory in the draft's place: no user, root included, can write there.
        std::fs::create_dir(dir.file("boot-seed.new")).expect("made");
        assert!(take(&dir).is_err());
    }
}
