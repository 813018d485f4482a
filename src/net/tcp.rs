//! Listening: one socket a worker, all on one port, so that workers share nothing.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel holds for a worker that has not come to accept them.
pub(crate) const BACKLOG: i32 = 1024;

/// Bound sockets, one a worker thread.
pub struct Listeners {
    address: SocketAddr,
    sockets: Vec<TcpListener>,
}

impl Listeners {
    /// Binds `count` sockets, at least one, to `address`; port 0 becomes the same free port for
    /// all of them.
    ///
    /// # Errors
    /// When the address is in use, also by another instance of this service, or not ours to take.
    pub fn bind(address: SocketAddr, count: usize) -> io::Result<Self> {
        if address.port() != 0 {
            // Sockets that share a port would also share it with another instance. One that does
            // not share finds out.
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

    /// Where the service is reached.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sockets.
    pub(crate) fn into_sockets(self) -> Vec<TcpListener> {
        self.sockets
    }
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
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
