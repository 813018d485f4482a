//! The lease: how long a seed may be used, and the states of the generator that follow.
//!
//! Every seed made under a quorum grants a lease. Losing the quorum cuts the lease to the grace
//! period. If the code that renews it stops silently, the lease expires: the generator fails
//! closed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::sample::Kind;

/// The most bytes a degraded generator outputs before it refuses: 2³².
const DEGRADED_BYTES: u64 = 1 << 32;

/// The two durations of a lease.
#[derive(Debug, Clone, Copy)]
pub struct LeaseLimits {
    /// The interval of new seeds.
    pub reseed_interval: Duration,
    /// The time that output continues after the quorum is lost.
    pub grace_period: Duration,
}

/// The four states of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// No seed yet.
    Starting,
    /// Seeded, with a quorum.
    Ready,
    /// The quorum is lost; the last seed is used during the grace period.
    Degraded,
    /// No output.
    Refusing,
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Refusing => "refusing",
        })
    }
}

/// The reason of a refusal.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// The first seed has not been made.
    #[error("not seeded yet: {0}")]
    Starting(Arc<Quorum>),
    /// The quorum has been lost for longer than the grace period, or too much was handed out
    /// since, or no new seed came when it was due.
    #[error("the last seed may no longer be used: {0}")]
    Expired(Arc<Quorum>),
    /// A self-test failed.
    #[error("a self-test failed: {0}")]
    Halted(Arc<String>),
    /// The process is a forked child, whose copy of the seed is zeroed.
    #[error("the generator holds no seed in this process")]
    Unseeded,
    /// The operating system returned no random bytes.
    #[error("the operating system gave no randomness: {0}")]
    OperatingSystem(getrandom::Error),
}

/// The independent kinds of source that are healthy, and the number needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quorum {
    /// Distinct kinds with at least one healthy, credited source.
    pub present: Vec<Kind>,
    /// Number of distinct kinds needed.
    pub needed: usize,
    /// Sources marked `required` that are not healthy.
    pub missing_required: Vec<String>,
    /// A new seed is overdue although the sources say they are healthy.
    pub overdue: bool,
}

impl Quorum {
    /// Whether the quorum is met: enough kinds, all required sources, and no overdue seed.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.present.len() >= self.needed && self.missing_required.is_empty() && !self.overdue
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present: Vec<_> = self.present.iter().map(|kind| kind.name()).collect();
        write!(
            f,
            "{} of {} independent kinds of source are healthy ({})",
            present.len(),
            self.needed,
            if present.is_empty() { "none".to_owned() } else { present.join(", ") }
        )?;
        if !self.missing_required.is_empty() {
            write!(f, "; required and missing: {}", self.missing_required.join(", "))?;
        }
        if self.overdue {
            write!(f, "; the next seed is overdue")?;
        }
        Ok(())
    }
}

/// The origin of a seed, for the labels of every answer made with it.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// Counts the seeds since the service started, from 1.
    pub generation: u64,
    /// When it was mixed in.
    pub seeded_at: Instant,
    /// The same, as calendar time.
    pub seeded_on: SystemTime,
    /// Every source that went in, credited or not.
    pub sources: Vec<Contribution>,
}

/// The contribution of one source to a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// The source's name.
    pub id: String,
    /// Its independence class.
    pub kind: Kind,
    /// Credit in bits; zero for bytes that were mixed in uncredited.
    pub credit_bits: u32,
}

/// The lease and the quorum it depends on. Readers take no lock.
pub(super) struct Lease {
    grace_period: Duration,
    reseed_interval_ms: AtomicU64,
    origin: Instant,
    /// End of the lease in milliseconds after `origin`; zero before the first seed.
    expires_ms: AtomicU64,
    degraded: AtomicBool,
    degraded_bytes: AtomicU64,
    quorum: ArcSwap<Quorum>,
    halted: ArcSwapOption<String>,
    is_halted: AtomicBool,
}

impl Lease {
    pub(super) fn new(limits: LeaseLimits, origin: Instant) -> Self {
        Self {
            grace_period: limits.grace_period,
            reseed_interval_ms: AtomicU64::new(whole_ms(limits.reseed_interval)),
            origin,
            expires_ms: AtomicU64::new(0),
            degraded: AtomicBool::new(false),
            degraded_bytes: AtomicU64::new(0),
            quorum: ArcSwap::from_pointee(Quorum::default()),
            halted: ArcSwapOption::empty(),
            is_halted: AtomicBool::new(false),
        }
    }

    /// A seed was made at `at`: the lease lasts two intervals, so that one late seed has no
    /// effect, and the grace period.
    pub(super) fn seeded(&self, at: Instant) {
        self.expires_ms.store(self.lease_end(at), Ordering::Release);
        self.degraded_bytes.store(0, Ordering::Relaxed);
        self.degraded.store(false, Ordering::Release);
    }

    /// Seeds now come at another interval; the last one was made at `seeded_at`. Its lease is
    /// that of the new interval, unless it has been cut.
    pub(super) fn set_reseed_interval(&self, interval: Duration, seeded_at: Option<Instant>) {
        self.reseed_interval_ms.store(whole_ms(interval), Ordering::Release);
        if let Some(at) = seeded_at
            && !self.degraded.load(Ordering::Acquire)
        {
            self.expires_ms.store(self.lease_end(at), Ordering::Release);
        }
    }

    /// The end of the lease of a seed made at `at`.
    fn lease_end(&self, at: Instant) -> u64 {
        let interval = Duration::from_millis(self.reseed_interval_ms.load(Ordering::Acquire));
        self.ms(at + interval * 2 + self.grace_period).max(1)
    }

    /// Time has passed that the clock did not count: the lease ends that much sooner.
    pub(super) fn skip(&self, passed: Duration) {
        let _ = self.expires_ms.fetch_update(Ordering::AcqRel, Ordering::Acquire, |expires| {
            // Zero stays zero: a service that never had a seed has no lease.
            (expires > 0).then(|| expires.saturating_sub(whole_ms(passed)).max(1))
        });
    }

    pub(super) fn report(&self, quorum: Quorum, now: Instant) {
        if !quorum.stands() && !self.degraded.swap(true, Ordering::AcqRel) {
            let cut = self.ms(now + self.grace_period).max(1);
            // Zero stays zero: a service that never had a seed has no lease to cut.
            let _ = self.expires_ms.fetch_update(Ordering::AcqRel, Ordering::Acquire, |expires| {
                (expires > cut).then_some(cut)
            });
        }
        self.quorum.store(Arc::new(quorum));
    }

    pub(super) fn halt(&self, reason: String) {
        self.halted.store(Some(Arc::new(reason)));
        self.is_halted.store(true, Ordering::Release);
    }

    pub(super) fn quorum(&self) -> Arc<Quorum> {
        self.quorum.load_full()
    }

    pub(super) fn state(&self, now: Instant) -> Readiness {
        match self.check(now) {
            Err(NotReady::Starting(_)) => Readiness::Starting,
            Err(_) => Readiness::Refusing,
            Ok(()) if self.degraded.load(Ordering::Acquire) => Readiness::Degraded,
            Ok(()) => Readiness::Ready,
        }
    }

    pub(super) fn check(&self, now: Instant) -> Result<(), NotReady> {
        if self.is_halted.load(Ordering::Acquire) {
            return Err(NotReady::Halted(self.halted.load_full().unwrap_or_default()));
        }
        let expires_ms = self.expires_ms.load(Ordering::Acquire);
        if expires_ms == 0 {
            return Err(NotReady::Starting(self.quorum()));
        }
        if self.ms(now) >= expires_ms
            || self.degraded_bytes.load(Ordering::Relaxed) > DEGRADED_BYTES
        {
            return Err(NotReady::Expired(self.quorum()));
        }
        Ok(())
    }

    /// As `check`, for an answer of `bytes` that will now be made.
    pub(super) fn admit(&self, bytes: usize, now: Instant) -> Result<(), NotReady> {
        if self.degraded.load(Ordering::Acquire) {
            self.degraded_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        self.check(now)
    }

    fn ms(&self, at: Instant) -> u64 {
        whole_ms(at.saturating_duration_since(self.origin))
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
