//! Who calls: bearer tokens and unix peers. Knows no HTTP.

pub mod identity;
pub mod peer;
pub mod token;

pub use identity::Caller;
pub use peer::Peer;
