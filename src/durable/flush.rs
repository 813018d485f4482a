//! Flushing files and their names, on a disk that can still be written.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{StatVfs, StatVfsMountFlags, fstatvfs, statvfs};
use rustix::io::Errno;

/// Removes a file, if it is there.
///
/// # Errors
/// The system's error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Flushes a file, so that its content survives a crash.
///
/// fsync(2) alone is not enough: once Linux has remounted a file system read-only in an emergency, files
/// that were open before still accept writes, and ext4 reports them as flushed while they are in memory
/// only (fsync answers 0; seen with Linux 6.1).
///
/// # Errors
/// The system's error, or that the disk has turned read-only.
pub(crate) fn flush(file: &File) -> io::Result<()> {
    file.sync_data()?;
    refuse_read_only(&fstatvfs(file)?)
}

/// Checks that the disk of this file can be written.
///
/// # Errors
/// The system's error, or that the disk is read-only.
pub(crate) fn check_writable(path: &Path) -> io::Result<()> {
    refuse_read_only(&statvfs(path)?)
}

fn refuse_read_only(disk: &StatVfs) -> io::Result<()> {
    let is_read_only = disk.f_flag.contains(StatVfsMountFlags::RDONLY);
    if is_read_only { Err(Errno::ROFS.into()) } else { Ok(()) }
}

/// Flushes the folder of a file, so that the file's name survives a crash.
///
/// # Errors
/// The system's error.
pub(crate) fn flush_name(path: &Path) -> io::Result<()> {
    let folder = File::open(folder_of(path))?;
    folder.sync_all()?;
    refuse_read_only(&fstatvfs(&folder)?)
}

/// The folder of a file, also of one that is named without a folder.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
