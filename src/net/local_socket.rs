//! Unix sockets of listeners, for callers on this machine. They are no operators.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::net::{UnixListener, UnixStream};

use crate::caller::{Peer, RemoteEnd};
use crate::net::accept::Entrance;
use crate::net::connection::{Terms, serve_clear};
use crate::net::permits::ConnectionPermit;
use crate::net::service::ConnectionService;
use crate::net::socket_file::SocketFile;
use crate::net::tcp::refuse;

/// A listening socket that all worker threads share, for one of them.
#[derive(Debug)]
pub(crate) struct LocalSocket {
    pub(crate) listener: std::os::unix::net::UnixListener,
    /// `None` for a file of the service manager.
    pub(crate) file: Option<Arc<OwnedSocketFile>>,
}

/// Removes the file once no thread accepts from it.
#[derive(Debug)]
pub(crate) struct OwnedSocketFile(pub(crate) SocketFile);

impl Drop for OwnedSocketFile {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// The socket, registered with the runtime of a thread.
pub(crate) struct LocalEntrance<S> {
    listener: UnixListener,
    _file: Option<Arc<OwnedSocketFile>>,
    terms: Terms<S>,
}

impl<S> LocalEntrance<S> {
    /// # Errors
    /// When the runtime refuses the socket.
    pub(crate) fn open(socket: LocalSocket, terms: Terms<S>) -> io::Result<Self> {
        let listener = UnixListener::from_std(socket.listener)?;
        Ok(Self { listener, _file: socket.file, terms })
    }
}

impl<S: ConnectionService> Entrance for LocalEntrance<S> {
    type Socket = UnixStream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        self.listener.poll_accept(cx).map_ok(|(socket, _)| socket)
    }

    fn serve(
        &self,
        socket: UnixStream,
        permit: Option<ConnectionPermit>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let terms = self.terms.clone();
        terms.service.count_connection(permit.is_some());
        async move {
            if permit.is_none() {
                return refuse(socket, terms.service.overloaded()).await;
            }
            let Ok(credentials) = socket.peer_cred() else { return };
            let from = RemoteEnd::Process(Peer { uid: credentials.uid() });
            serve_clear(socket, from, terms).await;
            drop(permit);
        }
    }
}
