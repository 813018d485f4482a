//! Certificates and tokens of the service, reloaded while it runs.

use std::path::PathBuf;
use std::sync::Arc;

use crate::caller::token::{ReloadableTokens, TokenError, Tokens};
use crate::durable;
use crate::http::access_log::AccessLog;
use crate::http::config::HttpConfig;
use crate::http::listener::Listener;
use crate::http::listener_config::ListenerConfig;
use crate::net::tls::TlsError;

/// Why certificates or tokens could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A file of a listener's TLS.
    #[error("{table}.{error}")]
    Tls {
        /// The listener's table.
        table: String,
        /// The key in it, the file and its fault.
        error: Box<TlsError>,
    },
    /// The token file cannot be read.
    #[error("http.tokens = {}: {error}", path.display())]
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
    #[error("http.tokens = {}: {error}", path.display())]
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
    listeners: Vec<Arc<Listener>>,
    tokens_path: Option<PathBuf>,
    tokens: ReloadableTokens,
    log: Option<AccessLog>,
}

impl AccessControl {
    /// Loads the configured files, and opens the access log. A listener with neither certificate nor tokens
    /// serves everybody in the clear.
    ///
    /// # Errors
    /// Names the key, the file and the fault in it.
    pub fn load(config: &HttpConfig, listeners: &[ListenerConfig]) -> Result<Self, AccessError> {
        let open = |path: &PathBuf| {
            AccessLog::open(path).map_err(|error| AccessError::Log { path: path.clone(), error })
        };
        let access = Self {
            log: config.access_log.as_ref().map(open).transpose()?,
            listeners: listeners.iter().map(|config| Arc::new(Listener::new(config))).collect(),
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
        let loaded = self.listeners.iter().map(|listener| {
            listener.load_tls().map_err(|error| AccessError::Tls {
                table: listener.table().to_owned(),
                error: Box::new(error),
            })
        });
        let loaded = loaded.collect::<Result<Vec<_>, _>>()?;
        if let Some(path) = &self.tokens_path {
            let text = durable::read_given(path)
                .map_err(|error| AccessError::TokenFile { path: path.clone(), error })?;
            let tokens = Tokens::parse(&String::from_utf8_lossy(&text))
                .map_err(|error| AccessError::Tokens { path: path.clone(), error })?;
            self.tokens.set(tokens);
        }
        for (listener, tls) in self.listeners.iter().zip(loaded) {
            listener.set_tls(tls);
        }
        if let Some(log) = &self.log {
            log.reopen();
        }
        Ok(())
    }

    /// Whether all connections over a network are encrypted.
    #[must_use]
    pub(crate) fn is_tls(&self) -> bool {
        self.listeners.iter().all(|listener| listener.is_tls_or_local())
    }

    /// The listeners, in the order of the configuration.
    pub(crate) fn listeners(&self) -> &[Arc<Listener>] {
        &self.listeners
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
