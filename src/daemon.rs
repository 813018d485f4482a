//! The service: puts sources, generator and HTTP together, and listens to signals.

pub(crate) mod harden;
mod heartbeat;
pub(crate) mod local;
pub(crate) mod notify;
pub(crate) mod trial;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::caller::service_limits::ServiceLimits;
use crate::collector::Collector;
use crate::collector::status::StatusBoard;
use crate::config::{Config, ConfigError};
use crate::credential;
use crate::credential::server::CredentialSupply;
use crate::egd;
use crate::egd::server::EgdListener;
use crate::egd::tenant_supply::TenantSupply;
use crate::exitcode::Exit;
use crate::http;
use crate::http::{AccessControl, AccessError, FreshError, ListenError};
use crate::incident::IncidentLog;
use crate::kms;
use crate::kms::kms_key::KmsKey;
use crate::kms::server::KmsListener;
use crate::net::bound_listener::BoundListener;
use crate::net::listen_address::ListenAddress;
use crate::net::unix::AdminSocket;
use crate::service_log;
use lavawall_entropy::{Generator, Readiness};

use crate::state::ready_file::{ReadyFile, ReadyFileError};
use crate::state::{ADMIN_SOCKET, StateDir, StateDirError};
use crate::upkeep::keys::KeyUpkeep;
use heartbeat::{Heartbeat, Pulse};
use notify::Notify;

/// How often the main thread checks the state, for the ready file and the service manager.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A service without a seed after this time reports that it is up all the same: it answers, with 503
/// and the reason.
const READY_AFTER: Duration = Duration::from_secs(5);

/// Signals that come together, as `timeout` and terminals send them, count as one.
const SECOND_SIGNAL_AFTER: Duration = Duration::from_secs(1);

/// How often a new boot seed is written, besides once after the first seed and once at the end.
const BOOT_SEED_EVERY: Duration = Duration::from_hours(1);

/// The incident of a lock's file that was removed or replaced.
const LOCK_LOST: &str = "the file `lock` in the state directory was removed or replaced while the \
                         service runs: restart the service, and remove no file of it while it runs";

/// Options of the command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// The file for the address, written once the service is ready.
    pub ready_file: Option<PathBuf>,
    /// Show the rendered wall when there is no camera.
    pub demo: bool,
}

/// Why the service did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DaemonError {
    /// The state directory.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// Certificates or tokens.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The ready file.
    #[error(transparent)]
    ReadyFile(#[from] ReadyFileError),
    /// Memory, threads, signals.
    #[error("the system gave no memory or no thread: {0}")]
    System(#[from] std::io::Error),
    /// The collector ended on its own.
    #[error("the collector of noise has ended: no new seed would come")]
    CollectorEnded,
    /// The collector does nothing.
    #[error("the collector of noise hangs: no new seed would come")]
    CollectorHangs,
    /// The thread that keeps keys and records ended on its own.
    #[error("the thread that keeps keys and records has ended")]
    KeysEnded,
    /// HTTP ended on its own.
    #[error("HTTP has stopped: {0}")]
    Http(io::Error),
    /// The entropy gathering daemon's protocol ended on its own.
    #[error("EGD has stopped: {0}")]
    Egd(io::Error),
    /// Kubernetes KMS v2 ended on its own.
    #[error("KMS has stopped: {0}")]
    Kms(io::Error),
    /// The socket for credentials ended on its own.
    #[error("the socket for credentials has stopped: {0}")]
    Credential(io::Error),
}

impl DaemonError {
    /// The exit code that says the same.
    #[must_use]
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::StateDir(StateDirError::InUse { .. })
            | Self::Listen(ListenError::Address { .. })
            | Self::System(_) => Exit::Refused,
            Self::StateDir(StateDirError::Exposed { .. } | StateDirError::Foreign { .. })
            | Self::Listen(ListenError::Key { .. })
            | Self::Access(_) => Exit::Config,
            Self::StateDir(_) | Self::ReadyFile(_) => Exit::CannotCreate,
            Self::CollectorEnded
            | Self::CollectorHangs
            | Self::KeysEnded
            | Self::Http(_)
            | Self::Egd(_)
            | Self::Kms(_)
            | Self::Credential(_) => Exit::Software,
        }
    }
}

/// Runs the service until a signal stops it. `reread` reads the configuration again, for a reload.
///
/// # Errors
/// Why it could not start, or the fault that ended it.
pub(crate) fn run(
    config: &Config,
    options: &Options,
    reread: impl Fn() -> Result<Config, ConfigError>,
) -> Result<(), DaemonError> {
    harden::leave_no_core_dump();
    let sockets = config.listen.len() * config.http.threads()
        + config.egd.len()
        + config.kms.len()
        + usize::from(config.credential.is_some());
    harden::take_descriptors(config.http.max_connections, sockets);
    let StartResources {
        state_dir,
        access,
        listeners,
        egd_listeners,
        kms_listeners,
        credential_listener,
    } = StartResources::take(config, &state_dir(config)?)?;
    let socket = bind_admin_socket(&admin_socket(config, &state_dir));
    let service = Service::start(config, options, Arc::new(state_dir), Arc::new(access))?;
    let bound = listeners.iter().chain(&egd_listeners).chain(&kms_listeners);
    let addresses: Vec<_> = bound.map(|listener| listener.address().clone()).collect();
    let ready_file = ReadyFile::new(options.ready_file.clone(), &addresses)?;
    for (listener, address) in config.listeners().iter().zip(&addresses) {
        tracing::info!("listening on {}", listener.described(address));
    }

    let (stop, stopped) = watch::channel(false);
    let mut servers = Vec::new();
    servers.extend(service.start_egd(config, egd_listeners, &stopped)?);
    servers.extend(service.start_kms(config, kms_listeners, &stopped)?);
    servers.extend(service.start_credential(config, credential_listener, &stopped)?);
    let http_service = service.http(config);
    let access = Arc::clone(&service.access);
    let http_config = config.http.clone();
    servers.push(ServerThread::start("http", DaemonError::Http, move || {
        let dialects = crate::dialect::dialects();
        http::serve(http_service, dialects, listeners, socket, access, &http_config, &stopped)
    })?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended =
        runtime.block_on(service.watch(config, options, ready_file, reread, &stop, &servers));
    // All finish, also after a fault; their threads end within the drain timeout.
    let _ = stop.send(true);
    let served: Vec<_> = servers.into_iter().map(ServerThread::join).collect();
    if let Err(error @ DaemonError::CollectorHangs) = &ended {
        // Its thread cannot be joined: the service manager starts another process.
        tracing::error!("{error}");
        std::process::exit(error.exit() as i32);
    }
    service.leave_boot_seed();
    served.into_iter().fold(ended, Result::and)
}

/// A server on a thread of its own.
struct ServerThread {
    thread: JoinHandle<io::Result<()>>,
    /// The fault that it ends with.
    failed: fn(io::Error) -> DaemonError,
}

impl ServerThread {
    fn start(
        name: &str,
        failed: fn(io::Error) -> DaemonError,
        serve: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(serve)?;
        Ok(Self { thread, failed })
    }

    fn join(self) -> Result<(), DaemonError> {
        let served = self.thread.join();
        served.unwrap_or_else(|_| Err(io::Error::other("it panicked"))).map_err(self.failed)
    }
}

/// What a start takes besides the sources. [`trial::try_start`] takes it, too.
struct StartResources {
    state_dir: StateDir,
    access: AccessControl,
    listeners: Vec<BoundListener>,
    egd_listeners: Vec<BoundListener>,
    kms_listeners: Vec<BoundListener>,
    credential_listener: Option<BoundListener>,
}

impl StartResources {
    fn take(config: &Config, state_dir: &Path) -> Result<Self, DaemonError> {
        let state_dir = StateDir::open(state_dir)?;
        let configs = config.listeners();
        let access = AccessControl::load(&config.http, &configs)?;
        let socket = admin_socket(config, &state_dir);
        let (egd, kms) = (config.egd_listeners(), config.kms_listeners());
        let credential = config.credential_listener();
        for listener in configs.iter().chain(&egd).chain(&kms).chain(&credential) {
            check_place(listener, &state_dir, &socket)?;
        }
        let threads = config.http.threads();
        let bind = |listener: &http::ListenerConfig| listener.bind(threads);
        let listeners = configs.iter().map(bind).collect::<Result<_, _>>()?;
        let bind = |listener: &http::ListenerConfig| listener.bind(1);
        let egd_listeners = egd.iter().map(bind).collect::<Result<_, _>>()?;
        let kms_listeners = kms.iter().map(bind).collect::<Result<_, _>>()?;
        let credential_listener = credential.as_ref().map(bind).transpose()?;
        Ok(Self { state_dir, access, listeners, egd_listeners, kms_listeners, credential_listener })
    }
}

/// Checks that a listener does not stand where the service has files of its own.
fn check_place(
    listener: &http::ListenerConfig,
    state_dir: &StateDir,
    socket: &Path,
) -> Result<(), ListenError> {
    let ListenAddress::Unix(path) = &listener.address else { return Ok(()) };
    if path != socket && !path.starts_with(state_dir.path()) {
        return Ok(());
    }
    Err(ListenError::Key {
        key: listener.key("address"),
        value: listener.address.to_string(),
        reason: "is the operator's socket, or in the state directory: no caller is let in there"
            .into(),
    })
}

/// The path of the state directory.
fn state_dir(config: &Config) -> Result<PathBuf, StateDirError> {
    config.state_dir.clone().map_or_else(StateDir::default_path, Ok)
}

/// The operator reads it; the service works without it.
fn text_of(config: &Config) -> String {
    config
        .text()
        .inspect_err(|error| tracing::error!("the configuration in force cannot be told: {error}"))
        .unwrap_or_default()
}

/// The path of the admin socket.
fn admin_socket(config: &Config, state_dir: &StateDir) -> PathBuf {
    config.admin_socket.clone().unwrap_or_else(|| state_dir.file(ADMIN_SOCKET))
}

/// Randomness goes on without it.
fn bind_admin_socket(path: &Path) -> Option<AdminSocket> {
    AdminSocket::bind(path)
        .inspect_err(|error| tracing::error!("the admin socket {}: {error}", path.display()))
        .ok()
}

/// The parts besides HTTP.
struct Service {
    generator: Arc<Generator>,
    board: Arc<StatusBoard>,
    incidents: Arc<IncidentLog>,
    collector: Arc<Collector>,
    access: Arc<AccessControl>,
    limits: Arc<ServiceLimits>,
    state_dir: Arc<StateDir>,
    /// The text of the configuration in force.
    configuration: Arc<RwLock<String>>,
    keys: Option<KeyUpkeep>,
    /// Closes every connection after the answers under way.
    close_connections: watch::Sender<()>,
    can_be_ready: bool,
}

impl Service {
    fn start(
        config: &Config,
        options: &Options,
        state_dir: Arc<StateDir>,
        access: Arc<AccessControl>,
    ) -> Result<Self, DaemonError> {
        let generator = Arc::new(Generator::new(
            config.http.threads() + 1,
            config.pool.limits(),
            crate::machine::this_machine(),
        )?);
        if !generator.is_memory_locked() {
            tracing::warn!(
                "the generator's memory is not locked: raise `ulimit -l` to keep it out of swap"
            );
        }
        let board = Arc::new(StatusBoard::default());
        let incidents = Arc::new(IncidentLog::default());
        let boot_seed = crate::state::boot_seed::take(&state_dir).unwrap_or_else(|error| {
            incidents.open(
                None,
                format!("the boot seed cannot be replaced, and so is not used: {error}"),
            );
            None
        });
        let feeds = crate::plan::feeds::build(config, options.demo, Some(&state_dir));
        let can_be_ready = crate::plan::feeds::kinds(&feeds) >= config.pool.quorum;
        let collector = Collector::start(
            feeds,
            config.pool.settings(),
            Arc::clone(&generator),
            Arc::clone(&board),
            Arc::clone(&incidents),
            boot_seed.as_ref().map(|seed| seed.as_slice()),
        )?;
        let collector = Arc::new(collector);
        // Randomness goes on without keys.
        let keys = KeyUpkeep::start(config, &state_dir, &generator, &incidents)
            .inspect_err(|error| {
                tracing::error!("keys and records: {error}");
                incidents.open(None, format!("keys and records: {error}"));
            })
            .ok();
        let configuration = Arc::new(RwLock::new(text_of(config)));
        let service = Self {
            generator,
            board,
            incidents,
            collector,
            access,
            limits: Arc::default(),
            state_dir,
            configuration,
            keys,
            close_connections: watch::Sender::new(()),
            can_be_ready,
        };
        service.set_limits(config);
        Ok(service)
    }

    /// Puts the limits of a configuration in force.
    fn set_limits(&self, config: &Config) {
        let of_tenants = config.limits.of_tenants();
        self.limits.set(&config.limits);
        self.access.tokens().set_limits(of_tenants);
        if let Some(keys) = &self.keys {
            keys.tenants().set_default_limits(of_tenants);
        }
    }

    /// The parts that HTTP serves.
    fn http(&self, config: &Config) -> http::ServiceParts {
        let collector = Arc::clone(&self.collector);
        http::ServiceParts {
            generator: Arc::clone(&self.generator),
            board: Arc::clone(&self.board),
            incidents: Arc::clone(&self.incidents),
            fresh: Arc::new(move || {
                let collector = Arc::clone(&collector);
                Box::pin(async move { collector.fresh().await.map_err(|_| FreshError::Stopped) })
            }),
            configuration: Arc::clone(&self.configuration),
            state_dir: self.state_dir.path().to_owned(),
            store: self.keys.as_ref().map(KeyUpkeep::store),
            store_tokens: self.keys.as_ref().map(KeyUpkeep::tokens).unwrap_or_default(),
            tenants: self.keys.as_ref().map(KeyUpkeep::tenants).unwrap_or_default(),
            limits: Arc::clone(&self.limits),
            calls_memory: config.kv.large_calls(),
            close_connections: self.close_connections.clone(),
        }
    }

    /// Serves the entropy gathering daemon's protocol on a thread, until `stopped`, where it has listeners.
    fn start_egd(
        &self,
        config: &Config,
        listeners: Vec<BoundListener>,
        stopped: &watch::Receiver<bool>,
    ) -> io::Result<Option<ServerThread>> {
        if listeners.is_empty() {
            return Ok(None);
        }
        let listeners = config.egd.iter().zip(listeners).map(|(egd, listener)| {
            tracing::info!("listening on {}, for EGD", listener.address());
            let supply = Arc::new(TenantSupply {
                generator: Arc::clone(&self.generator),
                tenants: self.keys.as_ref().map(KeyUpkeep::tenants).unwrap_or_default(),
                limits: Arc::clone(&self.limits),
                tenant: egd.tenant.clone(),
            });
            EgdListener { listener, supply }
        });
        let listeners: Vec<_> = listeners.collect();
        let (stopped, drain_timeout) = (stopped.clone(), config.http.drain_timeout);
        let serve = move || egd::server::serve(listeners, &stopped, drain_timeout);
        ServerThread::start("egd", DaemonError::Egd, serve).map(Some)
    }

    /// Serves Kubernetes KMS v2 on a thread, until `stopped`, where it has sockets.
    fn start_kms(
        &self,
        config: &Config,
        listeners: Vec<BoundListener>,
        stopped: &watch::Receiver<bool>,
    ) -> io::Result<Option<ServerThread>> {
        if listeners.is_empty() {
            return Ok(None);
        }
        let listeners = config.kms.iter().zip(listeners).map(|(kms, listener)| {
            tracing::info!("listening on {}, for KMS with the key {}", listener.address(), kms.key);
            let key = Arc::new(KmsKey::new(
                self.keys.as_ref().map(|keys| Arc::clone(keys.store().keyring())),
                Arc::clone(&self.generator),
                self.keys.as_ref().map(KeyUpkeep::tenants).unwrap_or_default(),
                kms.tenant.as_deref(),
                &kms.key,
            ));
            KmsListener { listener, key, idle_timeout: kms.idle_timeout }
        });
        let listeners: Vec<_> = listeners.collect();
        let (stopped, drain_timeout) = (stopped.clone(), config.http.drain_timeout);
        let close = self.close_connections.subscribe();
        let serve = move || kms::server::serve(listeners, &stopped, &close, drain_timeout);
        ServerThread::start("kms", DaemonError::Kms, serve).map(Some)
    }

    /// Serves credentials for units on a thread, until `stopped`, where there is a socket for them.
    fn start_credential(
        &self,
        config: &Config,
        listener: Option<BoundListener>,
        stopped: &watch::Receiver<bool>,
    ) -> io::Result<Option<ServerThread>> {
        let Some((listener, config)) = listener.zip(config.credential.as_ref()) else {
            return Ok(None);
        };
        tracing::info!("listening on {}, for credentials of units", listener.address());
        let supply = CredentialSupply {
            generator: Arc::clone(&self.generator),
            store: self.keys.as_ref().map(KeyUpkeep::store),
            bytes: config.bytes,
        };
        let stopped = stopped.clone();
        let serve = move || credential::server::serve(listener, &supply, &stopped);
        ServerThread::start("credential", DaemonError::Credential, serve).map(Some)
    }

    /// Waits for signals, and reports when the service is ready.
    async fn watch(
        &self,
        config: &Config,
        options: &Options,
        mut ready_file: ReadyFile,
        reread: impl Fn() -> Result<Config, ConfigError>,
        stop: &watch::Sender<bool>,
        servers: &[ServerThread],
    ) -> Result<(), DaemonError> {
        let mut signals = Signals::new()?;
        let mut notify = Notify::new();
        let mut heartbeat = Heartbeat::default();
        let started = Instant::now();
        let mut boot_seed_due = Instant::now();
        let mut has_lock = true;
        loop {
            match signals.next().await {
                Some(SignalRequest::Stop) => break,
                Some(SignalRequest::Reload) => self.reload(config, options, reread()),
                None => {}
            }
            if servers.iter().any(|server| server.thread.is_finished()) {
                return Ok(());
            }
            if self.collector.has_ended() {
                return Err(DaemonError::CollectorEnded);
            }
            if self.keys.as_ref().is_some_and(KeyUpkeep::has_ended) {
                return Err(DaemonError::KeysEnded);
            }
            let pulse = heartbeat.look(self.collector.rounds());
            if pulse == Pulse::Lost {
                return Err(DaemonError::CollectorHangs);
            }
            if has_lock && !self.state_dir.has_lock() {
                has_lock = false;
                self.incidents.open(None, LOCK_LOST.to_owned());
            }
            let state = self.generator.state(Instant::now());
            let has_keys = self.keys.as_ref().is_none_or(KeyUpkeep::has_looked);
            let is_ready = state != Readiness::Starting && has_keys;
            if is_ready || !self.can_be_ready || started.elapsed() >= READY_AFTER {
                ready_file.write()?;
                notify.ready();
            }
            notify.state(state);
            if pulse == Pulse::Beats {
                notify.feed_watchdog();
            }
            if state != Readiness::Starting && Instant::now() >= boot_seed_due {
                boot_seed_due = Instant::now() + BOOT_SEED_EVERY;
                self.leave_boot_seed();
            }
        }
        tracing::info!("stopping: answers that have begun are finished; a second signal ends them");
        Notify::stopping();
        let _ = stop.send(true);
        let stopped_at = Instant::now();
        while servers.iter().any(|server| !server.thread.is_finished()) {
            let signal = signals.next().await;
            if signal == Some(SignalRequest::Stop) && stopped_at.elapsed() >= SECOND_SIGNAL_AFTER {
                tracing::warn!("stopped by a second signal");
                service_log::flush();
                std::process::exit(Exit::Failure as i32);
            }
        }
        Ok(())
    }

    /// Reloads certificates, tokens, limits and sources. An error is logged and changes nothing.
    fn reload(&self, old: &Config, options: &Options, config: Result<Config, ConfigError>) {
        match self.access.reload() {
            Ok(()) => tracing::info!("reloaded certificates and tokens"),
            Err(error) => {
                tracing::error!("reload: {error}; the old certificates and tokens stay");
            }
        }
        let config = match config {
            Ok(config) => config,
            Err(error) => {
                tracing::error!("reload: {error}; the old configuration stays");
                return;
            }
        };
        for key in config.needs_restart(old) {
            tracing::warn!("reload: {key} has changed, and takes effect at the next start");
        }
        self.set_limits(&config);
        let feeds = crate::plan::feeds::build(&config, options.demo, Some(&self.state_dir));
        match self.collector.replace(feeds, config.pool.settings()) {
            Ok(()) => {
                *self.configuration.write() = text_of(&old.reloaded(&config));
                tracing::info!("reloaded sources");
            }
            Err(error) => tracing::error!("reload: {error}; the old sources stay"),
        }
    }

    fn leave_boot_seed(&self) {
        if let Err(error) = crate::state::boot_seed::leave(&self.state_dir, &self.generator) {
            tracing::warn!("no boot seed was left for the next start: {error}");
        }
    }
}

/// The signals the service listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal, if one arrives within a moment.
    async fn next(&mut self) -> Option<SignalRequest> {
        tokio::select! {
            _ = self.terminate.recv() => Some(SignalRequest::Stop),
            _ = self.interrupt.recv() => Some(SignalRequest::Stop),
            _ = self.reload.recv() => Some(SignalRequest::Reload),
            () = tokio::time::sleep(LOOK_EVERY) => None,
        }
    }
}

/// The request of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SignalRequest {
    Stop,
    Reload,
}
