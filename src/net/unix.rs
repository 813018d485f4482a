//! The socket: a file that only the operator can open, and who is at the other end of it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::audit::Asked;
use crate::dialect::admin::Peer;
use crate::durable;
use crate::net::connection;
use crate::net::connection::{Terms, stopped};

/// The most connections at a time: the operator, and a few programs of the operator's.
const CONNECTIONS: usize = 64;

/// A bound socket. Its file stays, and is replaced at the next start.
pub struct AdminSocket {
    listener: StdListener,
}

impl AdminSocket {
    /// Binds it at `path`, with mode 0600. What is left there by an earlier run is replaced: the
    /// caller holds the lock of the directory.
    ///
    /// # Errors
    /// What the system said.
    pub fn bind(path: &Path) -> io::Result<Self> {
        durable::remove(path)?;
        let listener = StdListener::bind(path)?;
        // Until then whoever may enter the directory can connect; the peer's user is looked at too.
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener })
    }
}

/// Serves it until told to stop.
///
/// # Errors
/// When the runtime cannot be set up.
pub(crate) fn serve(socket: AdminSocket, terms: &Terms, drain_timeout: Duration) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = UnixListener::from_std(socket.listener)?;
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        let own = rustix::process::geteuid().as_raw();
        let told_to_stop = stopped(terms.shutdown.clone());
        tokio::pin!(told_to_stop);
        loop {
            let accepted = tokio::select! {
                () = &mut told_to_stop => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, _)) => {
                    let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
                    let Some(peer) = admit(&socket, own) else {
                        turn_away(terms);
                        continue;
                    };
                    let terms = terms.clone();
                    connections.spawn(async move {
                        connection::serve_peer(socket, peer, terms).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("the admin socket: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        let all_done = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(drain_timeout, all_done).await;
        Ok(())
    })
}

/// Has the audit log know that somebody was turned away.
fn turn_away(terms: &Terms) {
    if let Some(dialect) = terms.app.kv.clone() {
        tokio::spawn(async move { dialect.turn_away(Asked::Socket).await });
    }
}

/// Who it is, if it is the service's own user or root.
fn admit(socket: &UnixStream, own: u32) -> Option<Peer> {
    let uid = socket.peer_cred().ok()?.uid();
    let is_let_in = is_operator(uid, own);
    if !is_let_in {
        tracing::warn!("the admin socket: user {uid} was turned away");
    }
    is_let_in.then_some(Peer { uid })
}

fn is_operator(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

#[cfg(test)]
mod tests {
    use super::*;

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
        // Root is let in whoever runs the service; `tests/service` has another user, as root can.
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
