//! HTTP: the services that all dialects share, from the request to its answer.
//!
//! ```text
//! net ─ connection ─ dispatch ─ dialect (a parameter) ─┬─ call ─ body reading, store, generator
//!                       │                              └─ respond, or refusal ─ problem
//!                       └ host, identification, rate limit, meters, access log
//! ```
//! Each server thread has a runtime and a listening socket of its own; threads share the generator,
//! the store and counters and nothing else.

pub(crate) mod access;
pub(crate) mod access_log;
pub(crate) mod app;
pub(crate) mod body;
pub(crate) mod body_reading;
pub(crate) mod buffer;
pub(crate) mod call;
pub(crate) mod config;
pub(crate) mod config_error;
pub(crate) mod cors;
pub(crate) mod dialect;
pub(crate) mod dispatch;
pub(crate) mod format;
pub(crate) mod host;
pub(crate) mod identification;
pub(crate) mod interface;
pub(crate) mod listener;
pub(crate) mod listener_config;
pub(crate) mod memory_budget;
pub(crate) mod meters;
pub(crate) mod problem;
pub(crate) mod provenance;
pub(crate) mod query;
pub(crate) mod rate_limit;
pub(crate) mod refusal;
pub(crate) mod request_id;
pub(crate) mod respond;
pub(crate) mod routes;
pub(crate) mod server;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod stream_turns;
pub(crate) mod tenant_usage;

pub use access::AccessControl;
pub(crate) use access::AccessError;
pub use app::{Fresh, FreshError, FreshSeed, ServiceParts};
pub use config::HttpConfig;
pub(crate) use config_error::HttpConfigError;
pub(crate) use dialect::Dialects;
pub use format::{RandomFormat, negotiate};
pub(crate) use listener_config::ListenError;
pub use listener_config::ListenerConfig;
pub(crate) use listener_config::SocketMode;
pub use server::serve;
