//! The thread of one source: open, read, test, condition, hand over. A failure of one source stays in
//! its own thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::collector::device_call::DeviceCall;
use crate::collector::event::RunnerEvent;
use crate::collector::feed::Feed;
use crate::collector::monitor::{Monitor, Verdict};
use crate::collector::rate::Rate;
use crate::collector::status::{Picture, SourceReport, SourceState, StatusBoard};
use crate::collector::wakeup::Wakeup;
use crate::incident::IncidentLog;
use crate::source::{Facts, Source, SourceError};
use lavawall_entropy::{
    Admission, Conditioner, Finding, GateState, HealthTest, Sample, Severity, Shape,
};

/// How long opening a device may take: a camera probes and settles.
const OPENING: Duration = Duration::from_secs(30);

/// How long after its deadline a read may return before it is reported as hung: a busy machine
/// schedules late.
pub(super) const OVERDUE_AFTER: Duration = Duration::from_secs(2);

/// How often a missing device is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The wait between two samples of an alarmed source, at the most: it earns nothing, and is tested
/// until it may earn again. A window of such samples takes a quarter of a minute.
const ALARMED_PACE: Duration = Duration::from_millis(50);

/// The least time between two pictures for the dashboard.
const PICTURE_EVERY: Duration = Duration::from_millis(500);

/// Runs one source until it is stopped.
pub(super) struct Runner<'a> {
    feed: &'a mut Feed,
    conditioner: Conditioner,
    source: Option<Box<dyn Source>>,
    sample: Sample,
    events: Sender<RunnerEvent>,
    wakeup: Arc<Wakeup>,
    device_call: Arc<DeviceCall>,
    board: Arc<StatusBoard>,
    incidents: Arc<IncidentLog>,
    rate: Rate,
    monitor: Monitor,
    /// How often the source has lost its credit: seen by the supervisor before blocks that wait.
    withdrawals: Arc<AtomicU64>,
    /// Notices of the last sample: one that persists is one alarm, not one per sample.
    noticed: Vec<HealthTest>,
    /// Why no samples come, as last reported; `None` while they do.
    lost: Option<(HealthTest, String)>,
    pictured_at: Option<Instant>,
}

/// What a runner shares with the rest of the collector.
pub(super) struct Surroundings {
    pub(super) events: Sender<RunnerEvent>,
    pub(super) wakeup: Arc<Wakeup>,
    pub(super) device_call: Arc<DeviceCall>,
    pub(super) board: Arc<StatusBoard>,
    pub(super) incidents: Arc<IncidentLog>,
    pub(super) monitor: Monitor,
    pub(super) withdrawals: Arc<AtomicU64>,
}

/// The supervisor has ended, and with it the reader of blocks.
struct Gone;

impl<'a> Runner<'a> {
    pub(super) fn new(feed: &'a mut Feed, surroundings: Surroundings) -> Self {
        let Surroundings { events, wakeup, device_call, board, incidents, monitor, withdrawals } =
            surroundings;
        feed.gate.require_assessment();
        Self {
            conditioner: Conditioner::new(&feed.id),
            feed,
            source: None,
            sample: Sample::new(Instant::now()),
            events,
            wakeup,
            device_call,
            board,
            incidents,
            rate: Rate::new(Instant::now()),
            monitor,
            withdrawals,
            noticed: Vec::new(),
            lost: None,
            pictured_at: None,
        }
    }

    pub(super) fn run(mut self) {
        while !self.wakeup.is_stopped() {
            if self.step().is_err() {
                return;
            }
        }
    }

    fn step(&mut self) -> Result<(), Gone> {
        // A panic in a driver's wrapper or a test fails that source alone.
        match catch_unwind(AssertUnwindSafe(|| self.read_and_judge())) {
            Ok(Ok(admission)) => self.take(&admission),
            Ok(Err(error)) => self.lose(test_of(&error), error.to_string()),
            Err(panic) => {
                let _ = self.device_call.end();
                self.lose(HealthTest::Crashed, message_of(panic.as_ref()))
            }
        }
    }

    fn read_and_judge(&mut self) -> Result<Admission, SourceError> {
        let began = Instant::now();
        let read = self.read();
        // The supervisor has withdrawn the credit: the sample is too late, and the source starts over.
        if self.device_call.end() && read.is_ok() {
            let waited_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            return Err(SourceError::Timeout { what: self.feed.id.clone(), waited_ms });
        }
        read?;
        self.lost = None;
        let mut admission = self.feed.gate.admit(&self.sample, Instant::now());
        self.assess(&mut admission);
        Ok(admission)
    }

    /// Reads one sample, and opens the device before that if it is closed.
    fn read(&mut self) -> Result<(), SourceError> {
        let source = match &mut self.source {
            Some(source) => source,
            closed => {
                self.device_call.begin(Instant::now() + OPENING);
                let source = (self.feed.open)()?;
                report_opened(self.feed, &self.board, source.facts());
                closed.insert(source)
            }
        };
        let now = Instant::now();
        self.sample.clear(now);
        let deadline = now + self.feed.deadline;
        self.device_call.begin(deadline + OVERDUE_AFTER);
        source.read(&mut self.sample, deadline)
    }

    /// Adds the sample's noise to the windows that are being filled, and withdraws the credit while
    /// the last window was worth less than is credited. A sample that has failed a health test is
    /// not assessed.
    fn assess(&mut self, admission: &mut Admission) {
        let (gate, sample) = (&self.feed.gate, &self.sample);
        if matches!(gate.state(), GateState::Starting { .. }) {
            self.monitor.start_up(gate.start_ups(), Instant::now());
        }
        if admission.findings.iter().all(|finding| finding.severity == Severity::Notice) {
            self.monitor.take(|noise| {
                noise.reserve(sample.bytes().len());
                gate.noise(sample, noise);
            });
        }
        if let Some(figure) = self.monitor.new_figure() {
            self.board.update(&self.feed.id, |report| report.live = Some(figure));
        }
        match self.monitor.verdict(self.feed.gate.claimed()) {
            Verdict::Fine => {
                if self.monitor.is_start_up_over(Instant::now()) {
                    self.feed.gate.assessed();
                }
            }
            Verdict::Low(finding) => self.feed.gate.object(admission, finding, Instant::now()),
            Verdict::StillLow => self.feed.gate.hold(admission, Instant::now()),
        }
    }

    /// A sample came: hashes it in, credited or not, and hands over a block if one is complete.
    fn take(&mut self, admission: &Admission) -> Result<(), Gone> {
        if let (Some(fingerprint), Some(remember)) =
            (admission.fingerprint, &mut self.feed.remember)
        {
            remember(fingerprint);
        }
        self.show_picture();
        self.report_sample(admission);
        if admission.withdrawn {
            self.withdraw()?;
        }
        let block =
            self.conditioner.absorb(self.sample.bytes(), admission.credit_bits, self.sample.taken);
        if let Some(block) = block {
            let withdrawals = self.withdrawals.load(Ordering::Acquire);
            self.send(RunnerEvent::Block(block, withdrawals))?;
            self.rest_after_a_block();
        }
        Ok(())
    }

    /// A healthy source rests until the pool needs it. An alarmed one cannot give what the pool
    /// needs, and keeps its own pace. A start-up test runs without pauses, or it would take as long
    /// as many seeds; only for its assessment it waits.
    fn rest_after_a_block(&self) {
        let pace = self.feed.pace;
        match self.feed.gate.state() {
            GateState::Healthy { .. } => self.wakeup.rest(Instant::now() + pace),
            GateState::Alarmed { .. } => {
                self.wakeup.back_off(Instant::now() + pace.min(ALARMED_PACE));
            }
            GateState::Starting { .. } => self.monitor.wait_for_start_up(pace),
        }
    }

    /// No sample came: withdraws the credit, closes the source, and retries later.
    fn lose(&mut self, test: HealthTest, detail: String) -> Result<(), Gone> {
        self.source = None;
        // The waiting time differs every time: the same timeout is not reported again.
        let is_known = |(known, words): &(HealthTest, String)| {
            *known == test && (test == HealthTest::Deadline || *words == detail)
        };
        if !self.lost.as_ref().is_some_and(is_known) {
            let is_new = self.lost.replace((test, detail.clone())).is_none();
            let mut incident = false;
            if is_new {
                (_, incident) = self.feed.gate.fail(Severity::Intermittent, Instant::now());
                self.withdraw()?;
            }
            self.raise(&Finding { test, severity: Severity::Intermittent, detail }, incident);
        }
        self.board.update(&self.feed.id, SourceReport::set_absent);
        let crashed_until = match self.feed.gate.state() {
            GateState::Alarmed { until } if test == HealthTest::Crashed => until,
            _ => Instant::now(),
        };
        self.wakeup.back_off(crashed_until.max(Instant::now() + LOOK_AGAIN));
        Ok(())
    }

    fn report_sample(&mut self, admission: &Admission) {
        let (notices, alarms): (Vec<_>, Vec<_>) =
            admission.findings.iter().partition(|finding| finding.severity == Severity::Notice);
        for notice in notices.iter().filter(|notice| !self.noticed.contains(&notice.test)) {
            self.raise(notice, false);
        }
        // One failure is one alarm: a sample that fails one test often fails the next as well. The
        // worst is reported, and of equal ones the first. A persistent failure during an alarm is
        // reported as an incident.
        let worst = alarms.into_iter().rev().max_by_key(|finding| finding.severity);
        if let Some(worst) = worst.filter(|_| admission.withdrawn || admission.incident) {
            self.raise(worst, admission.incident);
        }
        self.noticed = notices.iter().map(|notice| notice.test).collect();
        let state = match self.feed.gate.state() {
            GateState::Starting { .. } => SourceState::Starting,
            GateState::Healthy { .. } => SourceState::Healthy,
            GateState::Alarmed { .. } => SourceState::Alarmed,
        };
        // The average does not outlast the credit: it starts over, as the source does.
        if admission.withdrawn || state != SourceState::Healthy {
            self.rate = Rate::new(Instant::now());
        }
        let rate = self.rate.add(admission.credit_bits, Instant::now());
        self.board.update(&self.feed.id, |report| {
            report.samples += 1;
            report.credited_bits += u64::from(admission.credit_bits);
            report.credit_bits_per_second = rate;
            report.state = state;
        });
    }

    /// Reports an alarm: in the log, on the status board and, if it is one, as an incident.
    fn raise(&self, finding: &Finding, incident: bool) {
        let Finding { test, severity, detail } = finding;
        tracing::warn!(source = self.feed.id, test = test.name(), ?severity, "{detail}");
        if incident {
            self.incidents.open(Some(&self.feed.id), format!("{test}: {detail}"));
        }
        self.board.update(&self.feed.id, |report: &mut SourceReport| {
            report.add_alarm(*test, *severity, detail.clone());
        });
    }

    fn show_picture(&mut self) {
        let Shape::Frame(frame) = self.sample.shape else { return };
        let is_soon = self.pictured_at.is_some_and(|at| at.elapsed() < PICTURE_EVERY);
        if !self.feed.shown || is_soon {
            return;
        }
        self.pictured_at = Some(Instant::now());
        self.board.show(Picture {
            source: self.feed.id.clone(),
            frame,
            bytes: self.sample.bytes().to_vec(),
        });
    }

    /// Credit since the last seed does not count.
    fn withdraw(&mut self) -> Result<(), Gone> {
        self.conditioner.withdraw();
        self.withdrawals.fetch_add(1, Ordering::AcqRel);
        self.send(RunnerEvent::Withdrawn)
    }

    fn send(&self, event: RunnerEvent) -> Result<(), Gone> {
        self.events.send(event).map_err(|_| Gone)
    }
}

/// A source has been opened: reports it, and bases its credit on its calibration if that holds.
fn report_opened(feed: &mut Feed, board: &StatusBoard, mut facts: Facts) {
    let assessed = match feed.calibrated.as_mut().map(|calibrated| calibrated(&facts)) {
        None => None,
        Some(Ok(assessed)) => Some(assessed),
        Some(Err(why)) => {
            tracing::warn!(source = feed.id, "{why}");
            facts.notes.push(why);
            None
        }
    };
    feed.gate.claim(assessed.as_ref().map(|it| it.credited));
    let basis = assessed.as_ref().map_or_else(|| feed.credit_basis.clone(), ToString::to_string);
    board.update(&feed.id, |report| {
        report.identity = facts.identity;
        report.virtual_device = facts.virtual_device;
        report.notes = facts.notes;
        report.credit_basis = basis;
        report.assessed = assessed;
    });
}

fn test_of(error: &SourceError) -> HealthTest {
    match error {
        SourceError::Timeout { .. } => HealthTest::Deadline,
        SourceError::IdentityChanged { .. } => HealthTest::IdentityChange,
        _ => HealthTest::Unreadable,
    }
}

/// The message of a panic, written by our own code or a dependency; never sample bytes.
fn message_of(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the source's code failed: {}", words.unwrap_or("no message"))
}
