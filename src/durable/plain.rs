//! Plain files: opened only when they are regular files of this service. Opening a pipe would hang; a
//! link or another user's file would be read and written instead.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::durable::flush::folder_of;

/// Options for a file that only its owner may read.
#[must_use]
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

/// Opens a file of the service's own state with these options.
///
/// # Errors
/// The system's error; or, with the path, that the file is a link, not a regular file, or owned neither by
/// this process's user nor by root. Root may also open a file of the owner of its directory, who could
/// replace it in any case: an operator inspects the state of a service that does not run as root.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = open_kind(path, options, OFlags::NOFOLLOW | OFlags::NONBLOCK)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(refused(path, name_of(found.file_type())));
    }
    let (owner, own) = (found.uid(), rustix::process::geteuid());
    let is_of_folder = || folder_of(path).metadata().is_ok_and(|folder| folder.uid() == owner);
    if owner == own.as_raw() || owner == 0 || (own.is_root() && is_of_folder()) {
        return Ok(file);
    }
    Err(refused(path, &format!("a file of user {owner}")))
}

/// Reads a file of the service's own state, as [`open`] does.
///
/// # Errors
/// As [`open`], or the system's error.
pub(crate) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    whole(open(path, OpenOptions::new().read(true))?)
}

/// Reads a file that the operator named: it may be a link, as mounted secrets are, and owned by anyone.
///
/// # Errors
/// That it is a pipe, which can be read once and may never have content; or the system's error.
pub(crate) fn read_given(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = open_kind(path, OpenOptions::new().read(true), OFlags::NONBLOCK)?;
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() {
        return Err(refused(path, name_of(kind)));
    }
    whole(file)
}

fn open_kind(path: &Path, options: &mut OpenOptions, flags: OFlags) -> io::Result<File> {
    let flags = i32::try_from(flags.bits()).expect("flags of open(2) are small");
    options.custom_flags(flags).open(path).map_err(|error| {
        // The system's error number differs between the kinds.
        let is_other = |found: &Metadata| !found.is_file() && !found.is_dir();
        let found = path.symlink_metadata().ok().filter(is_other).map(|found| found.file_type());
        let is_followed = flags & OFlags::NOFOLLOW.bits().cast_signed() == 0;
        match found.filter(|kind| !(is_followed && kind.is_symlink())) {
            Some(kind) => refused(path, name_of(kind)),
            None => error,
        }
    })
}

fn whole(mut file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    // Capacity for the whole file: growing would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.saturating_add(1)));
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refused(path: &Path, what: &str) -> io::Error {
    io::Error::other(format!("{} is {what}, not a plain file of this service", path.display()))
}

fn name_of(kind: FileType) -> &'static str {
    match kind {
        _ if kind.is_symlink() => "a symbolic link",
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_socket() => "a socket",
        _ if kind.is_dir() => "a directory",
        _ => "a device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::replace;
    use std::os::unix::fs::symlink;

    /// A directory with one file of each kind, and the word in its error.
    fn others(folder: &Path) -> [(&'static str, &'static str); 5] {
        std::fs::write(folder.join("plain"), b"plain").expect("written");
        symlink(folder.join("plain"), folder.join("link")).expect("made");
        symlink("/nowhere", folder.join("dangling")).expect("made");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, folder.join("fifo"), fifo, mode, 0).expect("made");
        drop(std::os::unix::net::UnixListener::bind(folder.join("socket")).expect("bound"));
        std::fs::create_dir(folder.join("folder")).expect("made");
        [
            ("link", "a symbolic link"),
            ("dangling", "a symbolic link"),
            ("fifo", "a pipe"),
            ("socket", "a socket"),
            ("folder", "directory"),
        ]
    }

    #[test]
    fn what_is_no_plain_file_is_refused_by_its_path_and_hangs_nobody() {
        let folder = tempfile::tempdir().expect("a directory");
        let folder = folder.path();
        for (name, what) in others(folder) {
            let path = folder.join(name);
            let said = read(&path).expect_err(name).to_string();
            assert!(said.to_lowercase().contains(what), "{name}: {said}");
            let said = open(&path, private().append(true)).expect_err(name).to_string();
            assert!(said.to_lowercase().contains(what), "{name}: {said}");
            assert!(name == "folder" || said.contains(path.to_str().expect("text")), "{said}");
        }
        assert_eq!(*read(&folder.join("plain")).expect("plain"), b"plain");
        let absent = read(&folder.join("absent")).expect_err("none");
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        assert!(!Path::new("/nowhere").exists());
    }

    #[test]
    fn what_the_operator_gives_may_be_a_link_and_hangs_nobody() {
        let folder = tempfile::tempdir().expect("a directory");
        let folder = folder.path();
        others(folder);
        assert_eq!(*read_given(&folder.join("link")).expect("followed"), b"plain");
        assert!(read_given(Path::new("/dev/null")).expect("a device").is_empty());
        let said = read_given(&folder.join("fifo")).expect_err("a pipe").to_string();
        assert!(said.contains("a pipe"), "{said}");
        let dangling = read_given(&folder.join("dangling")).expect_err("nothing there");
        assert_eq!(dangling.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_draft_that_is_a_link_is_not_written_through() {
        let folder = tempfile::tempdir().expect("a directory");
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        std::fs::write(&other, b"other").expect("written");
        symlink(&other, folder.path().join("file.new")).expect("made");
        let said = replace(&path, b"content").expect_err("refused").to_string();
        assert!(said.contains("file.new is a symbolic link"), "{said}");
        assert_eq!(std::fs::read(&other).expect("there"), b"other");
    }

    #[test]
    fn a_file_of_another_user_is_refused_but_to_root_where_the_directory_is_theirs() {
        if !rustix::process::geteuid().is_root() {
            return; // only root can change the owner of a file
        }
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("file");
        std::fs::write(&path, b"theirs").expect("written");
        std::os::unix::fs::chown(&path, Some(12_345), None).expect("root may");
        let said = read(&path).expect_err("theirs").to_string();
        assert!(said.contains("a file of user 12345"), "{said}");
        // Not even emptied.
        assert!(open(&path, private().write(true)).is_err());
        assert_eq!(*read_given(&path).expect("readable"), b"theirs");
        std::os::unix::fs::chown(folder.path(), Some(12_345), None).expect("root may");
        assert_eq!(*read(&path).expect("of the directory's owner"), b"theirs");
    }
}
