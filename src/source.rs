//! The noise sources: one file or folder per `type`, the contract they keep, and the registry that
//! lists them.
//!
//! A new source is a new file that implements [`SourceType`](source_type::SourceType) for its configuration and [`Source`]
//! for the opened device, declared here and listed in `registry.rs`. Nothing outside this room
//! names it.

pub(crate) mod camera;
pub(crate) mod cpu;
pub(crate) mod hwrng;
pub(crate) mod jitter;
pub(crate) mod os;
pub(crate) mod rendered;
pub(crate) mod replay;
pub(crate) mod serial;
pub(crate) mod tpm;

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
pub(crate) mod jpeg_tables;
mod pacing;
pub(crate) mod processor;

pub(crate) use claim::Derating;
pub(crate) use contract::Facts;
pub use contract::{Source, SourceError};
pub use registry::SOURCE_TYPES;
pub(crate) use registry::{SourceSpec, TypeEntry, credited_kinds};
pub use rendered::Wall;
pub use replay::y4m::Player;
pub(crate) use setup_facts::SetupFacts;
pub(crate) use source_type::{Presence, SampleForm};
