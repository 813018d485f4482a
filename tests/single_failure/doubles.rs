//! Sources that fail on demand, and a collector to run them in.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use lavawall::Feed;
use lavawall::{Collector, CollectorSettings, Unavailable};
use lavawall::{IncidentLog, SourceReport, StatusBoard};
use lavawall::{Source, SourceError};
use lavawall_entropy::{
    ALPHA_FAST, ByteTests, EntropyClaim, Gate, Generator, Inspect, Inspection, Kind, LeaseLimits,
    Machine, OsFill, Readiness, Sample,
};

/// How long any condition is waited for before the test fails. Nothing here takes longer than a
/// few seconds on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often seeds come, unless a test says otherwise.
const RESEED_INTERVAL: Duration = Duration::from_millis(300);

/// Live assessment rests no longer than it works: a test has no hours.
const REST: u32 = 1;

/// How a scripted source behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Fresh bytes of the operating system.
    Healthy,
    /// Bytes that look healthy and are the same in every run.
    Known,
    /// One byte in eight follows from the last one: each value is as common as any other, nothing
    /// repeats, and three bits a byte are unknown.
    Following,
    /// One byte for ever.
    Stuck,
    /// Cannot be opened: it is not there.
    Absent,
    /// Cannot be opened: it may not be used.
    Refused,
    /// Panics.
    Crashing,
    /// Gives nothing by its deadline.
    Slow,
    /// Breaks its contract and never returns.
    Hung,
    /// Fresh bytes; what remembers the first of its samples panics, outside the source.
    Forgetful,
}

/// A source that follows a script.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    /// Its name.
    pub(crate) id: &'static str,
    /// Its kind.
    pub(crate) kind: Kind,
    /// What it does from the start.
    pub(crate) behaviour: Behaviour,
    /// What sets its configuration apart from an earlier one of the same name.
    pub(crate) key: &'static str,
}

impl Scripted {
    /// A source that behaves like this from the start.
    pub(crate) fn new(id: &'static str, kind: Kind, behaviour: Behaviour) -> Self {
        Self { id, kind, behaviour, key: "" }
    }
}

type Script = Arc<Mutex<Behaviour>>;

struct Double {
    script: Script,
    counter: u64,
}

impl Source for Double {
    fn read(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        let behaviour = *self.script.lock().expect("a script");
        let bytes = sample.resize(64);
        match behaviour {
            Behaviour::Healthy | Behaviour::Forgetful => {
                getrandom::fill(bytes).expect("the operating system's bytes");
            }
            Behaviour::Known => self.fill_known(bytes),
            Behaviour::Following => self.follow(bytes),
            Behaviour::Stuck => bytes.fill(0x55),
            Behaviour::Crashing => panic!("on purpose"),
            Behaviour::Absent | Behaviour::Refused => return Err(absence(behaviour)),
            Behaviour::Slow => {
                std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
                return Err(SourceError::Timeout { what: "double".into(), waited_ms: 50 });
            }
            Behaviour::Hung => loop {
                std::thread::park();
            },
        }
        Ok(())
    }
}

impl Double {
    fn follow(&mut self, bytes: &mut [u8]) {
        let mut choices = [0; 64];
        getrandom::fill(&mut choices).expect("the operating system's bytes");
        let mut last = self.counter.to_le_bytes()[0];
        for (byte, choice) in bytes.iter_mut().zip(choices) {
            // A permutation without a pattern that a short period could show.
            let mixed = (last ^ (last >> 3)).wrapping_mul(0x9d);
            let mixed = (mixed ^ (mixed >> 4)).wrapping_mul(0x2b);
            last = mixed ^ (mixed >> 5) ^ if choice < 32 { 0 } else { choice };
            *byte = last;
        }
        self.counter = last.into();
    }

    /// What an attacker who knows this source knows: SHA-256 of a counter.
    fn fill_known(&mut self, bytes: &mut [u8]) {
        use sha2::{Digest, Sha256};
        for piece in bytes.chunks_mut(32) {
            self.counter += 1;
            piece.copy_from_slice(&Sha256::digest(self.counter.to_be_bytes())[..piece.len()]);
        }
    }
}

/// A collector with scripted sources.
pub(crate) struct Rig {
    /// What the collector seeds.
    pub(crate) generator: Arc<Generator>,
    /// Its incidents.
    pub(crate) incidents: Arc<IncidentLog>,
    board: Arc<StatusBoard>,
    collector: Collector,
    scripts: BTreeMap<&'static str, Script>,
    opened: Arc<Mutex<BTreeMap<&'static str, Arc<AtomicU32>>>>,
}

impl Rig {
    /// Starts these sources under this quorum.
    pub(crate) fn start(sources: &[Scripted], quorum: usize) -> Self {
        Self::start_with_grace(sources, quorum, Duration::from_mins(10))
    }

    /// As `start`, with another grace period.
    pub(crate) fn start_with_grace(sources: &[Scripted], quorum: usize, grace: Duration) -> Self {
        Self::build(sources, quorum, grace, RESEED_INTERVAL, Box::new(getrandom::fill))
    }

    /// As `start`, with another interval of seeds.
    pub(crate) fn start_with_interval(
        sources: &[Scripted],
        quorum: usize,
        interval: Duration,
    ) -> Self {
        let grace = Duration::from_mins(10);
        Self::build(sources, quorum, grace, interval, Box::new(getrandom::fill))
    }

    /// As `start`, with answers keyed by an operating system the attacker knows.
    pub(crate) fn start_with_known_os(sources: &[Scripted], quorum: usize) -> Self {
        let zeros = |out: &mut [u8]| {
            out.fill(0);
            Ok(())
        };
        Self::build(sources, quorum, Duration::from_mins(10), RESEED_INTERVAL, Box::new(zeros))
    }

    fn build(
        sources: &[Scripted],
        quorum: usize,
        grace_period: Duration,
        reseed_interval: Duration,
        os: Box<OsFill>,
    ) -> Self {
        let limits = LeaseLimits { reseed_interval, grace_period };
        let generator = Arc::new(
            Generator::new(1, limits, Machine { os, clock: Instant::now }).expect("memory"),
        );
        let board = Arc::new(StatusBoard::default());
        let scripts: BTreeMap<_, _> = sources
            .iter()
            .map(|source| (source.id, Arc::new(Mutex::new(source.behaviour))))
            .collect();
        let opened = Arc::new(Mutex::new(BTreeMap::new()));
        let feeds =
            sources.iter().map(|source| feed(source, &scripts[source.id], &opened)).collect();
        let settings = CollectorSettings { quorum, reseed_interval, assessment_rest: REST };
        let incidents = Arc::<IncidentLog>::default();
        let collector = Collector::start(
            feeds,
            settings,
            Arc::clone(&generator),
            Arc::clone(&board),
            Arc::clone(&incidents),
            None,
        )
        .expect("threads");
        Self { generator, incidents, board, collector, scripts, opened }
    }

    /// Replaces the sources, as a reload does.
    pub(crate) fn replace(&self, sources: &[Scripted], quorum: usize) {
        let script = |source: &Scripted| {
            let known = self.scripts.get(source.id).cloned();
            known.unwrap_or_else(|| Arc::new(Mutex::new(source.behaviour)))
        };
        let feeds =
            sources.iter().map(|source| feed(source, &script(source), &self.opened)).collect();
        let settings =
            CollectorSettings { quorum, reseed_interval: RESEED_INTERVAL, assessment_rest: REST };
        self.collector.replace(feeds, settings).expect("threads");
    }

    /// Changes what source number `which` does from now on.
    pub(crate) fn set(&self, which: usize, behaviour: Behaviour) {
        let id = self.report(which).id;
        *self.scripts[id.as_str()].lock().expect("a script") = behaviour;
    }

    /// The report on source number `which`.
    pub(crate) fn report(&self, which: usize) -> SourceReport {
        self.board.sources().swap_remove(which)
    }

    /// The sources that have raised an alarm.
    pub(crate) fn alarmed_sources(&self) -> Vec<String> {
        let reports = self.board.sources();
        reports.into_iter().filter(|report| report.alarms > 0).map(|report| report.id).collect()
    }

    /// The state now.
    pub(crate) fn state(&self) -> Readiness {
        self.generator.state(Instant::now())
    }

    /// The number of the current seed, or zero.
    pub(crate) fn generation(&self) -> u64 {
        self.generator.provenance().map_or(0, |provenance| provenance.generation)
    }

    /// The sources credited in the current seed.
    pub(crate) fn credited_in_seed(&self) -> Vec<String> {
        let Some(provenance) = self.generator.provenance() else { return Vec::new() };
        let credited = provenance.sources.iter().filter(|source| source.credit_bits > 0);
        credited.map(|source| source.id.clone()).collect()
    }

    /// How often the source of this name was opened.
    pub(crate) fn opened(&self, id: &str) -> u32 {
        self.opened.lock().expect("a map").get(id).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Waits until `condition` holds; fails the test, saying what was waited for, if it never does.
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < end, "waited in vain for {what}: {:#?}", self.board.sources());
            std::thread::yield_now();
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Waits for a fresh seed.
    pub(crate) fn fresh(&self) -> Result<(), Unavailable> {
        self.fresh_within(PATIENCE).expect("a fresh seed in time")
    }

    /// Waits this long for a fresh seed.
    pub(crate) fn fresh_within(&self, limit: Duration) -> Option<Result<(), Unavailable>> {
        block_on(self.collector.fresh(), limit)
    }
}

fn feed(
    source: &Scripted,
    script: &Script,
    opened: &Arc<Mutex<BTreeMap<&'static str, Arc<AtomicU32>>>>,
) -> Feed {
    let claim =
        EntropyClaim { h_per_symbol: 8.0, alpha: ALPHA_FAST, credited: source.kind != Kind::None };
    let count = Arc::clone(opened.lock().expect("a map").entry(source.id).or_default());
    let script = Arc::clone(script);
    Feed {
        id: source.id.into(),
        source_type: "double",
        kind: source.kind,
        required: false,
        credit_basis: "scripted".into(),
        calibrated: None,
        key: format!("{} {}", source.id, source.key),
        open: Box::new(move || {
            let behaviour = *script.lock().expect("a script");
            if matches!(behaviour, Behaviour::Absent | Behaviour::Refused) {
                return Err(absence(behaviour));
            }
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Box::new(Double { script: Arc::clone(&script), counter: 0 }))
        }),
        gate: Gate::new(Box::new(Fingerprinting(ByteTests::new(claim)))),
        deadline: Duration::from_millis(50),
        pace: Duration::from_millis(20),
        shown: false,
        remember: (source.behaviour == Behaviour::Forgetful).then(forgetful),
    }
}

/// Tests that give a fingerprint with every sample, as those of pictures do.
struct Fingerprinting(ByteTests);

impl Inspect for Fingerprinting {
    fn inspect(&mut self, sample: &Sample) -> Inspection {
        Inspection { fingerprint: Some(1), ..self.0.inspect(sample) }
    }

    fn noise(&self, sample: &Sample, into: &mut Vec<u8>) {
        self.0.noise(sample, into);
    }

    fn claimed(&self) -> Option<f64> {
        self.0.claimed()
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

/// Panics the first time.
fn forgetful() -> Box<dyn FnMut(u64) + Send> {
    let mut was_asked = false;
    Box::new(move |_| assert!(std::mem::replace(&mut was_asked, true), "on purpose"))
}

fn absence(behaviour: Behaviour) -> SourceError {
    let what = "double".to_owned();
    match behaviour {
        Behaviour::Refused => SourceError::Refused { what, reason: "against the rules".into() },
        _ => SourceError::Absent { what, reason: "gone".into() },
    }
}

/// Runs a future on this thread, for at most `limit`.
fn block_on<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    #[derive(Default)]
    struct Alarm(Mutex<bool>, Condvar);
    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            *self.0.lock().expect("a flag") = true;
            self.1.notify_all();
        }
    }
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let mut future = pin!(future);
    let end = Instant::now() + limit;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = end.checked_duration_since(Instant::now())?;
        let flag = alarm.0.lock().expect("a flag");
        let (mut flag, _) = alarm.1.wait_timeout_while(flag, left, |rung| !*rung).expect("a flag");
        *flag = false;
    }
}
