//! Keys and records beside the service: made at the first start, opened at each, kept up while it runs.
//!
//! All of it happens on a thread of its own, once the generator has a seed: `/random` never waits for
//! it, and goes on when it fails.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::audit::AuditError;
use crate::caller::token::{ReloadableTokens, Tokens, hash_token};
use crate::collector::status::Board;
use crate::config::Config;
use crate::durable;
use crate::keyring;
use crate::keyring::seal::{Choice, SealKind};
use crate::keyring::{Condition, Keyring, Places};
use crate::kv::Store;
use crate::kv::engine::RedbStorage;
use crate::state::{ADMIN_TOKEN, AUDIT_LOG, StateDir};
use crate::upkeep::rotation;
use lavawall_entropy::Generator;

/// How often it is looked for work: expired records are gone from the disk this soon.
const EVERY: Duration = Duration::from_secs(1);

/// As long as the keyring is sealed: whoever opens it waits for its records.
const EVERY_WHILE_SEALED: Duration = Duration::from_millis(100);

/// The longest wait after a failure: each failed try is a line in the audit log.
const RETRY_MOST: Duration = Duration::from_mins(5);

/// As long as there is no seed yet.
const EVERY_BEFORE_SEED: Duration = Duration::from_millis(20);

/// How often the anchor is told how often the store was written.
const MARK_EVERY: Duration = Duration::from_mins(1);

/// Batches of expired records removed in a row.
const SWEEPS: usize = 20;

/// The thread; told to stop, and waited for, when dropped.
pub(crate) struct Keys {
    store: Arc<Store>,
    tokens: Arc<ReloadableTokens>,
    looked: Arc<AtomicBool>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works on.
struct Work {
    init: bool,
    state_dir: Arc<StateDir>,
    generator: Arc<Generator>,
    board: Arc<Board>,
    store: Arc<Store>,
    tokens: Arc<ReloadableTokens>,
    keyring: Arc<Keyring>,
    has_token: bool,
    rotation_rate: u32,
    rotation_due: Instant,
    /// How the keyring was when it was looked at last.
    condition: Option<Condition>,
    /// After a failure it is not tried again before this; and how long was waited last.
    not_before: Option<(Instant, Duration)>,
    /// What was said last, so that it is not said every second.
    said: String,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl Keys {
    /// Reads the keyring's file, and starts the thread.
    ///
    /// # Errors
    /// When it cannot be read, or the system gives no thread.
    pub(crate) fn start(
        config: &Config,
        state_dir: &Arc<StateDir>,
        generator: &Arc<Generator>,
        board: &Arc<Board>,
    ) -> Result<Self, AnyError> {
        let keyring = Keyring::load(places(config, state_dir), Arc::clone(generator))?;
        let keyring = Arc::new(keyring);
        let cache = usize::try_from(config.kv.cache.as_u64())?;
        let storage = Box::new(RedbStorage::at(&state_dir.file("store"), cache));
        let accepted = config.kv.accepted();
        let opened = usize::try_from(config.kv.opened_cache.as_u64())?;
        let store = Store::new(Arc::clone(&keyring), Arc::clone(generator), storage, accepted)
            .holding_opened(opened);
        let (store, tokens) = (Arc::new(store), Arc::<ReloadableTokens>::default());
        let mut work = Work {
            init: config.keyring.init,
            state_dir: Arc::clone(state_dir),
            generator: Arc::clone(generator),
            board: Arc::clone(board),
            store: Arc::clone(&store),
            tokens: Arc::clone(&tokens),
            keyring,
            has_token: false,
            rotation_rate: config.kv.rotation_rate,
            rotation_due: Instant::now(),
            condition: None,
            not_before: None,
            said: String::new(),
        };
        let looked = Arc::new(AtomicBool::new(false));
        let has_looked = Arc::clone(&looked);
        let (stop, told) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("keys".into())
            .spawn(move || work.run(&told, &has_looked))?;
        Ok(Self { store, tokens, looked, stop: Some(stop), thread: Some(thread) })
    }

    /// Whether the first start's work was done, or could not be.
    pub(crate) fn has_looked(&self) -> bool {
        self.looked.load(Ordering::Acquire)
    }

    /// The store.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// The tokens that admit to the store; set once the administrator's token is read or made.
    pub(crate) fn tokens(&self) -> Arc<ReloadableTokens> {
        Arc::clone(&self.tokens)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic was printed where it happened.
            let _ = thread.join();
        }
    }
}

/// Where the keyring and what belongs to it are.
fn places(config: &Config, state_dir: &StateDir) -> Places {
    Places {
        keyring: state_dir.file("keyring"),
        seal_file: config.keyring.seal_file.clone().unwrap_or(state_dir.file("seal-key")),
        audit: state_dir.file(AUDIT_LOG),
        anchor: config.keyring.anchor.clone(),
    }
}

fn is_open(condition: Condition) -> bool {
    matches!(condition, Condition::Open(_))
}

/// What was turned away stays counted, and is tried again.
fn say_not_written(written: &Result<(), AuditError>) {
    if let Err(error) = written {
        tracing::error!("calls without a known token were refused: {error}");
    }
}

impl Work {
    /// Works until told to stop.
    fn run(&mut self, told: &Receiver<()>, has_looked: &AtomicBool) {
        let mut marked = Instant::now();
        let mut pause = EVERY_BEFORE_SEED;
        while told.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            if self.waits_for_a_seed() {
                continue;
            }
            pause = self.look();
            has_looked.store(true, Ordering::Release);
            if marked.elapsed() >= MARK_EVERY {
                marked = Instant::now();
                self.mark();
            }
            say_not_written(&self.keyring.audit().write_turned_away(Instant::now()));
        }
        self.mark();
        say_not_written(&self.keyring.audit().finish());
    }

    /// Whether what has to be made first can be made only once there is a seed. What is there is opened
    /// without one.
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

    /// Does what is to be done now, and says what stands in the way, once; gives when to look again.
    fn look(&mut self) -> Duration {
        let condition = self.keyring.condition();
        let is_as_before = self.condition.replace(condition) == Some(condition);
        if is_as_before && self.not_before.is_some_and(|(until, _)| Instant::now() < until) {
            return EVERY;
        }
        let (pause, said) = match self.try_look() {
            Ok(pause) => {
                self.not_before = None;
                (pause.min(EVERY), String::new())
            }
            // Somebody sealed it meanwhile: what was begun need not be done.
            Err(_) if is_open(condition) && !is_open(self.keyring.condition()) => {
                (EVERY_WHILE_SEALED, String::new())
            }
            Err(error) => {
                let waited = self.not_before.map_or(EVERY, |(_, waited)| waited);
                let wait = (waited * 2).min(RETRY_MOST);
                self.not_before = Some((Instant::now() + wait, wait));
                (EVERY, error.to_string())
            }
        };
        match (said.as_str(), self.said.as_str()) {
            (now, before) if now == before => {}
            ("", _) => tracing::info!("keys and records: all is well again"),
            (now, _) => self.find(format!("keys and records: {now}")),
        }
        self.said = said;
        pause
    }

    fn try_look(&mut self) -> Result<Duration, AnyError> {
        if !self.has_token {
            self.tokens.set(self.token()?);
            self.has_token = true;
        }
        match self.keyring.condition() {
            Condition::Absent if self.init => {
                self.store.init(&Choice::File)?;
                tracing::info!(
                    "made a keyring under a file seal; docs/keys.md says what it protects"
                );
            }
            Condition::Sealed(SealKind::File) if !self.keyring.is_to_stay_sealed() => {
                self.keyring.open_alone()?;
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
        if !self.can_seal() {
            // Records can be read; nothing can be written, and the generator's state says why.
            return Ok(EVERY);
        }
        let now = keyring::seconds(SystemTime::now());
        for _ in 0..SWEEPS {
            if store.sweep(now)? == 0 {
                break;
            }
        }
        // What clients are refused should be told here, too, and tried again.
        store.check_writable()?;
        let now = Instant::now();
        if now >= self.rotation_due {
            let rest = rotation::turn(store, self.rotation_rate)?.unwrap_or(EVERY);
            self.rotation_due = Instant::now() + rest;
        }
        Ok(self.rotation_due.saturating_duration_since(now))
    }

    /// Opens the store, and says what an operator should look at.
    fn open(&self, store: &Store) -> Result<(), AnyError> {
        for finding in self.keyring.audit_findings()? {
            self.find(format!("audit log: {finding}"));
        }
        if let Some(finding) = self.keyring.anchor_finding() {
            self.find(finding);
        }
        let started = Instant::now();
        store.open()?;
        let records: usize = store.report()?.iter().map(|it| it.records).sum();
        tracing::info!("opened {records} records in {} ms", started.elapsed().as_millis());
        for finding in store.findings() {
            self.find(finding);
        }
        Ok(())
    }

    fn find(&self, finding: String) {
        tracing::error!("{finding}");
        self.board.add_incident(None, finding);
    }

    fn mark(&self) {
        let store = &self.store;
        if let Some(error) = store.is_open().then(|| store.mark().err()).flatten() {
            tracing::error!("{error}");
        }
    }

    /// The administrator's token, made at the first start.
    fn token(&self) -> Result<Tokens, AnyError> {
        let path = self.state_dir.file(ADMIN_TOKEN);
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let token = match durable::read(&path) {
            Ok(token) => token,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_token()?,
            Err(error) => return Err(failed(error).into()),
        };
        let token = str::from_utf8(&token).map_err(|error| failed(io::Error::other(error)))?;
        let mode = path.metadata()?.mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.display();
            return Err(
                format!("{path} has mode {mode:03o}: others can read it; chmod 600 it").into()
            );
        }
        let token = token.trim();
        if token.is_empty() {
            return Err(
                format!("{} is empty; remove it to have another made", path.display()).into()
            );
        }
        Ok(Tokens::parse(&format!("admin {}", hash_token(token)))?)
    }

    fn make_token(&self) -> Result<Zeroizing<Vec<u8>>, AnyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.generator.fill(bytes.as_mut_slice())?;
        let token = Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_slice()));
        let token = Zeroizing::new([token.as_bytes(), b"\n"].concat());
        self.state_dir.replace(ADMIN_TOKEN, &token)?;
        Ok(token)
    }
}
