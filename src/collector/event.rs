//! Messages from a runner to the supervisor.

use lavawall_entropy::Block;

/// One message.
pub(super) enum RunnerEvent {
    /// A conditioned block.
    Block(Block),
    /// The source lost its credit: credit since the last seed does not count.
    Withdrawn,
}
