//! The entropy gathering daemon's protocol (EGD), for QEMU's `rng-egd` and other clients that speak it.

pub(crate) mod config;
mod conversation;
pub(crate) mod server;
pub(crate) mod tenant_supply;
