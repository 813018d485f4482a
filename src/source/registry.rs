//! The registry: every `type` of `[[source]]`, one line each.

use std::time::Duration;

use serde::de::value::{Error as ValueError, MapDeserializer};
use serde::{Deserialize, Deserializer};

use crate::source::claim::{Claim, Derating};
use crate::source::contract::{Source, SourceError};
use crate::source::setup_facts::SetupFacts;
use crate::source::source_type::{Presence, SampleForm, SourceType};
use lavawall_entropy::Kind;

/// Writes [`SourceSpec`] and [`SOURCE_TYPES`] from the lines at the end of this file.
macro_rules! registry {
    ($($name:literal => $variant:ident($config:ty);)+) => {
        /// The configuration of one source, of whichever type.
        #[derive(Debug, Clone, PartialEq)]
        pub enum SourceSpec {
            $(
                #[doc = concat!("`type = \"", $name, "\"`")]
                $variant($config),
            )+
        }

        /// Every type, in the order in which messages list them.
        pub const SOURCE_TYPES: &[TypeEntry] = &[$(TypeEntry::of::<$config>($name)),+];

        impl SourceSpec {
            /// Reads the rest of a source's table as the configuration of this type; `None` for
            /// an unknown type.
            pub fn parse<'de, D: Deserializer<'de>>(
                type_name: &str,
                rest: D,
            ) -> Option<Result<Self, D::Error>> {
                match type_name {
                    $($name => Some(<$config>::deserialize(rest).map(Self::$variant)),)+
                    _ => None,
                }
            }

            /// The registry's entry of its type.
            #[must_use]
            pub fn entry(&self) -> &'static TypeEntry {
                match self {
                    $(Self::$variant(_) => const { &TypeEntry::of::<$config>($name) },)+
                }
            }

            /// See [`SourceType::open`].
            ///
            /// # Errors
            /// Says why the device cannot be used.
            pub fn open(&self, enrolled: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
                match self {
                    $(Self::$variant(config) => config.open(enrolled),)+
                }
            }

            /// See [`SourceType::kind`].
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$variant(config) => config.kind(),)+
                }
            }

            /// See [`SourceType::claim`].
            #[must_use]
            pub fn claim(&self, seen: &[u64]) -> Claim {
                match self {
                    $(Self::$variant(config) => config.claim(seen),)+
                }
            }

            /// See [`SourceType::derating`].
            #[must_use]
            pub fn derating(&self) -> Derating {
                match self {
                    $(Self::$variant(config) => config.derating(),)+
                }
            }

            /// See [`SourceType::setup`].
            #[must_use]
            pub fn setup(&self) -> SetupFacts {
                match self {
                    $(Self::$variant(config) => config.setup(),)+
                }
            }

            /// See [`SourceType::may_be_credited`].
            #[must_use]
            pub fn may_be_credited(&self) -> bool {
                match self {
                    $(Self::$variant(config) => config.may_be_credited(),)+
                }
            }

            /// See [`SourceType::without_symbols`].
            #[must_use]
            pub fn without_symbols(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant(config) => config.without_symbols(),)+
                }
            }

            /// See [`SourceType::enrolled_as`].
            #[must_use]
            pub fn enrolled_as(&self) -> Option<String> {
                match self {
                    $(Self::$variant(config) => config.enrolled_as(),)+
                }
            }
        }
    };
}

/// One type of source, as far as it is known without a configuration.
#[derive(Debug, Clone, Copy)]
pub struct TypeEntry {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The independence class, as far as it is known without a device.
    pub kind: Kind,
    /// The form of its samples.
    pub samples: SampleForm,
    /// Whether a service without any `[[source]]` runs it.
    pub presence: Presence,
    /// The effect of opening it again.
    pub restart: &'static str,
    /// How long one read may take.
    pub deadline: Duration,
}

impl TypeEntry {
    const fn of<T: SourceType>(name: &'static str) -> Self {
        Self {
            name,
            kind: T::KIND,
            samples: T::SAMPLES,
            presence: T::PRESENCE,
            restart: T::RESTART,
            deadline: T::DEADLINE,
        }
    }
}

impl SourceSpec {
    /// A source of this type with its defaults; `None` for an unknown type, and for one that needs
    /// settings.
    #[must_use]
    pub fn with_defaults(type_name: &str) -> Option<Self> {
        let nothing = std::iter::empty::<(String, String)>();
        let rest = MapDeserializer::<_, ValueError>::new(nothing);
        Self::parse(type_name, rest)?.ok()
    }

    /// The `type`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.entry().name
    }

    /// Why this source is credited nothing, whatever an assessment finds; `None` when it can be
    /// credited.
    #[must_use]
    pub fn credited_nothing(&self) -> Option<&'static str> {
        if self.kind() == Kind::None {
            return Some("anyone who knows its origin knows every sample");
        }
        (!self.may_be_credited()).then_some("its configuration claims nothing")
    }
}

/// The number of distinct kinds that can be credited: a larger quorum could never be met.
#[must_use]
pub(crate) fn credited_kinds() -> usize {
    let mut kinds: Vec<_> = SOURCE_TYPES.iter().map(|entry| entry.kind).collect();
    kinds.retain(|kind| *kind != Kind::None);
    kinds.sort_unstable();
    kinds.dedup();
    kinds.len()
}

registry! {
    "camera" => Camera(crate::source::camera::CameraConfig);
    "os" => Os(crate::source::os::OsConfig);
    "cpu" => Cpu(crate::source::cpu::CpuConfig);
    "jitter" => Jitter(crate::source::jitter::JitterConfig);
    "hwrng" => Hwrng(crate::source::hwrng::HwrngConfig);
    "tpm" => Tpm(crate::source::tpm::TpmConfig);
    "serial" => Serial(crate::source::serial::SerialConfig);
    "replay" => Replay(crate::source::replay::ReplayConfig);
    "rendered" => Rendered(crate::source::rendered::RenderedConfig);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_name_of_its_own_and_automatic_types_have_defaults() {
        for (place, entry) in SOURCE_TYPES.iter().enumerate() {
            assert!(
                SOURCE_TYPES[..place].iter().all(|other| other.name != entry.name),
                "{}",
                entry.name
            );
            let spec = SourceSpec::with_defaults(entry.name);
            assert!(
                matches!(entry.presence, Presence::Configured) || spec.is_some(),
                "{} runs without settings",
                entry.name
            );
            assert!(spec.is_none_or(|spec| spec.type_name() == entry.name));
        }
        assert!(SourceSpec::with_defaults("nonsense").is_none());
    }

    #[test]
    fn a_type_without_independence_is_never_credited() {
        for spec in SOURCE_TYPES.iter().filter_map(|entry| SourceSpec::with_defaults(entry.name)) {
            if spec.kind() == Kind::None {
                assert!(!spec.may_be_credited() && spec.credited_nothing().is_some(), "{spec:?}");
            }
        }
    }
}
