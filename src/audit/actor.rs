//! Who is responsible for a key operation.

use std::borrow::Cow;

/// The service itself or a caller, as the audit log names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(Cow<'static, str>);

impl Actor {
    /// The service itself.
    pub const SERVICE: Self = Self(Cow::Borrowed("service"));

    /// A caller without a known token.
    pub(crate) const UNKNOWN: Self = Self(Cow::Borrowed("unknown"));

    /// A caller of this name. Must be nothing secret, and nothing that the caller wrote.
    #[must_use]
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}
