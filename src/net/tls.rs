//! TLS from certificate files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::durable;

/// Why certificates or tokens could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file could not be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file holds no usable PEM.
    #[error("{}: {reason}", path.display())]
    Pem {
        /// Which one.
        path: PathBuf,
        /// Why; never a part of the key.
        reason: String,
    },
    /// Certificate and key do not make a TLS server.
    #[error("{}: {error}", path.display())]
    Tls {
        /// The certificate.
        path: PathBuf,
        /// Why not.
        error: rustls::Error,
    },
    /// A line of the tokens file is wrong.
    #[error("line {line}: {reason}")]
    Token {
        /// Counted from 1.
        line: usize,
        /// What is wrong; never the line itself.
        reason: &'static str,
    },
    /// The tokens file names none.
    #[error("there is no token in it, so nobody could call")]
    NoTokens,
    /// The tokens file is wrong.
    #[error("{}: {error}", path.display())]
    Tokens {
        /// Which one.
        path: PathBuf,
        /// What is wrong in it.
        error: Box<LoadError>,
    },
}

/// A server that speaks TLS 1.2 and 1.3, and HTTP/2 and HTTP/1.1 by ALPN.
///
/// # Errors
/// Names the file and what is wrong with it.
///
/// # Security
/// Handshakes, their keys and session tickets draw from the operating system through `ring`, not
/// from the generator: the one stated exception to the single entropy path.
pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, LoadError> {
    let pem = |path: &Path, reason: String| LoadError::Pem { path: path.to_owned(), reason };
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| pem(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(pem(certificate, "there is no certificate in it".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| pem(key, "there is no private key in it".to_owned()))?;
    let tls = |error| LoadError::Tls { path: certificate.to_owned(), error };
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

/// The whole of a small file.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    durable::read_given(path).map_err(|error| LoadError::Read { path: path.to_owned(), error })
}
