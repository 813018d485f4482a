//! The schemas of names: the enumerations of the program, as the strings they are on the wire.
//!
//! serde's remote derive matches every variant of the original: a variant that is not listed here does
//! not compile.

#![expect(dead_code, reason = "only the schemas are used")]

use schemars::JsonSchema;
use serde::Serialize;

use crate::collector::status::SourceState;
use crate::keyring::VersionState;
use crate::keyring::seal::SealKind;
use lavawall_entropy::{Kind, Readiness, Severity};

macro_rules! names {
    ($(#[$attribute:meta])* $name:ident = $original:literal: $($variant:ident),+) => {
        #[derive(Serialize, JsonSchema)]
        #[serde(remote = $original, rename_all = "kebab-case")]
        $(#[$attribute])*
        pub(crate) enum $name { $($variant),+ }
    };
}

names! {
    #[schemars(rename = "State")]
    StateName = "Readiness": Starting, Ready, Degraded, Refusing
}

names! {
    /// The independence class of a source: two sources of one kind count once. A source of kind none is
    /// never credited.
    #[schemars(rename = "Kind")]
    KindName = "Kind": PhysicalCamera, OperatingSystem, CpuInstruction, CpuTiming, Device, Tpm, None
}

names! {
    #[schemars(rename = "Severity")]
    SeverityName = "Severity": Notice, Intermittent, Persistent
}

names! {
    #[schemars(inline)]
    SourceStateName = "SourceState": Starting, Healthy, Alarmed, Absent
}

names! {
    #[schemars(inline)]
    SealName = "SealKind": File, Passphrase, Shares
}

names! {
    #[schemars(inline)]
    VersionStateName = "VersionState": Active, Retired, Revoked, Destroyed
}

/// The keyring's condition. Its original carries the seal, so it cannot be derived from it.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) enum ConditionName {
    Absent,
    Sealed,
    Open,
}
