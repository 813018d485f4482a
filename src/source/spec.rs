//! Which sources there are, by the `type` of their configuration.

use serde::{Deserialize, Deserializer};

use crate::source::{camera, cpu, hwrng, jitter, os, rendered, replay, serial, tpm};
use lavawall_entropy::{Kind, PixelFormat};

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

impl Spec {
    /// The types that a service without any `[[source]]` uses where they are there.
    pub const AUTOMATIC: &[&str] = &["camera", "os", "cpu", "jitter", "hwrng", "tpm"];

    /// Whether its samples may be credited at all.
    #[must_use]
    pub fn may_be_credited(&self) -> bool {
        match self {
            Self::Camera(config) => config.format != PixelFormat::Mjpeg,
            Self::Hwrng(config) => config.entropy_per_bit.per_byte() > 0.0,
            Self::Serial(config) => config.entropy_per_bit.per_byte() > 0.0,
            _ => self.kind() != Kind::None,
        }
    }
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
