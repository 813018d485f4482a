//! How many threads an assessment uses.

use std::num::NonZeroUsize;

use clap::Args;

/// A number of threads.
#[derive(Debug, Args)]
pub(crate) struct ThreadArguments {
    /// How many threads to use [default: one per core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

impl ThreadArguments {
    /// The number given, or one per core.
    pub(crate) fn count(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(one_per_core)
    }
}

/// One thread per core.
pub(crate) fn one_per_core() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
