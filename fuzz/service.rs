//! A server of every dialect in this process, over a keyring and a store in memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lavawall::{AccessControl, HttpConfig, ServiceParts};
use lavawall::{BoundListener, ListenAddress, ListenerConfig};
use lavawall::{MemoryStorage, Store};
use lavawall::{ReloadableTokens, ServiceLimits, Tenants, Tokens, hash_token};
use tokio::sync::watch;

use crate::home;

/// The administrator's token.
pub const TOKEN: &str = "a token of this target, and of no other use";

/// Starts it; its address.
pub fn start() -> String {
    let bound = listener().bind(1).expect("a port");
    let url = format!("http://{}", bound.address());
    std::thread::spawn(move || serve(bound));
    url
}

/// A client that takes a refusal for an answer.
pub fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    // Such as LIST of Vault.
    config.allow_non_standard_methods(true).build().new_agent()
}

fn listener() -> ListenerConfig {
    ListenerConfig::at(ListenAddress::Tcp("127.0.0.1:0".parse().expect("an address")))
}

fn serve(bound: BoundListener) {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let generator = home::generator();
    let keyring = Arc::new(home::new_keyring(folder.path(), &generator));
    let storage = Box::<MemoryStorage>::default();
    let store = Store::new(keyring, Arc::clone(&generator), storage, BTreeSet::new());
    store.open().expect("opened");
    let store_tokens = Arc::new(ReloadableTokens::default());
    let token = Tokens::parse(&format!("admin {}", hash_token(TOKEN))).expect("a token");
    store_tokens.set(token.of_operators());
    let parts = ServiceParts {
        close_connections: watch::Sender::new(()),
        generator,
        board: Arc::default(),
        incidents: Arc::default(),
        fresh: Arc::new(|| Box::pin(std::future::pending())),
        configuration: Arc::default(),
        state_dir: std::path::PathBuf::new(),
        calls_memory: 256 << 20,
        store: Some(Arc::new(store)),
        store_tokens,
        tenants: Arc::new(Tenants::none()),
        limits: Arc::new(ServiceLimits::default()),
    };
    let config = HttpConfig { idle_timeout: Duration::from_secs(5), ..HttpConfig::default() };
    let access = Arc::new(AccessControl::load(&config, &[listener()]).expect("nothing to load"));
    let (_on, shutdown) = watch::channel(false);
    lavawall::serve(parts, lavawall::dialects(), vec![bound], None, access, &config, &shutdown)
        .expect("served");
}
