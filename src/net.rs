//! Connections: listeners, TLS, limits on time and number, and their end. Knows nothing of what is
//! served: the protocol is a parameter (`service::ConnectionService`).
//!
//! ```text
//! tcp (a socket per thread) ─┐
//!                            ├─ accept ─ permits ─ connection ─ service (a parameter)
//! unix (the operator's)     ─┘                        └ tls, activity, answer meter, least rate, lingering close
//! ```

pub(crate) mod accept;
pub(crate) mod activity;
pub(crate) mod answer_meter;
pub(crate) mod connection;
pub(crate) mod least_rate;
pub(crate) mod lingering_close;
pub(crate) mod listen_address;
pub(crate) mod permits;
pub(crate) mod service;
pub(crate) mod tcp;
pub(crate) mod tls;
pub(crate) mod unix;
