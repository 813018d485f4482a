//! Requests to the supervisor.

use crossbeam_channel::Sender;
use tokio::sync::oneshot;

use crate::collector::config::CollectorSettings;
use crate::collector::feed::Feed;

/// Requests that may wait for the supervisor, and callers for a fresh seed. More are refused, not
/// queued.
pub(super) const COMMANDS_WAITING: usize = 1024;

/// The collector is not running, or too busy to take another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the collector takes no more requests")]
pub struct Unavailable;

/// One request.
pub(super) enum Command {
    /// Answer once the generator has a seed of samples taken from now on.
    Fresh(oneshot::Sender<()>),
    /// Run these sources instead.
    Replace(Vec<Feed>, CollectorSettings, Sender<std::io::Result<()>>),
    /// End.
    Stop,
}
