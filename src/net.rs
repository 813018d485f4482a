//! Connections: listeners, TLS, limits on time and number, and their end. Knows nothing of what is
//! served: the protocol is a parameter (`service::ConnectionService`).
//!
//! ```text
//! tcp, unix (of listeners) ─┐
//!                            ├─ accept ─ permits ─ connection ─ service (a parameter)
//! unix (the operator's)     ─┘                        └ tls, activity, answer meter, least rate, lingering close
//! ```

pub(crate) mod accept;
pub(crate) mod activity;
pub(crate) mod answer_meter;
pub(crate) mod bound_listener;
pub(crate) mod connection;
pub(crate) mod least_rate;
pub(crate) mod lingering_close;
pub(crate) mod listen_address;
pub(crate) mod local_socket;
pub(crate) mod network;
pub(crate) mod passed_socket;
pub(crate) mod permits;
pub(crate) mod proxy_header;
pub(crate) mod service;
pub(crate) mod socket_file;
pub(crate) mod tcp;
pub(crate) mod tls;
pub(crate) mod unix;
