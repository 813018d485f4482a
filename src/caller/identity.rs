//! The identity of a caller, established once per request and passed on as a value.

use std::fmt;
use std::sync::Arc;

use crate::caller::peer::Peer;
use crate::caller::permission::Needed;
use crate::caller::tenant::{Origin, Tenant};

/// Who makes a request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub(crate) enum Caller {
    /// Nothing identifies the caller, and nothing has to.
    Anonymous,
    /// The holder of a token.
    Tenant(Arc<Tenant>),
    /// A local process on the operator's socket.
    Peer(Peer),
}

impl Caller {
    /// Whether it may do this: the operator may do everything.
    #[must_use]
    pub(crate) fn may(&self, needed: Needed<'_>) -> bool {
        match self {
            Self::Peer(_) => true,
            Self::Tenant(tenant) => tenant.may(needed),
            Self::Anonymous => {
                matches!(needed, Needed::Random | Needed::StatusRead | Needed::Seed)
            }
        }
    }

    /// Whether it may know of tenants and of all that is kept: the operator, and a monitor that the token file
    /// names. A tenant learns nothing of another.
    #[must_use]
    pub(crate) fn sees_tenants(&self) -> bool {
        match self {
            Self::Peer(_) => true,
            Self::Anonymous => false,
            Self::Tenant(tenant) => {
                tenant.origin == Origin::TokenFile || tenant.may(Needed::Operator)
            }
        }
    }

    /// The tenant, unless nothing identifies it or it is the operator.
    #[must_use]
    pub(crate) fn tenant(&self) -> Option<&Arc<Tenant>> {
        match self {
            Self::Anonymous | Self::Peer(_) => None,
            Self::Tenant(tenant) => Some(tenant),
        }
    }
}

/// The name in the audit log: `tenant acme`, `token admin`, `socket, uid 0`; empty for an anonymous caller.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => Ok(()),
            Self::Tenant(tenant) => tenant.fmt(f),
            Self::Peer(peer) => write!(f, "socket, uid {}", peer.uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::tenant::Account;

    #[test]
    fn the_audit_log_names_a_tenant_by_its_name_and_a_peer_by_its_user() {
        let of = |tenant| Caller::Tenant(Arc::new(tenant)).to_string();
        assert_eq!(of(Tenant::of_token_file("ci")), "token ci");
        let stored = Tenant::new("acme", Origin::Stored, Vec::new(), Arc::<Account>::default());
        assert_eq!(of(stored), "tenant acme");
        assert_eq!(Caller::Anonymous.to_string(), "");
        assert_eq!(Caller::Peer(Peer { uid: 0 }).to_string(), "socket, uid 0");
    }

    #[test]
    fn the_operator_may_do_everything_and_others_what_they_are_permitted() {
        let all = [Needed::Random, Needed::StatusRead, Needed::KvRead("a"), Needed::KvWrite("a")];
        let may = |caller: &Caller| all.map(|needed| caller.may(needed));
        assert_eq!(may(&Caller::Peer(Peer { uid: 0 })), [true; 4]);
        let random_and_status = [true, true, false, false];
        assert_eq!(may(&Caller::Anonymous), random_and_status);
        let tenant = Caller::Tenant(Arc::new(Tenant::of_token_file("ci")));
        assert_eq!(may(&tenant), random_and_status);
    }
}
