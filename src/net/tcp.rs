//! TCP listeners: one socket per worker thread, all on one port, so that threads share nothing.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::net::accept::{BACKLOG, Entrance};
use crate::net::connection::{Terms, serve_tcp};
use crate::net::permits::ConnectionPermit;
use crate::net::service::ConnectionService;

/// The most time for sending the refusal of an overloaded server.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Bound sockets, one per worker thread.
pub struct Listeners {
    address: SocketAddr,
    sockets: Vec<std::net::TcpListener>,
}

impl Listeners {
    /// Binds `count` sockets, at least one, to `address`; port 0 becomes the same free port for
    /// all of them.
    ///
    /// # Errors
    /// When the address is in use, also by another instance of this service, or not permitted.
    pub fn bind(address: SocketAddr, count: usize) -> io::Result<Self> {
        if address.port() != 0 {
            // Sockets that share a port would also share it with another instance: binding one
            // that does not share detects that.
            drop(socket(address, false)?);
        }
        let first = socket(address, true)?;
        let address = first.local_addr()?;
        let mut sockets = vec![first];
        for _ in 1..count {
            sockets.push(socket(address, true)?);
        }
        Ok(Self { address, sockets })
    }

    /// The address of the service.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sockets.
    pub(crate) fn into_sockets(self) -> Vec<std::net::TcpListener> {
        self.sockets
    }
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One of the sockets, registered with the runtime of its thread.
pub(crate) struct TcpEntrance<S> {
    listener: TcpListener,
    terms: Terms<S>,
}

impl<S> TcpEntrance<S> {
    /// # Errors
    /// When the runtime refuses the socket.
    pub(crate) fn open(socket: std::net::TcpListener, terms: Terms<S>) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::from_std(socket)?, terms })
    }
}

impl<S: ConnectionService> Entrance for TcpEntrance<S> {
    type Socket = TcpStream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        self.listener.poll_accept(cx).map_ok(|(socket, _)| socket)
    }

    fn serve(
        &self,
        socket: TcpStream,
        permit: Option<ConnectionPermit>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let terms = self.terms.clone();
        terms.service.count_connection(permit.is_some());
        async move {
            if permit.is_none() {
                // A TLS client is only disconnected: a handshake costs more than an answer.
                if terms.service.tls().is_none() {
                    refuse(socket, terms.service.overloaded()).await;
                }
                return;
            }
            // Without it an answer in two segments waits for the client's acknowledgement. A socket
            // that is closed already reports so when it is read.
            let _ = socket.set_nodelay(true);
            serve_tcp(socket, terms).await;
            drop(permit);
        }
    }
}

/// Sends the refusal of an overloaded server.
async fn refuse(mut socket: TcpStream, answer: Bytes) {
    let send = async {
        socket.write_all(&answer).await?;
        socket.shutdown().await?;
        // Closing with a request unread would reset the connection and lose the answer.
        let mut request = [0; 1024];
        while socket.read(&mut request).await? > 0 {}
        io::Result::Ok(())
    };
    // Best effort: the client may be gone.
    let _ = timeout(REFUSAL_TIMEOUT, send).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn all_workers_share_one_port() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners = Listeners::bind(any, 3).expect("loopback can be bound");
        let address = listeners.address();
        assert_ne!(address.port(), 0);
        let sockets = listeners.into_sockets();
        assert_eq!(sockets.len(), 3);
        for socket in sockets {
            assert_eq!(socket.local_addr().expect("bound"), address);
        }
    }

    #[test]
    fn a_second_instance_does_not_share_the_port_by_accident() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners = Listeners::bind(any, 2).expect("loopback can be bound");
        let error = Listeners::bind(listeners.address(), 2).err().expect("the port is taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
