//! Generators for tests.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use lavawall_entropy::{
    Contribution, Generator, Kind, LeaseLimits, Machine, OsFill, Provenance, Quorum, Secret,
};

/// A generator that has had no seed.
pub(crate) fn unseeded() -> Generator {
    let limits = LeaseLimits {
        reseed_interval: Duration::from_mins(1),
        grace_period: Duration::from_mins(15),
    };
    Generator::new(2, limits, crate::machine::this_machine()).expect("memory for a generator")
}

/// A generator seeded from the operating system, its quorum standing.
pub(crate) fn generator() -> Generator {
    let generator = unseeded();
    let from = |kind, credit_bits| Contribution { id: format!("{kind}"), kind, credit_bits };
    generator.report_quorum(quorum(2), Instant::now());
    seed(
        &generator,
        vec![
            from(Kind::CpuTiming, 512),
            from(Kind::OperatingSystem, 512),
            from(Kind::Device, 0),
            from(Kind::None, 0),
        ],
    );
    generator
}

/// Gives it a first seed, which is said to be of these sources.
fn seed(generator: &Generator, sources: Vec<Contribution>) {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system's bytes");
    let (seeded_at, seeded_on) = (Instant::now(), SystemTime::now());
    let provenance = Provenance { generation: 1, seeded_at, seeded_on, sources };
    generator.reseed(&Secret::take(&mut seed), provenance);
}

/// Takes the quorum away.
pub(crate) fn degrade(generator: &Generator) {
    generator.report_quorum(quorum(1), Instant::now());
}

fn quorum(present: usize) -> Quorum {
    let kinds = [Kind::OperatingSystem, Kind::CpuTiming];
    Quorum {
        present: kinds[..present].to_vec(),
        needed: 2,
        missing_required: Vec::new(),
        overdue: false,
    }
}

/// A seeded generator whose operating system gives bytes `calls` times and then no more.
pub(crate) fn failing_after(calls: usize) -> Generator {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let left = AtomicUsize::new(calls);
    with_os(Box::new(move |out: &mut [u8]| {
        let has_more =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        has_more.map_err(|_| getrandom::Error::UNSUPPORTED)?;
        getrandom::fill(out)
    }))
}

/// A seeded generator above this operating system.
pub(crate) fn with_os(os: Box<OsFill>) -> Generator {
    let limits = LeaseLimits {
        reseed_interval: Duration::from_mins(1),
        grace_period: Duration::from_mins(15),
    };
    let generator = Generator::new(1, limits, Machine { os, clock: Instant::now })
        .expect("memory for a generator");
    seed(&generator, Vec::new());
    generator
}

/// Runs the next time that the operating system is asked for bytes.
pub(crate) type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A seeded generator with a hook: something happens in the middle of whatever draws from it.
pub(crate) fn hooked() -> (Generator, Hook) {
    let hook = Hook::default();
    let inner = Arc::clone(&hook);
    let generator = with_os(Box::new(move |out: &mut [u8]| {
        let due = inner.lock().take();
        if let Some(due) = due {
            due();
        }
        getrandom::fill(out)
    }));
    (generator, hook)
}
