//! Which sources there are, by the `type` of their configuration.

use serde::{Deserialize, Deserializer};

use crate::sample::Kind;
use crate::source::os;

/// One source's configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {
    /// `type = "os"`
    Os(os::Config),
}

impl Spec {
    /// Every `type` there is.
    pub const TYPES: [&str; 1] = ["os"];

    /// The rest of a source's table, as a configuration of this type; `None` when there is no such
    /// type.
    pub fn parse<'de, D: Deserializer<'de>>(
        type_name: &str,
        rest: D,
    ) -> Option<Result<Self, D::Error>> {
        Some(match type_name {
            "os" => os::Config::deserialize(rest).map(Self::Os),
            _ => return None,
        })
    }

    /// The `type`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Os(_) => "os",
        }
    }

    /// The independence class.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Os(_) => os::KIND,
        }
    }
}
