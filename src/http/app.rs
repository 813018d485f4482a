//! The service behind the dialects, and the state that all requests share.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use parking_lot::RwLock;
use tokio::sync::{Semaphore, watch};

use crate::audit::Asked;
use crate::caller::service_limits::ServiceLimits;
use crate::caller::tenants::Tenants;
use crate::caller::token::ReloadableTokens;
use crate::caller::token_attempts::TokenAttempts;
use crate::collector::status::StatusBoard;
use crate::http::access::AccessControl;
use crate::http::body_reading::BodyReader;
use crate::http::config::HttpConfig;
use crate::http::cors::CorsOrigins;
use crate::http::host::HostNames;
use crate::http::memory_budget::MemoryBudget;
use crate::http::meters::Meters;
use crate::http::provenance::ProvenanceHeaders;
use crate::http::refusal::Refusal;
use crate::incident::IncidentLog;
use crate::kv::Store;
use lavawall_entropy::Generator;

/// Calls that change the store, at a time: as many as a group commit takes. The others wait without a thread:
/// half of the 512 threads of a runtime that may wait for a disk stay free for readers.
const WRITERS: usize = 256;

/// Requests a seed of samples that were all taken after the call, and waits until the generator has
/// it. May wait for ever: the caller limits it.
pub type Fresh = Arc<dyn Fn() -> FreshSeed + Send + Sync>;

/// Ready once the generator has a fresh seed.
pub type FreshSeed = Pin<Box<dyn Future<Output = Result<(), FreshError>> + Send>>;

/// Why there will be no fresh seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FreshError {
    /// The collector has stopped.
    #[error("no more seeds are being made")]
    Stopped,
}

/// The parts of the service from which answers come.
#[derive(Clone)]
pub struct ServiceParts {
    /// Gives the bytes, or refuses.
    pub generator: Arc<Generator>,
    /// The status of the sources.
    pub board: Arc<StatusBoard>,
    /// The incidents.
    pub incidents: Arc<IncidentLog>,
    /// Makes a seed on demand.
    pub fresh: Fresh,
    /// The configuration it runs with, for the operator: the text of a file.
    pub configuration: Arc<RwLock<String>>,
    /// The state directory, for the operator.
    pub state_dir: PathBuf,
    /// Keeps records; absent when it could not be read at the start.
    pub store: Option<Arc<Store>>,
    /// The tokens that admit to the store.
    pub store_tokens: Arc<ReloadableTokens>,
    /// The tenants.
    pub tenants: Arc<Tenants>,
    /// The limits of callers without a token, and of the whole service.
    pub limits: Arc<ServiceLimits>,
    /// Memory for the bodies and answers of large calls together, in bytes.
    pub calls_memory: usize,
    /// Closes every connection after the answers under way: its buffers hold what went through it last.
    pub close_connections: watch::Sender<()>,
}

/// The state that all requests share.
pub(crate) struct App {
    pub(crate) generator: Arc<Generator>,
    pub(crate) board: Arc<StatusBoard>,
    pub(crate) incidents: Arc<IncidentLog>,
    pub(crate) fresh: Fresh,
    pub(crate) configuration: Arc<RwLock<String>>,
    pub(crate) state_dir: PathBuf,
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) store_tokens: Arc<ReloadableTokens>,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) limits: Arc<ServiceLimits>,
    pub(crate) token_attempts: TokenAttempts,
    pub(crate) access: Arc<AccessControl>,
    pub(crate) hosts: HostNames,
    pub(crate) cors: CorsOrigins,
    pub(crate) bodies: BodyReader,
    pub(crate) memory: MemoryBudget,
    /// Calls that change the store, at a time.
    pub(crate) writers: Arc<Semaphore>,
    pub(crate) idle_timeout: Duration,
    /// Closes every connection after the answers under way: its buffers hold what went through it last.
    pub(crate) close_connections: watch::Sender<()>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) max_bytes: u64,
    pub(crate) metrics_tenants: usize,
    pub(crate) vault_platform_random: bool,
    pub(crate) fresh_timeout: Duration,
    pub(crate) started: Instant,
    provenance: ProvenanceHeaders,
}

impl App {
    pub(crate) fn new(
        parts: ServiceParts,
        access: Arc<AccessControl>,
        meters: Meters,
        config: &HttpConfig,
    ) -> Self {
        Self {
            generator: parts.generator,
            board: parts.board,
            incidents: parts.incidents,
            fresh: parts.fresh,
            configuration: parts.configuration,
            state_dir: parts.state_dir,
            store: parts.store,
            store_tokens: parts.store_tokens,
            tenants: parts.tenants,
            limits: parts.limits,
            token_attempts: TokenAttempts::default(),
            access,
            hosts: HostNames::new(&config.hosts),
            cors: CorsOrigins::new(&config.cors_origins),
            bodies: BodyReader::new(config.idle_timeout),
            memory: MemoryBudget::new(parts.calls_memory, config.idle_timeout),
            writers: Arc::new(Semaphore::new(WRITERS)),
            idle_timeout: config.idle_timeout,
            close_connections: parts.close_connections,
            meters: Arc::new(meters),
            max_bytes: config.max_bytes.as_u64(),
            metrics_tenants: config.metrics_tenants,
            vault_platform_random: config.vault_platform_random,
            fresh_timeout: config.fresh_timeout,
            started: Instant::now(),
            provenance: ProvenanceHeaders::default(),
        }
    }

    /// The store, or the refusal of every call that needs it.
    pub(crate) fn store(&self) -> Result<&Arc<Store>, Refusal> {
        self.store.as_ref().ok_or_else(Refusal::no_store)
    }

    /// The headers of an answer that holds randomness, before it is drawn.
    pub(crate) fn random_headers(&self, media_type: &'static str) -> HeaderMap {
        // Room for these, for those of every answer, and for the date and the length.
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.provenance.add(&self.generator, Instant::now(), &mut headers);
        headers
    }

    /// Counts in the audit log a call whose caller was not identified. The call is refused whether
    /// or not that succeeds.
    pub(crate) async fn record_turned_away(&self, asked: Asked) {
        let Some(store) = self.store.clone() else { return };
        let now = Instant::now();
        if !store.keyring().audit().turn_away(asked, now) {
            return;
        }
        let write = move || store.keyring().audit().write_turned_away(now);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
            tracing::error!("calls without a known token were refused: {error}");
        }
    }
}
