//! Messages from a runner to the supervisor.

use lavawall_entropy::Block;

/// One message.
pub(super) enum RunnerEvent {
    /// A conditioned block, and the number of withdrawals before it.
    Block(Block, u64),
    /// The source lost its credit: see the count of withdrawals, which does not wait in the channel.
    Withdrawn,
}
