//! TLS from certificate files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::durable;

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// A file holds no usable PEM.
    #[error("{}: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The reason; never a part of the key.
        reason: String,
    },
    /// Certificate and key do not make a TLS server.
    #[error("{}: {error}", path.display())]
    Server {
        /// The certificate.
        path: PathBuf,
        /// The reason.
        error: rustls::Error,
    },
}

/// A server that speaks TLS 1.2 and 1.3, and HTTP/2 and HTTP/1.1 by ALPN.
///
/// # Errors
/// Names the file and the fault in it.
///
/// # Security
/// Handshakes, their keys and session tickets draw from the operating system through `ring`, not
/// from the generator: the one stated exception to the single entropy path.
pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let pem = |path: &Path, reason: String| TlsError::Pem { path: path.to_owned(), reason };
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| pem(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(pem(certificate, "the file has no certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| pem(key, "the file has no private key".to_owned()))?;
    let tls = |error| TlsError::Server { path: certificate.to_owned(), error };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(tls)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ring::Ticketer::new().map_err(tls)?;
    Ok(Arc::new(config))
}

/// Reads a whole small file.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    durable::read_given(path).map_err(|error| TlsError::Read { path: path.to_owned(), error })
}
