//! Who calls, what they may do, how much, and what they have used. Knows no HTTP.

pub(crate) mod access_key;
pub(crate) mod ceiling;
pub(crate) mod config;
pub(crate) mod identity;
pub(crate) mod limiter;
pub(crate) mod limits;
pub(crate) mod peer;
pub(crate) mod permission;
pub(crate) mod service_limits;
pub(crate) mod tenant;
pub(crate) mod tenants;
pub(crate) mod token;
pub(crate) mod token_attempts;
pub(crate) mod usage;

pub(crate) use identity::Caller;
pub(crate) use peer::{Peer, RemoteEnd};
