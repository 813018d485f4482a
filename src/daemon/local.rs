//! Sources and generator without a server: for `random --local` and `check`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::collector::Collector;
use crate::collector::status::StatusBoard;
use crate::config::Config;
use crate::plan::feeds;
use lavawall_entropy::{Generator, NotReady};

/// How long a first seed is waited for before giving up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Sources that run as long as this lives.
#[derive(Debug)]
pub struct Local {
    /// Gives the bytes.
    pub generator: Arc<Generator>,
    /// Knows the sources.
    pub board: Arc<StatusBoard>,
    _collector: Collector,
}

/// Why there is no randomness here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// Memory or threads.
    #[error("the system gave no memory or no thread: {0}")]
    System(#[from] std::io::Error),
    /// The quorum was not reached.
    #[error("no seed within {} s: {reason}", waited.as_secs())]
    NoSeed {
        /// How long it was waited for.
        waited: Duration,
        /// What is missing.
        reason: NotReady,
    },
}

impl Local {
    /// Starts the sources.
    ///
    /// # Errors
    /// When the system gives no memory or threads.
    pub fn start(config: &Config) -> Result<Self, LocalError> {
        let generator = Arc::new(Generator::new(1, config.pool.limits(), crate::machine::lend())?);
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

    /// Waits for the first seed.
    ///
    /// # Errors
    /// When there is none within `limit`: says which kinds are missing.
    pub fn wait_for_seed(&self, limit: Duration) -> Result<(), LocalError> {
        let end = Instant::now() + limit;
        while let Err(reason) = self.generator.check(Instant::now()) {
            if Instant::now() >= end {
                return Err(LocalError::NoSeed { waited: limit, reason });
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}
