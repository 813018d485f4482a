//! Which sources there are, by the `type` of their configuration.

use serde::{Deserialize, Deserializer};

use crate::sample::Kind;
use crate::source::{camera, cpu, hwrng, jitter, os, rendered, replay, serial, tpm};

/// Writes [`Spec`] once for all types.
macro_rules! specs {
    ($($name:literal $variant:ident $module:ident;)+) => {
        /// One source's configuration.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Spec {
            $(
                #[doc = concat!("`type = \"", $name, "\"`")]
                $variant($module::Config),
            )+
        }

        impl Spec {
            /// Every `type` there is.
            pub const TYPES: &[&str] = &[$($name),+];

            /// The rest of a source's table, as a configuration of this type; `None` when there
            /// is no such type.
            pub fn parse<'de, D: Deserializer<'de>>(
                type_name: &str,
                rest: D,
            ) -> Option<Result<Self, D::Error>> {
                match type_name {
                    $($name => Some($module::Config::deserialize(rest).map(Self::$variant)),)+
                    _ => None,
                }
            }

            /// The `type`.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                }
            }

            /// The independence class.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$variant(_) => $module::KIND,)+
                }
            }
        }
    };
}

specs! {
    "camera" Camera camera;
    "os" Os os;
    "cpu" Cpu cpu;
    "jitter" Jitter jitter;
    "hwrng" Hwrng hwrng;
    "tpm" Tpm tpm;
    "serial" Serial serial;
    "replay" Replay replay;
    "rendered" Rendered rendered;
}
