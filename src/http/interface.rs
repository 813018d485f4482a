//! The interfaces that a listener can serve, by the names in its configuration.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A group of paths that a listener serves or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// `/random` and the paths below it.
    Random,
    /// `/seed`.
    Seed,
    /// Workers KV.
    Kv,
    /// Vault and OpenBao.
    Vault,
    /// AWS KMS.
    Aws,
    /// pollen.
    Pollen,
    /// `/status` and `/metrics`.
    Status,
    /// The dashboard, `/docs` and the description of the interface.
    Pages,
}

/// Every interface and its name.
const INTERFACES: [(&str, Interface); 8] = [
    ("random", Interface::Random),
    ("seed", Interface::Seed),
    ("kv", Interface::Kv),
    ("vault", Interface::Vault),
    ("aws", Interface::Aws),
    ("pollen", Interface::Pollen),
    ("status", Interface::Status),
    ("pages", Interface::Pages),
];

/// Whether a path is that of random bytes, or below it.
pub(crate) fn is_random(path: &str) -> bool {
    path.strip_prefix("/random").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Interface {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = INTERFACES.iter().find(|(_, interface)| *interface == self);
        found.map_or("", |(name, _)| name)
    }
}

impl Serialize for Interface {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Interface {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let found = INTERFACES.iter().find(|(name, _)| *name == text);
        found.map(|(_, interface)| *interface).ok_or_else(|| {
            let names = INTERFACES.map(|(name, _)| name).join(", ");
            D::Error::custom(format_args!("must be some of {names} (got {text:?})"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_has_a_name() {
        for interface in [
            Interface::Random,
            Interface::Seed,
            Interface::Kv,
            Interface::Vault,
            Interface::Aws,
            Interface::Pollen,
            Interface::Status,
            Interface::Pages,
        ] {
            assert!(!interface.name().is_empty(), "{interface:?}");
        }
    }
}
