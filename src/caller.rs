//! Who calls: bearer tokens and unix peers. Knows no HTTP.

pub(crate) mod identity;
pub(crate) mod peer;
pub(crate) mod token;

pub(crate) use identity::Caller;
pub(crate) use peer::Peer;
