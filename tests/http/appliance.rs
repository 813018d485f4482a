//! A server to test against: everything real but the seed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use lavawall::IncidentLog;
use lavawall::ListenAddress;
use lavawall::StatusBoard;
use lavawall::Store;
use lavawall::{AccessControl, Fresh, HttpConfig, ServiceLimits, ServiceParts, serve};
use lavawall::{ReloadableTokens, Tenants};
use lavawall_entropy::{Contribution, Generator, Kind, LeaseLimits, Provenance, Quorum, Secret};
use tokio::sync::watch;

/// A running server; told to stop, and waited for, when dropped.
pub(crate) struct Appliance {
    pub(crate) address: SocketAddr,
    pub(crate) generator: Arc<Generator>,
    pub(crate) board: Arc<StatusBoard>,
    pub(crate) incidents: Arc<IncidentLog>,
    pub(crate) access: Arc<AccessControl>,
    shutdown: watch::Sender<bool>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Appliance {
    /// A server that is ready, with two workers and defaults.
    pub(crate) fn ready() -> Self {
        let appliance = Self::starting(config());
        seed(&appliance.generator, 1);
        appliance
    }

    /// A server without a seed.
    pub(crate) fn starting(config: HttpConfig) -> Self {
        Self::with_fresh(config, Arc::new(|| Box::pin(std::future::pending())))
    }

    /// A server without a seed that has its own way to get fresh ones.
    pub(crate) fn with_fresh(config: HttpConfig, fresh: Fresh) -> Self {
        let limits = LeaseLimits {
            reseed_interval: Duration::from_mins(1),
            grace_period: Duration::from_mins(15),
        };
        let generator =
            Arc::new(Generator::new(2, limits, lavawall::this_machine()).expect("memory"));
        Self::around(generator, config, fresh)
    }

    /// A server around this generator.
    pub(crate) fn around(generator: Arc<Generator>, config: HttpConfig, fresh: Fresh) -> Self {
        Self::with_store(generator, config, fresh, None)
    }

    /// A server that keeps records.
    pub(crate) fn with_store(
        generator: Arc<Generator>,
        config: HttpConfig,
        fresh: Fresh,
        store: Option<(Arc<Store>, Arc<ReloadableTokens>)>,
    ) -> Self {
        config.validate().expect("a valid configuration");
        let board = Arc::new(StatusBoard::default());
        let incidents = Arc::<IncidentLog>::default();
        let listener = [config.listener().expect("an address")];
        let access =
            Arc::new(AccessControl::load(&config, &listener).expect("files that can be loaded"));
        let bound = listener[0].bind(config.threads()).expect("loopback");
        let ListenAddress::Tcp(address) = *bound.address() else { panic!("an address") };
        let (shutdown, told) = watch::channel(false);
        let (store, store_tokens) = store.unzip();
        let parts = ServiceParts {
            close_connections: watch::Sender::new(()),
            generator: Arc::clone(&generator),
            board: Arc::clone(&board),
            incidents: Arc::clone(&incidents),
            fresh,
            configuration: Arc::default(),
            state_dir: std::path::PathBuf::new(),
            store,
            store_tokens: store_tokens.unwrap_or_default(),
            tenants: Arc::new(Tenants::none()),
            limits: Arc::new(ServiceLimits::default()),
            calls_memory: 100 << 20,
        };
        let guard = Arc::clone(&access);
        let thread = std::thread::spawn(move || {
            serve(parts, lavawall::dialects(), vec![bound], None, guard, &config, &told)
        });
        Self { address, generator, board, incidents, access, shutdown, thread: Some(thread) }
    }

    /// Tells the server to stop and does not wait.
    pub(crate) fn tell_to_stop(&self) {
        self.shutdown.send_replace(true);
    }

    /// Waits until the server has stopped.
    pub(crate) fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic").expect("no error");
        }
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.tell_to_stop();
        if !std::thread::panicking() {
            self.wait();
        }
    }
}

/// Two workers on a free port of loopback.
pub(crate) fn config() -> HttpConfig {
    HttpConfig {
        listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        threads: std::num::NonZeroUsize::new(2),
        ..HttpConfig::default()
    }
}

/// Gives the generator its seed number `generation` and a quorum that stands.
pub(crate) fn seed(generator: &Generator, generation: u64) {
    seed_at(generator, generation, Instant::now());
}

/// As [`seed`], as if it had been done at `seeded_at`.
pub(crate) fn seed_at(generator: &Generator, generation: u64, seeded_at: Instant) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&generation.to_le_bytes());
    let from = |id: &str, kind, credit_bits| Contribution { id: id.to_owned(), kind, credit_bits };
    let provenance = Provenance {
        generation,
        seeded_at,
        seeded_on: SystemTime::now(),
        sources: vec![
            from("camera", Kind::PhysicalCamera, 512),
            from("os", Kind::OperatingSystem, 512),
            from("jitter", Kind::CpuTiming, 0),
        ],
    };
    generator.reseed(&Secret::take(&mut bytes), provenance);
    let present = vec![Kind::PhysicalCamera, Kind::OperatingSystem];
    generator.report_quorum(quorum(present), seeded_at);
}

/// A quorum of two, with these kinds present.
pub(crate) fn quorum(present: Vec<Kind>) -> Quorum {
    Quorum { present, needed: 2, missing_required: Vec::new(), overdue: false }
}
