//! One key operation: its actor, its object and its progress.

use std::cell::Cell;
use std::fmt::Display;

use crate::audit::actor::Actor;

/// A key operation. Contains nothing secret, and nothing that a user wrote.
#[derive(Debug)]
pub struct AuditEvent {
    pub(crate) actor: Actor,
    pub(crate) operation: &'static str,
    pub(crate) namespace: Option<String>,
    pub(crate) version: Option<u32>,
    pub(crate) detail: Option<String>,
    pub(crate) stage: Cell<AuditStage>,
}

/// The progress of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuditStage {
    Begun,
    /// The log has its `done` line.
    Logged,
    /// It cannot be taken back.
    InEffect,
}

impl AuditEvent {
    /// An operation of `actor` on the keyring as a whole.
    #[must_use]
    pub fn new(actor: &Actor, operation: &'static str) -> Self {
        Self {
            actor: actor.clone(),
            operation,
            namespace: None,
            version: None,
            detail: None,
            stage: Cell::new(AuditStage::Begun),
        }
    }

    /// On this namespace.
    #[must_use]
    pub fn on(self, namespace: impl Display) -> Self {
        Self { namespace: Some(namespace.to_string()), ..self }
    }

    /// On this key version.
    #[must_use]
    pub fn version(self, version: u32) -> Self {
        Self { version: Some(version), ..self }
    }

    /// With this detail.
    #[must_use]
    pub fn detail(self, detail: impl Display) -> Self {
        Self { detail: Some(detail.to_string()), ..self }
    }

    /// Sets the detail when it is known only during the operation.
    pub fn set_detail(&mut self, detail: impl Display) {
        self.detail = Some(detail.to_string());
    }

    /// Sets the key version when it is known only during the operation.
    pub fn set_version(&mut self, version: u32) {
        self.version = Some(version);
    }

    /// Whether its line may use the last space of a full disk: records are read only once it is logged.
    pub(crate) fn is_last_resort(&self) -> bool {
        matches!(self.operation, "unseal" | "seal" | "audit-log")
    }

    /// Records that the operation has taken effect: a later error leaves it incomplete.
    pub fn took_effect(&self) {
        self.stage.set(AuditStage::InEffect);
    }
}
