//! Listening sockets that the service manager passes (`LISTEN_FDS`, `sd_listen_fds(3)`).
#![expect(unsafe_code, reason = "a descriptor that was passed has a number and no owner")]

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::net::UnixListener;

use rustix::net::sockopt;
use socket2::{Socket, Type};

/// A socket that was passed.
#[derive(Debug)]
pub(crate) enum PassedSocket {
    /// TCP, at this address.
    Tcp(SocketAddr, TcpListener),
    /// Unix.
    Unix(UnixListener),
}

/// The socket that was passed under this name. It may be taken again: this is a duplicate.
///
/// # Errors
/// When there is none or there are several, or when it is no listening stream of TCP or unix.
pub(crate) fn take(name: &str) -> io::Result<PassedSocket> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let passed: Vec<_> = sd_notify::listen_fds_with_names()?.collect();
    let names = || passed.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
    let mut found = passed.iter().filter(|(_, it)| it == name).map(|(descriptor, _)| *descriptor);
    let (Some(descriptor), None) = (found.next(), found.next()) else {
        let told = if passed.is_empty() { "none".to_owned() } else { names() };
        let reason = format!(
            "the service manager must pass one socket of this name (FileDescriptorName=; passed: {told})"
        );
        return Err(invalid(reason));
    };
    let socket = Socket::from(duplicate(descriptor)?);
    if socket.r#type()? != Type::STREAM || !sockopt::socket_acceptconn(&socket)? {
        return Err(invalid("the socket that was passed does not listen to streams".to_owned()));
    }
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    if let Some(address) = address.as_socket() {
        Ok(PassedSocket::Tcp(address, socket.into()))
    } else if address.is_unix() {
        Ok(PassedSocket::Unix(socket.into()))
    } else {
        Err(invalid("the socket that was passed is neither TCP nor unix".to_owned()))
    }
}

/// A descriptor of the same socket, of our own.
fn duplicate(descriptor: RawFd) -> io::Result<std::os::fd::OwnedFd> {
    // SAFETY: the environment, which was written for this process, says that the descriptor is open, and
    // nothing in the process closes it. If it lies, the call below fails with EBADF.
    let passed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    passed.try_clone_to_owned()
}
