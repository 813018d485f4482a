//! The thread that keeps keys and records: started with the service, which goes on when the work fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use crate::caller::tenants::Tenants;
use crate::caller::token::ReloadableTokens;
use crate::config::Config;
use crate::incident::IncidentLog;
use crate::keyring::{Keyring, Places};
use crate::kv::Store;
use crate::kv::engine::ENGINES;
#[cfg(feature = "etcd")]
use crate::kv::engine::EtcdStorage;
#[cfg(feature = "etcd")]
use crate::kv::{EngineChoice, NodeNumber};
use crate::state::{AUDIT_LOG, StateDir};
use crate::upkeep::key_work::{KeyWork, KnownCallers};
use lavawall_entropy::Generator;

/// The node that has the keyring.
#[cfg(feature = "etcd")]
const FIRST_NODE: u16 = 1;

/// The thread; stopped and joined when dropped.
pub(crate) struct KeyUpkeep {
    store: Arc<Store>,
    callers: KnownCallers,
    looked: Arc<AtomicBool>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl KeyUpkeep {
    /// Reads the keyring's file, and starts the thread.
    ///
    /// # Errors
    /// When it cannot be read, or the system gives no thread.
    pub(crate) fn start(
        config: &Config,
        state_dir: &Arc<StateDir>,
        generator: &Arc<Generator>,
        incidents: &Arc<IncidentLog>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let keyring = Keyring::load(places(config, state_dir), Arc::clone(generator))?;
        let keyring = Arc::new(keyring);
        let callers = KnownCallers::default();
        let values = usize::try_from(config.kv.opened_cache.as_u64())?;
        let store = store(config, state_dir, generator, &keyring)?
            .with_value_cache(values)
            .with_quotas(Arc::<Tenants>::clone(&callers.tenants))
            .with_commit_mark(state_dir.file("store.commits"));
        let store = Arc::new(store);
        let mut work =
            KeyWork::new(config, state_dir, generator, incidents, &store, callers.clone(), keyring);
        let looked = Arc::new(AtomicBool::new(false));
        let has_looked = Arc::clone(&looked);
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("keys".into())
            .spawn(move || work.run(&stopped, &has_looked))?;
        Ok(Self { store, callers, looked, stop: Some(stop), thread: Some(thread) })
    }

    /// Whether the first start's work was done, or failed.
    pub(crate) fn has_looked(&self) -> bool {
        self.looked.load(Ordering::Acquire)
    }

    /// Whether the thread has ended, which only a panic can make it do.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// The store.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// The tenants; known once the store was open.
    pub(crate) fn tenants(&self) -> Arc<Tenants> {
        Arc::clone(&self.callers.tenants)
    }

    /// The tokens that admit to the store; set once the administrator's token is read or made.
    pub(crate) fn tokens(&self) -> Arc<ReloadableTokens> {
        Arc::clone(&self.callers.tokens)
    }
}

impl Drop for KeyUpkeep {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic was printed where it happened.
            let _ = thread.join();
        }
    }
}

/// The store over the engine that the configuration names; closed.
fn store(
    config: &Config,
    state_dir: &StateDir,
    generator: &Arc<Generator>,
    keyring: &Arc<Keyring>,
) -> Result<Store, Box<dyn std::error::Error + Send + Sync>> {
    let (keyring, generator) = (Arc::clone(keyring), Arc::clone(generator));
    let accepted = config.kv.accepted();
    #[cfg(feature = "etcd")]
    if let (EngineChoice::Etcd, Some(etcd)) = (config.kv.engine, &config.kv.etcd) {
        let storage = Arc::new(EtcdStorage::new(etcd, FIRST_NODE)?);
        let node = NodeNumber::of(FIRST_NODE).expect("not 0");
        return Ok(Store::shared(keyring, generator, storage, node, accepted));
    }
    let engine = &ENGINES[0];
    tracing::debug!("storage engine: {}", engine.name);
    let cache = usize::try_from(config.kv.cache.as_u64())?;
    let storage = (engine.at)(&state_dir.file("store"), cache);
    Ok(Store::new(keyring, generator, storage, accepted))
}

/// The files of the keyring.
fn places(config: &Config, state_dir: &StateDir) -> Places {
    Places {
        keyring: state_dir.file("keyring"),
        seal_file: config.keyring.seal_file.clone().unwrap_or(state_dir.file("seal-key")),
        audit: state_dir.file(AUDIT_LOG),
        anchor: config.keyring.anchor.clone(),
    }
}
