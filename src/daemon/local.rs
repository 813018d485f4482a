//! Sources and generator without a server: for `random --local` and `check`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::collector::Collector;
use crate::collector::status::StatusBoard;
use crate::config::Config;
use crate::daemon::harden;
use crate::plan::feeds;
use lavawall_entropy::{Generator, NotReady};

/// How long [`LocalGenerator::seeded`] waits for the first seed.
const SEED_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the generator is checked for a seed.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A generator and the sources that seed it, which run until this is dropped.
#[derive(Debug)]
pub(crate) struct LocalGenerator {
    /// The generator.
    pub generator: Arc<Generator>,
    /// The status of the sources.
    pub board: Arc<StatusBoard>,
    _collector: Collector,
}

/// Why a local generator cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LocalError {
    /// Memory or threads.
    #[error("cannot allocate memory or start a thread: {0}")]
    System(#[from] std::io::Error),
    /// The quorum was not reached in time.
    #[error("no seed within {} s: {reason}", waited.as_secs())]
    NoSeed {
        /// The time limit.
        waited: Duration,
        /// The sources that are missing.
        reason: NotReady,
    },
}

impl LocalGenerator {
    /// Starts the sources, in a process that leaves no core dump.
    ///
    /// # Errors
    /// When the system gives no memory or threads.
    pub(crate) fn start(config: &Config) -> Result<Self, LocalError> {
        harden::leave_no_core_dump();
        let generator =
            Arc::new(Generator::new(1, config.pool.limits(), crate::machine::this_machine())?);
        let board = Arc::new(StatusBoard::default());
        let collector = Collector::start(
            feeds::build(config, false, None),
            config.pool.settings(),
            Arc::clone(&generator),
            Arc::clone(&board),
            Arc::default(),
            None,
        )?;
        Ok(Self { generator, board, _collector: collector })
    }

    /// Starts the sources and waits for the first seed, for half a minute at most.
    ///
    /// # Errors
    /// As [`Self::start`] and [`Self::wait_for_seed`].
    pub(crate) fn seeded(config: &Config) -> Result<Self, LocalError> {
        let local = Self::start(config)?;
        local.wait_for_seed(SEED_TIMEOUT)?;
        Ok(local)
    }

    /// Waits for the first seed.
    ///
    /// # Errors
    /// [`LocalError::NoSeed`] after `limit`, with the kinds of source that are missing.
    pub(crate) fn wait_for_seed(&self, limit: Duration) -> Result<(), LocalError> {
        let end = Instant::now() + limit;
        while let Err(reason) = self.generator.check(Instant::now()) {
            if Instant::now() >= end {
                return Err(LocalError::NoSeed { waited: limit, reason });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}
