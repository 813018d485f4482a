//! TCP listeners: one socket per worker thread, all on one port, so that threads share nothing.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::net::accept::BACKLOG;
use crate::net::connection::{Terms, serve_tcp};
use crate::net::permits::ConnectionPermit;
use crate::net::service::ConnectionService;

/// The most time for sending the refusal of an overloaded server.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Binds `count` sockets, at least one, to `address`, on `device` if one is given; port 0 becomes the same
/// free port for all of them, which is returned.
///
/// # Errors
/// When the address is in use, also by another instance of this service, or not permitted.
pub(crate) fn bind(
    address: SocketAddr,
    device: Option<&str>,
    count: usize,
) -> Result<(SocketAddr, Vec<std::net::TcpListener>), BindError> {
    if address.port() != 0 {
        // Sockets that share a port would also share it with another instance: binding one
        // that does not share detects that.
        drop(socket(address, device, false)?);
    }
    let first = socket(address, device, true)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(socket(address, device, true)?);
    }
    Ok((address, sockets))
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// The device.
    #[error(transparent)]
    Device(io::Error),
    /// The address, or the system.
    #[error(transparent)]
    Address(#[from] io::Error),
}

fn socket(
    address: SocketAddr,
    device: Option<&str>,
    shared: bool,
) -> Result<std::net::TcpListener, BindError> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    if let Some(device) = device {
        // Before the address: it belongs to the device, and may be taken on others.
        socket.bind_device(Some(device.as_bytes())).map_err(BindError::Device)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves a connection to its end. Without a permit there are too many: it is refused.
pub(crate) async fn serve<S: ConnectionService>(
    (socket, from): (TcpStream, SocketAddr),
    permit: Option<ConnectionPermit>,
    terms: Terms<S>,
) {
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
    serve_tcp(socket, from.ip().to_canonical(), terms).await;
    drop(permit);
}

/// Sends the refusal of an overloaded server.
pub(crate) async fn refuse<I: AsyncRead + AsyncWrite + Unpin>(mut socket: I, answer: Bytes) {
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
        let (address, sockets) = bind(any, None, 3).expect("loopback can be bound");
        assert_ne!(address.port(), 0);
        assert_eq!(sockets.len(), 3);
        for socket in sockets {
            assert_eq!(socket.local_addr().expect("bound"), address);
        }
    }

    #[test]
    fn a_second_instance_does_not_share_the_port_by_accident() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (address, _sockets) = bind(any, None, 2).expect("loopback can be bound");
        for device in [None, Some("lo")] {
            let error = bind(address, device, 2).expect_err("the port is taken");
            let BindError::Address(error) = error else { panic!("{error}") };
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
    }
}
