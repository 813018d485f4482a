//! The thread of one source: open, read, judge, condition, hand over. What happens to one source
//! stays in its own thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Sender;

use crate::collector::Event;
use crate::collector::feed::Feed;
use crate::collector::monitor::{Live, Verdict};
use crate::collector::rate::Rate;
use crate::collector::status::{Alarm, Board, Picture, SourceReport, SourceState};
use crate::collector::wakeup::Bell;
use crate::source::{Facts, Source, SourceError};
use lavawall_entropy::{
    Admission, Conditioner, Finding, GateState, HealthTest, Sample, Severity, Shape,
};

/// How often a device that is not there is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How often at most a picture is copied for the dashboard.
const PICTURE_EVERY: Duration = Duration::from_millis(500);

/// Runs one source until it is told to stop.
pub(crate) struct Runner {
    feed: Feed,
    conditioner: Conditioner,
    source: Option<Box<dyn Source>>,
    sample: Sample,
    events: Sender<Event>,
    bell: Arc<Bell>,
    board: Arc<Board>,
    rate: Rate,
    live: Live,
    /// Notices of the last sample: one that stays is one alarm, not one a sample.
    noticed: Vec<HealthTest>,
    /// Why no samples come, as it was last told; `None` while they do.
    lost: Option<(HealthTest, String)>,
    pictured_at: Option<Instant>,
}

/// The collector has gone: there is nobody to run for.
struct Gone;

impl Runner {
    pub(crate) fn new(
        feed: Feed,
        events: Sender<Event>,
        bell: Arc<Bell>,
        board: Arc<Board>,
        live: Live,
    ) -> Self {
        Self {
            conditioner: Conditioner::new(&feed.id),
            feed,
            source: None,
            sample: Sample::new(Instant::now()),
            events,
            bell,
            board,
            rate: Rate::new(Instant::now()),
            live,
            noticed: Vec::new(),
            lost: None,
            pictured_at: None,
        }
    }

    pub(crate) fn run(mut self) {
        while !self.bell.is_stopped() {
            if self.step().is_err() {
                return;
            }
        }
    }

    fn step(&mut self) -> Result<(), Gone> {
        // A panic in a driver's wrapper or a test is that source's failure, nobody else's.
        match catch_unwind(AssertUnwindSafe(|| self.read_and_judge())) {
            Ok(Ok(admission)) => self.take(&admission),
            Ok(Err(error)) => self.lose(test_of(&error), error.to_string()),
            Err(panic) => self.lose(HealthTest::Crashed, message_of(panic.as_ref())),
        }
    }

    fn read_and_judge(&mut self) -> Result<Admission, SourceError> {
        let source = match &mut self.source {
            Some(source) => source,
            closed => {
                let source = (self.feed.open)()?;
                found(&mut self.feed, &self.board, source.facts());
                closed.insert(source)
            }
        };
        self.sample.clear(Instant::now());
        source.read(&mut self.sample, Instant::now() + self.feed.deadline)?;
        self.lost = None;
        let mut admission = self.feed.gate.admit(&self.sample, Instant::now());
        self.assess(&mut admission);
        Ok(admission)
    }

    /// Puts the sample's noise into the window that is being filled, and withdraws the credit while
    /// the last window was worth less than is credited. A sample that has failed a health test needs
    /// no second judge.
    fn assess(&mut self, admission: &mut Admission) {
        let (gate, sample) = (&self.feed.gate, &self.sample);
        if admission.findings.iter().all(|finding| finding.severity == Severity::Notice) {
            self.live.take(|noise| {
                noise.reserve(sample.bytes().len());
                gate.noise(sample, noise);
            });
        }
        if let Some(figure) = self.live.news() {
            self.board.update(&self.feed.id, |report| report.live = Some(figure));
        }
        match self.live.verdict(self.feed.gate.claimed()) {
            Verdict::Fine => {}
            Verdict::Low(finding) => self.feed.gate.object(admission, finding, Instant::now()),
            Verdict::StillLow => self.feed.gate.hold(admission, Instant::now()),
        }
    }

    /// A sample came. Hash it in whatever it is worth, and hand over a block if one is complete.
    fn take(&mut self, admission: &Admission) -> Result<(), Gone> {
        if let (Some(fingerprint), Some(remember)) =
            (admission.fingerprint, &mut self.feed.remember)
        {
            remember(fingerprint);
        }
        self.show_picture();
        self.report_sample(admission);
        if admission.withdrawn {
            self.conditioner.withdraw();
            self.send(Event::Withdrawn)?;
        }
        let block =
            self.conditioner.absorb(self.sample.bytes(), admission.credit_bits, self.sample.taken);
        if let Some(block) = block {
            self.send(Event::Block(block))?;
            // A start-up test is run without pauses, or it would take as long as many seeds.
            if !matches!(self.feed.gate.state(), GateState::Starting { .. }) {
                self.bell.rest(Instant::now() + self.feed.pace);
            }
        }
        Ok(())
    }

    /// No sample came. Withdraw, close, and look again later.
    fn lose(&mut self, test: HealthTest, detail: String) -> Result<(), Gone> {
        self.source = None;
        self.live.interrupt();
        // How long a device was waited for differs every time and is no news.
        let is_known = |(known, words): &(HealthTest, String)| {
            *known == test && (test == HealthTest::Deadline || *words == detail)
        };
        if !self.lost.as_ref().is_some_and(is_known) {
            let is_new = self.lost.replace((test, detail.clone())).is_none();
            let mut incident = false;
            if is_new {
                self.conditioner.withdraw();
                (_, incident) = self.feed.gate.fail(Severity::Intermittent, Instant::now());
            }
            self.raise(&Finding { test, severity: Severity::Intermittent, detail }, incident);
            if is_new {
                self.send(Event::Withdrawn)?;
            }
        }
        self.board.update(&self.feed.id, |report| {
            report.state = SourceState::Absent;
            report.credit_bits_per_second = 0.0;
        });
        let crashed_until = match self.feed.gate.state() {
            GateState::Alarmed { until } if test == HealthTest::Crashed => until,
            _ => Instant::now(),
        };
        self.bell.back_off(crashed_until.max(Instant::now() + LOOK_AGAIN));
        Ok(())
    }

    fn report_sample(&mut self, admission: &Admission) {
        let (notices, alarms): (Vec<_>, Vec<_>) =
            admission.findings.iter().partition(|finding| finding.severity == Severity::Notice);
        for notice in notices.iter().filter(|notice| !self.noticed.contains(&notice.test)) {
            self.raise(notice, false);
        }
        // One failure is one alarm: what fails one test often fails the next as well. The worst
        // one is told, and of equally bad ones the first.
        let worst = alarms.into_iter().rev().max_by_key(|finding| finding.severity);
        if let Some(worst) = worst.filter(|_| admission.withdrawn) {
            self.raise(worst, admission.incident);
        }
        self.noticed = notices.iter().map(|notice| notice.test).collect();
        let rate = self.rate.add(admission.credit_bits, Instant::now());
        let state = match self.feed.gate.state() {
            GateState::Starting { .. } => SourceState::Starting,
            GateState::Healthy { .. } => SourceState::Healthy,
            GateState::Alarmed { .. } => SourceState::Alarmed,
        };
        self.board.update(&self.feed.id, |report| {
            report.samples += 1;
            report.credited_bits += u64::from(admission.credit_bits);
            report.credit_bits_per_second = rate;
            report.state = state;
        });
    }

    /// Puts an alarm where people look: the log, the board and, if it is one, the incidents.
    fn raise(&self, finding: &Finding, incident: bool) {
        let Finding { test, severity, detail } = finding;
        tracing::warn!(source = self.feed.id, test = test.name(), ?severity, "{detail}");
        if incident {
            self.board.add_incident(Some(self.feed.id.clone()), format!("{test}: {detail}"));
        }
        self.board.update(&self.feed.id, |report: &mut SourceReport| {
            report.alarms += 1;
            report.last_alarm = Some(Alarm {
                test: *test,
                severity: *severity,
                detail: detail.clone(),
                at: SystemTime::now(),
            });
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

    fn send(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event).map_err(|_| Gone)
    }
}

/// A source has been opened: says so on the board, and settles what its credit rests on.
fn found(feed: &mut Feed, board: &Board, mut facts: Facts) {
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

/// The words of a panic, which our own code and its dependencies write; never sample bytes.
fn message_of(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the source's code failed: {}", words.unwrap_or("no message"))
}
