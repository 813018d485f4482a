//! Who may call, and over what: certificates and tokens, reloaded while the service runs.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use rustls::ServerConfig;

use crate::caller::token::{Tokens, bearer};
use crate::http::config::Config;
use crate::net::tls;
use crate::net::tls::LoadError;

/// The current certificates and tokens. Shared by all connections; what is reloaded counts for new
/// TLS sessions and for the next request of any connection.
pub struct Access {
    certificate_and_key: Option<(PathBuf, PathBuf)>,
    tls: ArcSwapOption<ServerConfig>,
    tokens_path: Option<PathBuf>,
    tokens: ArcSwap<Tokens>,
}

impl Access {
    /// Loads what the configuration names; with neither certificate nor tokens, everybody may
    /// call in the clear.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(config: &Config) -> Result<Self, LoadError> {
        let access = Self {
            certificate_and_key: config.tls_certificate.clone().zip(config.tls_key.clone()),
            tls: ArcSwapOption::empty(),
            tokens_path: config.tokens.clone(),
            tokens: ArcSwap::default(),
        };
        access.reload()?;
        Ok(access)
    }

    /// Reads all files again. No connection is dropped.
    ///
    /// # Errors
    /// Names the file that is bad; then everything stays as it was.
    pub fn reload(&self) -> Result<(), LoadError> {
        let tls = match &self.certificate_and_key {
            Some((certificate, key)) => Some(tls::load(certificate, key)?),
            None => None,
        };
        let tokens = match &self.tokens_path {
            Some(path) => {
                let in_file =
                    |error| LoadError::Tokens { path: path.clone(), error: Box::new(error) };
                let text = tls::read(path)?;
                Tokens::parse(&String::from_utf8_lossy(&text)).map_err(in_file)?
            }
            None => Tokens::default(),
        };
        self.tls.store(tls);
        self.tokens.store(Arc::new(tokens));
        Ok(())
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.certificate_and_key.is_some()
    }

    /// How to speak TLS, if at all.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.load_full()
    }

    /// Whether a request with these headers may be answered.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        if self.tokens_path.is_none() {
            return true;
        }
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let token = given.next().and_then(|value| bearer(value.as_bytes()));
        match token {
            Some(token) if given.next().is_none() => self.tokens.load().admit(token),
            _ => false,
        }
    }
}
