//! Which sources run, and how each is judged: the one place where a source meets its health tests.

use std::sync::Arc;
use std::time::Duration;

use crate::collector::feed::Feed;
use crate::config::{Config, SourceEntry};
use crate::daemon::state_dir::StateDir;
use crate::health::Gate;
use crate::health::cutoff::ALPHA_FAST;
use crate::health::symbols::{Claim, Symbols};
use crate::sample::Kind;
use crate::source::{Spec, os};

/// Feeds for the configured sources, or for every source that is there.
#[must_use]
pub fn build(config: &Config, demo: bool, state_dir: Option<&Arc<StateDir>>) -> Vec<Feed> {
    let entries = config.sources.clone().unwrap_or_else(|| present(demo));
    let _ = state_dir;
    entries.iter().map(|entry| feed(entry, config)).collect()
}

/// How many distinct credited kinds these feeds could give.
#[must_use]
pub fn kinds(feeds: &[Feed]) -> usize {
    let mut kinds: Vec<_> =
        feeds.iter().map(|feed| feed.kind).filter(|kind| *kind != Kind::None).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.len()
}

fn present(_: bool) -> Vec<SourceEntry> {
    vec![SourceEntry { id: "os".into(), spec: Spec::Os(os::Config::default()) }]
}

fn feed(entry: &SourceEntry, config: &Config) -> Feed {
    let SourceEntry { id, spec } = entry;
    let Spec::Os(os_config) = spec.clone();
    let claim = Claim { h_per_symbol: os::H_PER_SYMBOL, alpha: ALPHA_FAST, credited: true };
    Feed {
        id: id.clone(),
        source_type: spec.type_name(),
        kind: spec.kind(),
        required: config.pool.required.iter().any(|name| entry.is_called(name)),
        credit_basis: "8 bits a byte".into(),
        key: format!("{spec:?}"),
        open: Box::new(move || os::open(&os_config)),
        gate: Gate::new(Box::new(Symbols::new(claim))),
        deadline: Duration::from_secs(10),
        pace: config.pool.reseed_interval / 8,
        shown: false,
        remember: None,
    }
}
