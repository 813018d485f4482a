//! A listener that is bound: a socket for each worker thread, TCP or unix.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::net::accept::Entrance;
use crate::net::connection::Terms;
use crate::net::listen_address::ListenAddress;
use crate::net::local_socket::{self, LocalSocket, OwnedSocketFile};
use crate::net::passed_socket::PassedSocket;
use crate::net::permits::ConnectionPermit;
use crate::net::service::ConnectionService;
use crate::net::socket_file::{self, SocketPermissions};
use crate::net::tcp::{self, BindError};

/// The sockets of one listener, one per worker thread.
#[derive(Debug)]
pub struct BoundListener {
    address: ListenAddress,
    sockets: Vec<ListenSocket>,
}

/// One of the sockets.
#[derive(Debug)]
pub(crate) enum ListenSocket {
    /// Shares the port with the others.
    Tcp(std::net::TcpListener),
    /// Shares the socket with the others.
    Local(LocalSocket),
}

impl BoundListener {
    /// Binds `count` sockets, at least one, on `device` if one is given.
    ///
    /// # Errors
    /// When the address is in use or not permitted, or there is no such device.
    pub(crate) fn bind_tcp(
        address: SocketAddr,
        device: Option<&str>,
        count: usize,
    ) -> Result<Self, BindError> {
        let (address, sockets) = tcp::bind(address, device, count)?;
        let sockets = sockets.into_iter().map(ListenSocket::Tcp).collect();
        Ok(Self { address: ListenAddress::Tcp(address), sockets })
    }

    /// Listens on a unix socket, whose file is removed at the end.
    ///
    /// # Errors
    /// As [`socket_file::listen`].
    pub(crate) fn bind_unix(
        path: &Path,
        permissions: SocketPermissions,
        count: usize,
    ) -> io::Result<Self> {
        let (listener, file) = socket_file::listen(path, permissions)?;
        let file = Arc::new(OwnedSocketFile(file));
        let sockets = shared_unix(&listener, Some(&file), count)?;
        Ok(Self { address: ListenAddress::Unix(path.to_owned()), sockets })
    }

    /// Takes a socket that was passed, which `count` threads share. `name` is that of a unix socket.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub(crate) fn passed(socket: PassedSocket, name: &str, count: usize) -> io::Result<Self> {
        match socket {
            PassedSocket::Tcp(address, listener) => {
                let share = |_| listener.try_clone().map(ListenSocket::Tcp);
                let sockets = (0..count).map(share).collect::<io::Result<_>>()?;
                Ok(Self { address: ListenAddress::Tcp(address), sockets })
            }
            PassedSocket::Unix(listener) => {
                let sockets = shared_unix(&listener, None, count)?;
                Ok(Self { address: ListenAddress::Systemd(name.to_owned()), sockets })
            }
        }
    }

    /// The address, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// The sockets.
    pub(crate) fn into_sockets(self) -> Vec<ListenSocket> {
        self.sockets
    }
}

/// A unix socket for each thread, all of them the same.
fn shared_unix(
    listener: &std::os::unix::net::UnixListener,
    file: Option<&Arc<OwnedSocketFile>>,
    count: usize,
) -> io::Result<Vec<ListenSocket>> {
    let share = |_| {
        let listener = listener.try_clone()?;
        Ok(ListenSocket::Local(LocalSocket { listener, file: file.cloned() }))
    };
    (0..count).map(share).collect()
}

/// A socket of a listener, registered with the runtime of its thread.
pub(crate) enum RegisteredSocket {
    Tcp(TcpListener),
    Local { listener: UnixListener, _file: Option<Arc<OwnedSocketFile>> },
}

/// A connection that it accepted.
pub(crate) enum AcceptedSocket {
    Tcp((TcpStream, SocketAddr)),
    Local(UnixStream),
}

impl RegisteredSocket {
    /// # Errors
    /// When the runtime refuses the socket.
    pub(crate) fn register(socket: ListenSocket) -> io::Result<Self> {
        Ok(match socket {
            ListenSocket::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            ListenSocket::Local(LocalSocket { listener, file }) => {
                Self::Local { listener: UnixListener::from_std(listener)?, _file: file }
            }
        })
    }

    /// Accepts the next connection.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<AcceptedSocket>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(AcceptedSocket::Tcp),
            Self::Local { listener, .. } => {
                listener.poll_accept(cx).map_ok(|(socket, _)| AcceptedSocket::Local(socket))
            }
        }
    }
}

/// A socket of a listener, and the terms of its connections.
pub(crate) struct ListenerEntrance<S> {
    pub(crate) socket: RegisteredSocket,
    pub(crate) terms: Terms<S>,
}

impl<S: ConnectionService> Entrance for ListenerEntrance<S> {
    type Socket = AcceptedSocket;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<AcceptedSocket>> {
        self.socket.poll_accept(cx)
    }

    fn serve(
        &self,
        socket: AcceptedSocket,
        permit: Option<ConnectionPermit>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let terms = self.terms.clone();
        terms.service.count_connection(permit.is_some());
        async move {
            match socket {
                AcceptedSocket::Tcp(accepted) => tcp::serve(accepted, permit, terms).await,
                AcceptedSocket::Local(socket) => local_socket::serve(socket, permit, terms).await,
            }
        }
    }
}
