//! The sources of a service whose configuration lists none.

use crate::config::SourceEntry;
use crate::source::{Presence, SOURCE_TYPES, SourceSpec, TypeEntry};

/// Every source this machine has, and those in `required`, which it must have. With `demo`, a
/// drawing replaces a missing camera.
pub(crate) fn sources(demo: bool, required: &[String]) -> Vec<SourceEntry> {
    let is_required = |name: &str| required.iter().any(|required| required == name);
    let runs = |entry: &&TypeEntry| match entry.presence {
        Presence::Always => true,
        Presence::Detected(is_present) => is_present() || is_required(entry.name),
        Presence::Demonstration | Presence::Configured => false,
    };
    let mut types: Vec<&TypeEntry> = SOURCE_TYPES.iter().filter(runs).collect();
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
    SOURCE_TYPES.iter().filter(|entry| matches!(entry.presence, Presence::Demonstration))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(demo: bool, required: &[&str]) -> Vec<String> {
        let required: Vec<_> = required.iter().map(|name| (*name).to_owned()).collect();
        sources(demo, &required).into_iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn required_sources_run_without_being_detected_and_pictures_come_last() {
        let mut names = names(false, &["cpu", "hwrng", "tpm", "camera", "serial"]);
        assert_eq!(names.pop().as_deref(), Some("camera"));
        assert_eq!(names, ["os", "cpu", "jitter", "hwrng", "tpm"]);
    }

    #[test]
    fn a_drawing_runs_in_a_demonstration_and_only_without_a_camera() {
        assert!(!names(true, &["camera"]).contains(&"rendered".to_owned()));
        assert!(!names(false, &[]).contains(&"rendered".to_owned()));
        let demo = names(true, &[]);
        let pictures = ["camera", "rendered"].map(|name| demo.contains(&name.to_owned()));
        assert!(pictures[0] != pictures[1], "one of the two: {demo:?}");
    }
}
