//! The listener of a call: whom and what it serves, and the other end of the connection.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;

use crate::caller::tenant::Tenant;
use crate::caller::{Peer, RemoteEnd};
use crate::http::interface::Interface;
use crate::http::listener_config::ListenerConfig;
use crate::net::listen_address::ListenAddress;
use crate::net::network::Network;
use crate::net::tls::{self, TlsError};

/// A listener, shared by its connections.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    table: String,
    name: String,
    certificate_and_key: Option<(PathBuf, PathBuf)>,
    client_ca: Option<PathBuf>,
    tls: ArcSwapOption<ServerConfig>,
    /// The tenants that it serves; `None` for all.
    tenants: Option<Vec<String>>,
    /// The interfaces that it serves; `None` for all.
    interfaces: Option<Vec<Interface>>,
    /// The proxies that connect to it; `None` where clients do.
    proxies: Option<Arc<[Network]>>,
    is_local: bool,
    foreign_tokens: AtomicU64,
    refused_headers: AtomicU64,
}

impl Listener {
    /// The listener of this configuration, without its certificate.
    pub(crate) fn new(config: &ListenerConfig) -> Self {
        Self {
            table: config.table.clone(),
            name: config.name(),
            certificate_and_key: config.tls_certificate.clone().zip(config.tls_key.clone()),
            client_ca: config.client_ca.clone(),
            tls: ArcSwapOption::empty(),
            tenants: config.tenants.clone(),
            interfaces: config.serves.clone(),
            proxies: config.proxy_from.as_deref().map(Arc::from),
            is_local: matches!(config.address, ListenAddress::Unix(_)),
            foreign_tokens: AtomicU64::default(),
            refused_headers: AtomicU64::default(),
        }
    }

    /// The operator's socket, which serves everything.
    pub(crate) fn of_operator() -> Self {
        Self { name: "operator".to_owned(), is_local: true, ..Self::default() }
    }

    /// Its table of the configuration.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Its address and device.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads the certificate, the key and the authorities of clients, if it has them.
    ///
    /// # Errors
    /// Names the key, the file and the fault in it.
    pub(crate) fn load_tls(&self) -> Result<Option<Arc<ServerConfig>>, TlsError> {
        let files = self.certificate_and_key.as_ref();
        let ca = self.client_ca.as_deref();
        files.map(|(certificate, key)| tls::load(certificate, key, ca)).transpose()
    }

    /// Replaces the certificate for new connections.
    pub(crate) fn set_tls(&self, tls: Option<Arc<ServerConfig>>) {
        self.tls.store(tls);
    }

    /// The TLS configuration, unless connections are in the clear.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.load_full()
    }

    /// The proxies that connect to it; `None` where clients do.
    pub(crate) fn proxies(&self) -> Option<Arc<[Network]>> {
        self.proxies.clone()
    }

    /// Counts a connection that is of no proxy, or has no valid header of one.
    pub(crate) fn count_refused_header(&self) {
        self.refused_headers.fetch_add(1, Ordering::Relaxed);
    }

    /// Those connections, where proxies connect.
    pub(crate) fn refused_headers(&self) -> Option<u64> {
        self.proxies.is_some().then(|| self.refused_headers.load(Ordering::Relaxed))
    }

    /// Whether its connections are encrypted, or do not leave the machine.
    pub(crate) fn is_tls_or_local(&self) -> bool {
        self.is_local || self.certificate_and_key.is_some()
    }

    /// Whether it serves an interface; `None` is one that every listener serves.
    pub(crate) fn serves(&self, interface: Option<Interface>) -> bool {
        match (&self.interfaces, interface) {
            (Some(served), Some(interface)) => served.contains(&interface),
            _ => true,
        }
    }

    /// Whether a client's certificate says which tenant calls.
    pub(crate) fn needs_certificate(&self) -> bool {
        self.client_ca.is_some()
    }

    /// Whether it serves named tenants alone.
    pub(crate) fn names_tenants(&self) -> bool {
        self.tenants.is_some()
    }

    /// Whether it serves this tenant. Counts those that it does not.
    pub(crate) fn admits(&self, tenant: &Tenant) -> bool {
        let is_served = |tenants: &Vec<String>| tenants.iter().any(|name| **name == *tenant.name);
        let is_admitted = self.tenants.as_ref().is_none_or(is_served);
        if !is_admitted {
            self.foreign_tokens.fetch_add(1, Ordering::Relaxed);
        }
        is_admitted
    }

    /// Tokens that were refused because their tenant is not served here; `None` where all are.
    pub(crate) fn foreign_tokens(&self) -> Option<u64> {
        self.names_tenants().then(|| self.foreign_tokens.load(Ordering::Relaxed))
    }
}

/// How a call comes in.
#[derive(Debug, Clone)]
pub(crate) struct Ingress {
    /// The listener that accepted its connection.
    pub(crate) listener: Arc<Listener>,
    /// The other end of the connection.
    pub(crate) from: RemoteEnd,
    /// The name in the client's verified certificate.
    pub(crate) certified: Option<String>,
}

impl Ingress {
    /// The operator's process, on the operator's socket.
    pub(crate) fn operator(&self) -> Option<Peer> {
        self.from.operator()
    }
}
