//! The sources of a service whose configuration lists none.

use crate::config::SourceEntry;
use crate::source::{Presence, SourceSpec, TYPES, TypeEntry};

/// Every source this machine has, and those in `required`, which it must have. With `demo`, a
/// drawing replaces a missing camera.
pub(crate) fn sources(demo: bool, required: &[String]) -> Vec<SourceEntry> {
    let is_required = |name: &str| required.iter().any(|required| required == name);
    let runs = |entry: &&TypeEntry| match entry.presence {
        Presence::Always => true,
        Presence::Detected(is_present) => is_present() || is_required(entry.name),
        Presence::Demonstration | Presence::Configured => false,
    };
    let mut types: Vec<&TypeEntry> = TYPES.iter().filter(runs).collect();
    if !types.iter().any(|entry| entry.samples.are_frames()) {
        if demo {
            tracing::info!("this machine has no camera: the wall is drawn, and credited nothing");
            types.extend(demonstrations());
        } else {
            tracing::info!("this machine has no camera");
        }
    }
    // Pictures come last: reports list the sources in this order.
    types.sort_by_key(|entry| entry.samples.are_frames());
    let source = |entry: &TypeEntry| {
        let spec = SourceSpec::with_defaults(entry.name)?;
        Some(SourceEntry { id: entry.name.to_owned(), spec })
    };
    types.into_iter().filter_map(source).collect()
}

fn demonstrations() -> impl Iterator<Item = &'static TypeEntry> {
    TYPES.iter().filter(|entry| matches!(entry.presence, Presence::Demonstration))
}
