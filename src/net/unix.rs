//! The operator's unix socket: a file that only the service's user can open, and the check of the
//! peer's user.

use std::future::Future;
use std::io;
use std::path::Path;
use std::task::{Context, Poll};

use tokio::net::{UnixListener, UnixStream};

use crate::caller::{Peer, RemoteEnd};
use crate::net::accept::Entrance;
use crate::net::connection::{Terms, serve_clear};
use crate::net::permits::ConnectionPermit;
use crate::net::service::ConnectionService;
use crate::net::socket_file::{self, SocketPermissions};
use crate::service_log::log_limit::LogLimit;

/// The most connections at a time: the operator, and a few programs of the operator's.
pub(crate) const PEERS_LIMIT: usize = 64;

/// Any user who can reach the socket can be refused as often as they like.
static REFUSED_USERS: LogLimit = LogLimit::new();

/// A bound socket. Its file stays, and is replaced at the next start.
pub struct AdminSocket {
    listener: std::os::unix::net::UnixListener,
}

impl AdminSocket {
    /// Binds it at `path`, with mode 0600. A file of an earlier run is replaced: the caller holds
    /// the lock of the directory.
    ///
    /// # Errors
    /// The system's error.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let permissions = SocketPermissions { mode: 0o600, owner: None, group: None };
        let (listener, _) = socket_file::listen(path, permissions)?;
        Ok(Self { listener })
    }
}

/// The socket, registered with the runtime of its thread.
pub(crate) struct UnixEntrance<S> {
    listener: UnixListener,
    terms: Terms<S>,
    own_uid: u32,
}

impl<S> UnixEntrance<S> {
    /// # Errors
    /// When the runtime refuses the socket.
    pub(crate) fn open(socket: AdminSocket, terms: Terms<S>) -> io::Result<Self> {
        let own_uid = rustix::process::geteuid().as_raw();
        Ok(Self { listener: UnixListener::from_std(socket.listener)?, terms, own_uid })
    }
}

impl<S: ConnectionService> Entrance for UnixEntrance<S> {
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
        let own_uid = self.own_uid;
        async move {
            let Some(permit) = permit else { return };
            if let Some(peer) = admit(&socket, own_uid) {
                serve_clear(socket, RemoteEnd::Operator(peer), terms).await;
            } else {
                drop(socket);
                terms.service.refuse_peer().await;
            }
            drop(permit);
        }
    }
}

/// The peer, if it runs as the service's own user or as root.
fn admit(socket: &UnixStream, own: u32) -> Option<Peer> {
    let uid = socket.peer_cred().ok()?.uid();
    let is_admitted = is_operator(uid, own);
    if !is_admitted && REFUSED_USERS.passes() {
        tracing::warn!("the admin socket: user {uid} was turned away");
    }
    is_admitted.then_some(Peer { uid })
}

fn is_operator(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_the_services_own_user_and_root_are_let_in() {
        assert!(is_operator(0, 999) && is_operator(999, 999));
        assert!(!is_operator(1000, 999) && !is_operator(1000, 0));
    }

    #[tokio::test]
    async fn the_kernel_is_asked_who_is_behind_the_socket() {
        let (socket, _other) = UnixStream::pair().expect("two sockets");
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(admit(&socket, own), Some(Peer { uid: own }));
        // Root is always admitted; `tests/service` tests another user, which only root can become.
        assert_eq!(admit(&socket, own + 1).is_some(), own == 0);
    }

    #[test]
    fn the_socket_is_its_owners_alone_and_replaces_one_that_was_left() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("admin.sock");
        for _ in 0..2 {
            drop(AdminSocket::bind(&path).expect("bound"));
            let mode = path.metadata().expect("there").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
        }
    }
}
