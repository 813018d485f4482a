//! The noise sources: one file or folder per `type`, the contract they keep, and the registry that
//! lists them.
//!
//! A new source is a new file that implements [`SourceType`] for its configuration and [`Source`]
//! for the opened device, declared here and listed in `registry.rs`. Nothing outside this room
//! names it.

pub mod camera;
pub mod cpu;
pub mod hwrng;
pub mod jitter;
pub mod os;
pub mod rendered;
pub mod replay;
pub mod serial;
pub mod tpm;

// The contract and the registry.
mod claim;
mod contract;
mod registry;
mod setup_facts;
mod source_type;

// Shared by several sources.
mod device_file;
mod entropy_per_bit;
mod frame_settings;
mod pacing;
pub mod processor;

pub use claim::{Claim, Derating};
pub use contract::{Facts, Source, SourceError};
pub use registry::{SourceSpec, TYPES, TypeEntry, credited_kinds};
pub use setup_facts::SetupFacts;
pub use source_type::{Presence, SampleForm, SourceType};
