//! A client of the service's own API, over TCP, TLS or the operator's unix socket.
//!
//! Calls block. HTTP is spoken by `hyper` on one worker thread, which reads and writes while the
//! caller waits: an answer that arrives before the request is sent whole, such as a refusal, is read,
//! and a connection that the service closes between two calls is noticed before the next one. No
//! proxy is taken from the environment and no redirect is followed: either would show tokens, secrets
//! and random bytes to another host.

mod answer;
mod credentials;
mod error;
mod payload;
mod secret_buffer;
mod service_client;
mod transport;

pub(crate) use answer::ServiceAnswer;
pub(crate) use credentials::Credentials;
pub(crate) use error::ClientError;
pub(crate) use payload::Payload;
pub(crate) use secret_buffer::SecretBuffer;
pub(crate) use service_client::{Client, DEFAULT_URL};

#[cfg(test)]
mod tests;
