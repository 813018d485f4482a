//! Kubernetes KMS v2: the plugin that kube-apiserver asks over gRPC on a unix socket.
//!
//! ```text
//! server ─ authority filter ─ hyper (HTTP/2) ─ calls ─ kms key ─ keyring
//!                                               └ messages, annotations, fault
//! ```

mod annotations;
pub(crate) mod authority_filter;
mod calls;
pub(crate) mod config;
mod fault;
mod key_ids;
pub(crate) mod kms_key;
mod message_codec;
mod messages;
#[cfg(any(test, feature = "test-support"))]
pub(crate) mod probe;
pub(crate) mod server;
