//! Disk space set aside behind the end of the log, so that a keyring can be unsealed on a full disk.

use std::fs::File;
use std::io;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// The bytes that are set aside behind the last line; a line has some 300.
const RESERVE_BYTES: u64 = 64 << 10;

/// The part of them that only lines about unsealing and sealing use.
const KEPT_BYTES: u64 = 48 << 10;

/// The space behind the end of one open log.
#[derive(Default)]
pub(crate) struct Reserve {
    /// The length of the file up to which the disk has space for certain.
    until: u64,
}

impl Reserve {
    /// Makes room for a line of `bytes` bytes behind the end of the file. With `is_last_resort`, the line may use
    /// the space that is kept.
    ///
    /// # Errors
    /// When the disk has no room beside the space that is kept; or the system's error.
    pub(crate) fn make_room(
        &mut self,
        file: &File,
        bytes: usize,
        is_last_resort: bool,
    ) -> io::Result<()> {
        let end = file.metadata()?.len();
        if end + bytes as u64 + KEPT_BYTES <= self.until {
            return Ok(());
        }
        match fallocate(file, FallocateFlags::KEEP_SIZE, end, RESERVE_BYTES) {
            Ok(()) => self.until = end + RESERVE_BYTES,
            Err(full @ (Errno::NOSPC | Errno::DQUOT)) if !is_last_resort => return Err(full.into()),
            // Not every file system can set space aside.
            Err(_) => {}
        }
        Ok(())
    }
}
