//! Connections: listeners, TLS, limits on time and number, and how they end.

pub(crate) mod activity;
pub(crate) mod connection;
pub(crate) mod lingering_close;
pub mod tcp;
pub(crate) mod tls;
pub(crate) mod unix;
pub(crate) mod worker;
