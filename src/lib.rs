#![doc = include_str!("README.md")]

mod api;
mod audit;
mod calibrate;
mod caller;
mod cli;
mod client;
mod collector;
mod config;
mod credential;
mod crypto;
mod daemon;
mod dialect;
mod durable;
mod egd;
mod exitcode;
mod http;
mod incident;
mod keyring;
mod kms;
mod kv;
mod machine;
mod net;
mod plan;
mod report;
mod service_log;
mod size;
mod source;
mod state;
mod upkeep;

// The program: its command line, configuration and exit codes.
pub use cli::Cli;
pub use config::Config;
pub use exitcode::Exit;

// Noise sources, and the collector that runs them and seeds the generator.
pub use collector::feed::Feed;
pub use collector::status::{LiveFigure, Picture, SourceReport, SourceState, StatusBoard};
pub use collector::{Collector, CollectorSettings, Unavailable};
pub use incident::IncidentLog;
pub use machine::{WipingAllocator, this_machine};
pub use report::requirements;
pub use source::{Player, SOURCE_TYPES, Source, SourceError, Wall};

// Keys: what seals records, and the keyring that holds it.
pub use audit::Actor;
pub use crypto::key_material::NONCE_BYTES;
pub use crypto::{aead, key, label};
pub use keyring::anchor::AnchorError;
pub use keyring::seal::shares::Share;
pub use keyring::seal::{SealChoice, SealError};
pub use keyring::{Condition, Keyring, KeyringError, NamespaceId, Places, TransitFault};

// The encrypted store, and the contract of its engines.
pub use kv::engine::{
    Change, Changes, CommitLimits, CommitOutcome, Expectation, RedbStorage, Revision,
    RevisionSnapshot, Row, RowChange, RowWithin, SharedStorage, Snapshot, Storage, StorageError,
    StorageSize, Table, Watch, WatchError,
};
#[cfg(any(test, feature = "test-support"))]
pub use kv::engine::{Fault, MemoryStorage, SharedMemory};
pub use kv::{KvError, METADATA_LIMIT, NAME_LIMIT, NodeNumber, Put, Store, VALUE_LIMIT};

// The server: who may call, what it serves, and the forms of its answers.
pub use api::json::Json;
pub use api::random::{Integers, RandomBytes, Texts};
pub use caller::service_limits::ServiceLimits;
#[cfg(any(test, feature = "test-support"))]
pub use caller::tenant::is_tenant_record;
pub use caller::tenants::Tenants;
pub use caller::token::{ReloadableTokens, Tokens, bearer, hash_token};
#[cfg(any(test, feature = "test-support"))]
pub use credential::asking_unit::asking_unit;
#[cfg(any(test, feature = "test-support"))]
pub use crypto::sealed_seed::opens_as_a_seed;
#[cfg(any(test, feature = "test-support"))]
pub use dialect::aws_kms::signature::has_signature;
pub use dialect::dialects;
pub use dialect::native::list_query::{List, MOST_ITEMS};
#[cfg(any(test, feature = "test-support"))]
pub use dialect::native::sealed_seed::accepted_seed_request;
#[cfg(any(test, feature = "test-support"))]
pub use dialect::pollen::answered_challenge;
pub use http::query::{Invalid, RandomQuery};
pub use http::{
    AccessControl, Fresh, FreshError, FreshSeed, HttpConfig, ListenerConfig, RandomFormat,
    ServiceParts, negotiate, serve,
};
#[cfg(any(test, feature = "test-support"))]
pub use kms::authority_filter::valid_authorities;
#[cfg(any(test, feature = "test-support"))]
pub use kms::probe::KmsProbe;
pub use net::bound_listener::BoundListener;
pub use net::listen_address::ListenAddress;
#[cfg(any(test, feature = "test-support"))]
pub use net::proxy_header::accepted_proxy_header;
