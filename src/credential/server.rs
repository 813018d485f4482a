//! The socket: one connection after the other, each accepted once its bytes are there.

use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::audit::{Actor, AuditEvent};
use crate::credential::asking_unit::AskingUnit;
use crate::kv::Store;
use crate::net::bound_listener::{BoundListener, ListenSocket};
use crate::net::local_socket::LocalSocket;
use crate::service_log::log_limit::LogLimit;
use lavawall_entropy::Generator;

/// How soon it is tried again while the generator refuses or the log cannot be written, and how soon the end of the
/// service is noticed.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a write may take: the bytes fit into the socket's buffer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Lines about clients that get nothing.
static FAULTS: LogLimit = LogLimit::new();

/// What gives the credentials.
pub(crate) struct CredentialSupply {
    pub(crate) generator: Arc<Generator>,
    /// Its keyring has the audit log; absent when it could not be read at the start.
    pub(crate) store: Option<Arc<Store>>,
    /// The length of each.
    pub(crate) bytes: usize,
}

/// Serves until `shutdown`. Connections that are not accepted by then are reset.
///
/// # Errors
/// When the socket cannot be waited on.
pub(crate) fn serve(
    listener: BoundListener,
    supply: &CredentialSupply,
    shutdown: &watch::Receiver<bool>,
) -> io::Result<()> {
    // The table allows no other kind, and there is one thread.
    let local = listener.into_sockets().into_iter().find_map(|socket| match socket {
        ListenSocket::Local(socket) => Some(socket),
        ListenSocket::Tcp(_) => None,
    });
    let Some(LocalSocket { listener, file: _file }) = local else { return Ok(()) };
    while !*shutdown.borrow() {
        if !is_asked(&listener)? {
            continue;
        }
        // Someone waits: the bytes first.
        let Some(bytes) = supply.draw() else {
            sleep(PAUSE);
            continue;
        };
        match listener.accept() {
            Ok((stream, address)) => {
                supply.give(&stream, address.as_abstract_name(), &bytes, shutdown);
            }
            // It has gone again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                if FAULTS.passes() {
                    tracing::warn!("credential: a connection cannot be accepted: {error}");
                }
                sleep(PAUSE);
            }
        }
    }
    Ok(())
}

/// Waits until a connection can be accepted, but not longer than a pause.
fn is_asked(listener: &UnixListener) -> io::Result<bool> {
    let pause = Timespec::try_from(PAUSE).expect("a pause is short");
    match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&pause)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl CredentialSupply {
    /// The bytes of one credential; `None` while the generator refuses.
    fn draw(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(vec![0; self.bytes]);
        self.generator.fill(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Gives a unit its bytes, once the audit log has the line about it.
    fn give(
        &self,
        mut stream: &UnixStream,
        address: Option<&[u8]>,
        bytes: &[u8],
        shutdown: &watch::Receiver<bool>,
    ) {
        let asking = match admit(stream, address) {
            Ok(asking) => asking,
            Err(fault) => {
                if FAULTS.passes() {
                    tracing::warn!("credential: a client is turned away: {fault}");
                }
                return;
            }
        };
        while let Err(fault) = self.record(&asking) {
            if FAULTS.passes() {
                tracing::error!("credential: {} waits: {fault}", asking.unit);
            }
            if *shutdown.borrow() {
                return;
            }
            sleep(PAUSE);
        }
        let given = stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_write_timeout(Some(WRITE_TIMEOUT)))
            .and_then(|()| stream.write_all(bytes));
        if let Err(error) = given
            && FAULTS.passes()
        {
            tracing::warn!("credential: {} has gone: {error}", asking.unit);
        }
    }

    /// Writes the line of the audit log.
    fn record(&self, asking: &Admitted) -> Result<(), String> {
        let store = self.store.as_ref().ok_or("there is no keyring, whose log would tell of it")?;
        let actor = Actor::named(format!("socket, uid {}", asking.uid));
        let event = AuditEvent::new(&actor, "credential").detail(&asking.unit);
        store.keyring().audit().done(&event).map(drop).map_err(|error| error.to_string())
    }
}

/// A unit, and the user that asks for it.
struct Admitted {
    uid: u32,
    unit: AskingUnit,
}

/// Who is at the other end: the service manager of the machine, or this service's own user, for a unit. Anyone
/// could bind an address that names one.
fn admit(stream: &UnixStream, address: Option<&[u8]>) -> Result<Admitted, String> {
    let peer = socket_peercred(stream).map_err(|error| error.to_string())?;
    let (uid, own) = (peer.uid.as_raw(), rustix::process::geteuid().as_raw());
    if !is_believed(uid, own) {
        return Err(format!("it is of user {uid}, and not of root"));
    }
    let unit = address.and_then(AskingUnit::of);
    let unit =
        unit.ok_or("it is no unit: LoadCredential= of systemd binds an address that names one")?;
    Ok(Admitted { uid, unit })
}

fn is_believed(uid: u32, own: u32) -> bool {
    uid == 0 || uid == own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_own_user_tell_the_unit_and_no_other_does() {
        assert!(is_believed(0, 999) && is_believed(999, 999));
        assert!(!is_believed(1000, 999) && !is_believed(1000, 0));
    }

    #[test]
    fn the_kernel_is_asked_who_is_behind_the_socket() {
        let (socket, _other) = UnixStream::pair().expect("two sockets");
        let admitted = admit(&socket, Some(b"9f/unit/a.service/seed")).expect("of the own user");
        assert_eq!(admitted.uid, rustix::process::geteuid().as_raw());
        assert!(
            admit(&socket, Some(b"9f/unit/a.service")).is_err() && admit(&socket, None).is_err()
        );
    }
}
