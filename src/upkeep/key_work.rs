//! The periodic work on keys and records: made at the first start, opened at each, swept, rotated, anchored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use crate::audit::{Actor, AuditError};
use crate::caller::tenants::Tenants;
use crate::caller::token::ReloadableTokens;
use crate::config::Config;
use crate::dialect::aws_kms::due_deletion::delete_due_keys;
use crate::incident::IncidentLog;
use crate::keyring::seal::{SealChoice, SealKind};
use crate::keyring::{Condition, Keyring};
use crate::kv::{Compaction, KvError, Store};
use crate::machine::{ClockReading, unix_now};
use crate::state::{ADMIN_TOKEN, StateDir};
use crate::upkeep::admin_token;
use crate::upkeep::rotation::Rotation;
use lavawall_entropy::Generator;

/// How often keys are destroyed that were scheduled for it by day.
const DELETION_EVERY: Duration = Duration::from_hours(1);

/// The interval between looks: expired records are removed from the disk within it.
const EVERY: Duration = Duration::from_secs(1);

/// While the keyring is sealed: the caller that unseals it waits for the records.
const EVERY_WHILE_SEALED: Duration = Duration::from_millis(100);

/// The longest wait after a failure: each failed try is a line in the audit log.
const RETRY_MOST: Duration = Duration::from_mins(5);

/// The longest wait while the storage cannot be read or written, which is no line in the audit log.
const RETRY_AWAY_MOST: Duration = Duration::from_secs(5);

/// Before the first seed.
const EVERY_BEFORE_SEED: Duration = Duration::from_millis(20);

/// The least interval between writes of the commit count to the anchor, which is written when it has changed.
const ANCHOR_EVERY: Duration = Duration::from_secs(1);

/// Records whose bytes are counted at each look, after a start.
const MEASURED_EVERY: usize = 10_000;

/// The pause between turns of the scrub: its rate is per second.
const SCRUB_EVERY: Duration = Duration::from_secs(1);

/// The most sweeps in a row.
const SWEEPS: usize = 20;

/// The callers that the state directory and the store name.
#[derive(Clone, Default)]
pub(crate) struct KnownCallers {
    /// The administrator's token.
    pub(crate) tokens: Arc<ReloadableTokens>,
    pub(crate) tenants: Arc<Tenants>,
}

/// The work of the thread, and its state.
pub(crate) struct KeyWork {
    init: bool,
    state_dir: Arc<StateDir>,
    generator: Arc<Generator>,
    incidents: Arc<IncidentLog>,
    store: Arc<Store>,
    callers: KnownCallers,
    keyring: Arc<Keyring>,
    has_token: bool,
    rotation: Rotation,
    rotation_rate: u32,
    rotation_due: Instant,
    deletion_due: Instant,
    scrub_rate: usize,
    scrub_due: Instant,
    /// The keyring's condition at the last look.
    condition: Option<Condition>,
    /// After a failure: the time of the next try, and the last wait.
    not_before: Option<(Instant, Duration)>,
    /// The last reported error, so that it is reported once.
    reported: String,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl KeyWork {
    /// The work on this keyring and its store, before the first look.
    pub(crate) fn new(
        config: &Config,
        state_dir: &Arc<StateDir>,
        generator: &Arc<Generator>,
        incidents: &Arc<IncidentLog>,
        store: &Arc<Store>,
        callers: KnownCallers,
        keyring: Arc<Keyring>,
    ) -> Self {
        Self {
            init: config.keyring.init,
            state_dir: Arc::clone(state_dir),
            generator: Arc::clone(generator),
            incidents: Arc::clone(incidents),
            store: Arc::clone(store),
            callers,
            keyring,
            has_token: false,
            rotation: Rotation::default(),
            rotation_rate: config.kv.rotation_rate,
            rotation_due: Instant::now(),
            deletion_due: Instant::now(),
            scrub_rate: usize::try_from(config.kv.scrub_rate).unwrap_or(usize::MAX),
            scrub_due: Instant::now() + SCRUB_EVERY,
            condition: None,
            not_before: None,
            reported: String::new(),
        }
    }

    /// Works until the stop signal.
    pub(crate) fn run(&mut self, stop: &Receiver<()>, has_looked: &AtomicBool) {
        let mut anchored = Instant::now();
        let mut pause = EVERY_BEFORE_SEED;
        while stop.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            if self.waits_for_a_seed() {
                continue;
            }
            pause = self.look();
            has_looked.store(true, Ordering::Release);
            for finding in self.store.take_findings().into_iter().chain(self.store.take_damage()) {
                self.report(finding);
            }
            if anchored.elapsed() >= ANCHOR_EVERY {
                anchored = Instant::now();
                self.anchor_commits();
            }
            report_unlogged(&self.keyring.audit().write_turned_away(Instant::now()));
        }
        if self.store.is_open()
            && let Err(error) = self.callers.tenants.write_usage(&self.store, unix_now())
        {
            tracing::error!("the use of tenants in the last second is not written: {error}");
        }
        self.anchor_commits();
        report_unlogged(&self.keyring.audit().finish());
    }

    /// Whether the keyring or the token must be made, which needs a seed. Existing ones are read without
    /// one.
    fn waits_for_a_seed(&self) -> bool {
        let is_to_be_made = || {
            let token = self.state_dir.file(ADMIN_TOKEN);
            (self.init && self.keyring.condition() == Condition::Absent) || !token.exists()
        };
        !self.has_token && !self.can_seal() && is_to_be_made()
    }

    fn can_seal(&self) -> bool {
        self.generator.check(Instant::now()).is_ok()
    }

    /// Does the work that is due and reports an error once; returns the pause until the next look.
    fn look(&mut self) -> Duration {
        let condition = self.keyring.condition();
        let is_as_before = self.condition.replace(condition) == Some(condition);
        if is_as_before && self.not_before.is_some_and(|(until, _)| Instant::now() < until) {
            return EVERY;
        }
        let (pause, error) = match self.try_look() {
            Ok(pause) => {
                self.not_before = None;
                (pause.min(EVERY), String::new())
            }
            // A call sealed it in between: the work is no longer due.
            Err(_) if is_open(condition) && !is_open(self.keyring.condition()) => {
                (EVERY_WHILE_SEALED, String::new())
            }
            Err(error) => {
                let waited = self.not_before.map_or(EVERY, |(_, waited)| waited);
                let is_away = matches!(error.downcast_ref(), Some(KvError::Storage(_)));
                let most = if is_away { RETRY_AWAY_MOST } else { RETRY_MOST };
                let wait = (waited * 2).min(most);
                self.not_before = Some((Instant::now() + wait, wait));
                (EVERY, error.to_string())
            }
        };
        match (error.as_str(), self.reported.as_str()) {
            (now, before) if now == before => {}
            ("", _) => tracing::info!("keys and records: working again"),
            (now, _) => self.report(format!("keys and records: {now}")),
        }
        self.reported = error;
        pause
    }

    fn try_look(&mut self) -> Result<Duration, AnyError> {
        // From the first look on, also while nothing can be written.
        let clock = ClockReading::now();
        if let Some(finding) = self.store.watch_clock(clock) {
            self.report(finding);
        }
        if !self.has_token {
            let tokens = admin_token::read_or_make(&self.state_dir, &self.generator)?;
            self.callers.tokens.set(tokens);
            self.has_token = true;
        }
        match self.keyring.condition() {
            Condition::Absent if self.init => {
                self.store.init(&Actor::SERVICE, &SealChoice::File)?;
                tracing::info!(
                    "made a keyring under a file seal; docs/keys.md says what it protects"
                );
            }
            Condition::Sealed(SealKind::File) if !self.keyring.is_to_stay_sealed() => {
                self.keyring.unseal_stored(&Actor::SERVICE)?;
            }
            _ => {}
        }
        if !is_open(self.keyring.condition()) {
            return Ok(EVERY_WHILE_SEALED);
        }
        let store = &self.store;
        if !store.is_open() {
            self.open(store)?;
        }
        store.follow()?;
        for finding in self.callers.tenants.load(store)? {
            self.report(finding);
        }
        store.measure_owned(MEASURED_EVERY)?;
        if self.scrub_rate > 0 && Instant::now() >= self.scrub_due {
            store.scrub(self.scrub_rate, SystemTime::now())?;
            self.scrub_due = Instant::now() + SCRUB_EVERY;
        }
        if !self.can_seal() {
            // Records can be read; nothing can be written, and the generator's state has the reason.
            return Ok(EVERY);
        }
        if store.read_only().is_some() {
            // Until the operator repairs it.
            return Ok(EVERY);
        }
        let now = unix_now();
        self.callers.tenants.finish_removals(store, &Actor::SERVICE)?;
        self.callers.tenants.write_usage(store, now)?;
        for _ in 0..SWEEPS {
            if store.sweep(now)? == 0 {
                break;
            }
        }
        // A disk that refuses clients must be reported here too, and tried again.
        store.check_writable()?;
        if Instant::now() >= self.deletion_due && store.clock_doubt().is_none() {
            self.deletion_due = Instant::now() + DELETION_EVERY;
            let (deleted, failed) = delete_due_keys(&self.callers.tenants, store, now);
            if let Some(failed) = failed {
                self.report(format!("a key that is due is not destroyed: {failed}"));
            }
            if deleted > 0 {
                tracing::info!("{deleted} keys were destroyed that their owners had scheduled");
            }
        }
        let now = Instant::now();
        if now >= self.rotation_due {
            let rest =
                self.rotation.turn(store, clock.calendar, self.rotation_rate)?.unwrap_or(EVERY);
            self.rotation_due = Instant::now() + rest;
        }
        Ok(self.rotation_due.saturating_duration_since(now))
    }

    /// Opens the store, and reports what the audit log and the anchor say.
    fn open(&self, store: &Store) -> Result<(), AnyError> {
        for finding in self.keyring.audit_findings()? {
            self.report(format!("audit log: {finding}"));
        }
        if let Some(finding) = self.keyring.anchor_finding() {
            self.report(finding);
        }
        let started = Instant::now();
        store.open()?;
        let records: usize = store.report()?.iter().map(|it| it.records).sum();
        tracing::info!("opened {records} records in {} ms", started.elapsed().as_millis());
        compact_if_mostly_free(store);
        Ok(())
    }

    fn report(&self, finding: String) {
        tracing::error!("{finding}");
        self.incidents.open(None, finding);
    }

    fn anchor_commits(&self) {
        let store = &self.store;
        if let Some(error) = store.is_open().then(|| store.anchor_commits().err()).flatten() {
            tracing::error!("{error}");
        }
    }
}

/// Records can be used without it: a failure is a line in the log.
fn compact_if_mostly_free(store: &Store) {
    let started = Instant::now();
    match store.compact_if_mostly_free() {
        Ok(None) => {}
        Ok(Some(Compaction { before, after })) => {
            let (before, after) = (before.file_bytes, after.file_bytes);
            let took = started.elapsed().as_millis();
            tracing::info!("compacted the store from {before} to {after} bytes in {took} ms");
        }
        Err(error) => tracing::warn!("{error}; most of its file is free space"),
    }
}

fn is_open(condition: Condition) -> bool {
    matches!(condition, Condition::Unsealed(_))
}

/// Reports a failure; the calls stay counted, and the line is tried again.
fn report_unlogged(written: &Result<(), AuditError>) {
    if let Err(error) = written {
        tracing::error!("calls without a known token were refused: {error}");
    }
}
