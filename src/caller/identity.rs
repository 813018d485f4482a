//! The identity of a caller, established once per request and passed on as a value.

use std::fmt;
use std::sync::Arc;

use crate::caller::peer::Peer;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caller {
    /// Nothing identifies the caller, and nothing has to.
    Anonymous,
    /// The holder of the token with this name in the token file.
    Token(Arc<str>),
    /// A local process on the operator's socket.
    Peer(Peer),
}

/// The name in the audit log: `token admin`, `socket, uid 0`; empty for an anonymous caller.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => Ok(()),
            Self::Token(name) => write!(f, "token {name}"),
            Self::Peer(peer) => write!(f, "socket, uid {}", peer.uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_names_a_token_by_its_name_and_a_peer_by_its_user() {
        assert_eq!(Caller::Token("admin".into()).to_string(), "token admin");
        assert_eq!(Caller::Peer(Peer { uid: 0 }).to_string(), "socket, uid 0");
        assert_eq!(Caller::Anonymous.to_string(), "");
    }
}
