//! Certificates and tokens of the service, reloaded while it runs.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;

use crate::caller::token::{ReloadableTokens, TokenError, Tokens};
use crate::durable;
use crate::http::access_log::AccessLog;
use crate::http::config::HttpConfig;
use crate::net::tls;
use crate::net::tls::TlsError;

/// Why certificates or tokens could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The token file cannot be read.
    #[error("{}: {error}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// The access log cannot be opened.
    #[error("http.access-log = {}: {error}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// The token file is wrong.
    #[error("{}: {error}", path.display())]
    Tokens {
        /// The file.
        path: PathBuf,
        /// The fault in it.
        error: TokenError,
    },
}

/// The current certificates and tokens. Shared by all connections; a reload takes effect for new
/// TLS sessions and for the next request of any connection.
pub struct AccessControl {
    certificate_and_key: Option<(PathBuf, PathBuf)>,
    tls: ArcSwapOption<ServerConfig>,
    tokens_path: Option<PathBuf>,
    tokens: ReloadableTokens,
    log: Option<AccessLog>,
}

impl AccessControl {
    /// Loads the configured files, and opens the access log; with neither certificate nor tokens, everybody may call in the
    /// clear.
    ///
    /// # Errors
    /// Names the file and the fault in it.
    pub fn load(config: &HttpConfig) -> Result<Self, AccessError> {
        let open = |path: &PathBuf| {
            AccessLog::open(path).map_err(|error| AccessError::Log { path: path.clone(), error })
        };
        let access = Self {
            log: config.access_log.as_ref().map(open).transpose()?,
            certificate_and_key: config.tls_certificate.clone().zip(config.tls_key.clone()),
            tls: ArcSwapOption::empty(),
            tokens_path: config.tokens.clone(),
            tokens: ReloadableTokens::default(),
        };
        access.reload()?;
        Ok(access)
    }

    /// Reads all files again. No connection is dropped.
    ///
    /// # Errors
    /// Names the bad file; then everything stays as it was.
    pub fn reload(&self) -> Result<(), AccessError> {
        let tls = match &self.certificate_and_key {
            Some((certificate, key)) => Some(tls::load(certificate, key)?),
            None => None,
        };
        if let Some(path) = &self.tokens_path {
            let text = durable::read_given(path)
                .map_err(|error| AccessError::TokenFile { path: path.clone(), error })?;
            let tokens = Tokens::parse(&String::from_utf8_lossy(&text))
                .map_err(|error| AccessError::Tokens { path: path.clone(), error })?;
            self.tokens.set(tokens);
        }
        self.tls.store(tls);
        if let Some(log) = &self.log {
            log.reopen();
        }
        Ok(())
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.certificate_and_key.is_some()
    }

    /// The TLS configuration, unless connections are in the clear.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.load_full()
    }

    /// Whether every caller needs a token.
    pub(crate) fn needs_token(&self) -> bool {
        self.tokens_path.is_some()
    }

    /// The access log, if there is one.
    pub(crate) fn log(&self) -> Option<&AccessLog> {
        self.log.as_ref()
    }

    /// The tokens of the token file.
    pub(crate) fn tokens(&self) -> &ReloadableTokens {
        &self.tokens
    }
}
