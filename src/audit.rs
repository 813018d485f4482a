//! The audit log: one line for each key operation, done or refused, each bound to the one before it.
//!
//! ```text
//! {"sequence":7,"at":"2026-01-31T08:00:00Z","actor":"socket, uid 0","operation":"rotate",
//!  "namespace":"00…ff","version":3,"outcome":"done","previous":"SHA-256 of line 6"}↵
//! ```
//! Each line is one JSON object; `previous` of the first line is 64 zeros. A line with `done` is on the
//! disk before the operation takes effect, so that no operation is unrecorded. When the operation fails
//! after that, a line with `failed` follows; when it took effect and a later step of it failed, a line
//! with `incomplete`. When the log lacks a line that the keyring has recorded, a line with `missing` is
//! added. Refused calls without a known token are counted: one line has their number (`count`) since the
//! last such line.

mod actor;
mod chain;
mod event;
mod log;
mod refused;
mod reserve;

pub use actor::Actor;
pub(crate) use chain::{Chain, HeadFound, check};
pub(crate) use event::AuditEvent;
pub(crate) use log::{AuditError, AuditLog};
pub(crate) use refused::Asked;

#[cfg(test)]
mod tests;
