//! Unix sockets of listeners, for callers on this machine. They are no operators.

use std::sync::Arc;

use tokio::net::UnixStream;

use crate::caller::{Peer, RemoteEnd};
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

/// Serves a connection to its end. Without a permit there are too many: it is refused.
pub(crate) async fn serve<S: ConnectionService>(
    socket: UnixStream,
    permit: Option<ConnectionPermit>,
    terms: Terms<S>,
) {
    if permit.is_none() {
        return refuse(socket, terms.service.overloaded()).await;
    }
    let Ok(credentials) = socket.peer_cred() else { return };
    let from = RemoteEnd::Process(Peer { uid: credentials.uid() });
    serve_clear(socket, from, terms).await;
    drop(permit);
}
