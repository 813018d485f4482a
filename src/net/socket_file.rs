//! The file of a unix socket: one that a dead service left is replaced, any other is kept.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::durable;
use crate::net::accept::BACKLOG;

/// The most bytes of a socket's path: `sun_path` has 108, the last is zero (unix(7)).
pub(crate) const PATH_MOST: usize = 107;

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketPermissions {
    /// The permission bits.
    pub(crate) mode: u32,
    /// A user; by default the service's own.
    pub(crate) owner: Option<u32>,
    /// A group; by default the service's own.
    pub(crate) group: Option<u32>,
}

/// The file of a listening socket.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and number of the file.
    inode: (u64, u64),
}

/// Listens on a unix socket at `path`. No one can connect before the file has its permissions.
///
/// # Errors
/// The system's error; `AddrInUse` when a program listens there, `AlreadyExists` when the file is no
/// socket, `InvalidInput` when the path is too long.
pub(crate) fn listen(
    path: &Path,
    permissions: SocketPermissions,
) -> io::Result<(std::os::unix::net::UnixListener, SocketFile)> {
    check_length(path)?;
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile { path: path.to_owned(), inode: inode(&path.symlink_metadata()?) };
    let permit = || {
        // Before the owner changes: others are shut out until the mode is set.
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o000))?;
        if permissions.owner.is_some() || permissions.group.is_some() {
            lchown(path, permissions.owner, permissions.group)?;
        }
        std::fs::set_permissions(path, PermissionsExt::from_mode(permissions.mode))?;
        socket.listen(BACKLOG)
    };
    if let Err(error) = permit() {
        file.remove();
        return Err(error);
    }
    Ok((socket.into(), file))
}

impl SocketFile {
    /// Removes the file, unless another has taken its place.
    pub(crate) fn remove(&self) {
        let found = self.path.symlink_metadata();
        if found.is_ok_and(|found| inode(&found) == self.inode) {
            // Best effort: the next start replaces it.
            let _ = durable::remove(&self.path);
        }
    }
}

fn inode(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Removes the socket of a service that is gone.
fn remove_stale(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            let text = "it exists and is no socket";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full queue is one of a living program, and is not waited for.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.raw_os_error() == Some(Errno::CONNREFUSED.raw_os_error()) => {
            durable::remove(path)
        }
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        Ok(()) | Err(_) => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens on it"))
        }
    }
}

/// Checks that a socket can have this path.
///
/// # Errors
/// The length and its limit.
pub(crate) fn check_length(path: &Path) -> io::Result<()> {
    let length = path.as_os_str().len();
    if length <= PATH_MOST {
        return Ok(());
    }
    let text = format!(
        "its path has {length} bytes, and that of a socket at most {PATH_MOST}: set admin-socket"
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    const OWN: SocketPermissions = SocketPermissions { mode: 0o640, owner: None, group: None };

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else_is_removed() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = |name: &str| folder.path().join(name);
        drop(UnixListener::bind(path("stale")).expect("bound"));
        let (_socket, file) = listen(&path("stale"), OWN).expect("replaced");
        let mode = path("stale").metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
        let taken = listen(&path("stale"), OWN).expect_err("it is alive");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        std::fs::write(path("file"), "text").expect("written");
        std::os::unix::fs::symlink(path("stale"), path("link")).expect("made");
        for name in ["file", "link"] {
            let kept = listen(&path(name), OWN).expect_err("no socket");
            assert_eq!(kept.kind(), io::ErrorKind::AlreadyExists, "{name}");
        }
        let _other = UnixDatagram::bind(path("datagram")).expect("bound");
        listen(&path("datagram"), OWN).expect_err("a socket of another type");
        for name in ["file", "link", "datagram", "stale"] {
            assert!(path(name).symlink_metadata().is_ok(), "{name}");
        }
        file.remove();
        assert!(!path("stale").exists());
    }

    #[test]
    fn the_file_of_another_is_not_removed() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("socket");
        let (_socket, file) = listen(&path, OWN).expect("bound");
        std::fs::rename(&path, folder.path().join("elsewhere")).expect("renamed");
        std::fs::write(&path, "another").expect("written");
        file.remove();
        assert!(path.exists());
    }
}
