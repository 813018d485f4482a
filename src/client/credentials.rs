//! The bearer token that a client shows, and the certificates that it trusts.

use std::path::PathBuf;
use std::sync::Arc;

use hyper::header::HeaderValue;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

use crate::api::json::without_mark;
use crate::client::error::ClientError;

/// Files with the token and the certificate authority.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    /// Holds the token.
    pub(crate) token_file: Option<PathBuf>,
    /// The only certificate authority to trust (PEM); without it, the public ones.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Credentials {
    /// The TLS configuration.
    ///
    /// # Errors
    /// [`ClientError::File`] for the file of the certificate authority.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, ClientError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.ca_file {
            let failed = |reason: String| ClientError::File { path: path.clone(), reason };
            let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            let root = CertificateDer::from_pem_slice(without_mark(&pem))
                .map_err(|error| failed(error.to_string()))?;
            roots.add(root).map_err(|error| failed(error.to_string()))?;
        } else {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// The `Authorization` header, where there is a token.
    ///
    /// # Errors
    /// [`ClientError::File`] for the token file; its reason never quotes the token.
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>, ClientError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let failed = |reason: String| ClientError::File { path: path.clone(), reason };
        let read = std::fs::read_to_string(path);
        let token = Zeroizing::new(read.map_err(|error| failed(error.to_string()))?);
        let token = token.strip_prefix('\u{feff}').unwrap_or(&token).trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(failed("holds no token".into()));
        }
        let header = Zeroizing::new(format!("Bearer {token}"));
        let mut header =
            HeaderValue::from_str(&header).map_err(|_| failed("holds no token".into()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}
