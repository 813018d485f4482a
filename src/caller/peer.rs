//! The other end of a connection.

use std::net::IpAddr;

/// A process at the other end of a unix socket, as the kernel identifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its effective user.
    pub(crate) uid: u32,
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemoteEnd {
    /// The operator's process, on the operator's socket.
    Operator(Peer),
    /// A process on the unix socket of a listener.
    Process(Peer),
    /// An address.
    Address(IpAddr),
}

impl RemoteEnd {
    /// The address.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Operator(_) | Self::Process(_) => None,
        }
    }

    /// The operator's process.
    pub(crate) fn operator(self) -> Option<Peer> {
        match self {
            Self::Operator(peer) => Some(peer),
            Self::Process(_) | Self::Address(_) => None,
        }
    }
}
