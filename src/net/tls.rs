//! TLS from certificate files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use zeroize::Zeroizing;

use crate::durable;

/// Why a file of a listener's TLS cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{field} = {}: {fault}", path.display())]
pub struct TlsError {
    /// The key of its table that names the file.
    pub field: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: TlsFault,
}

/// What is wrong with a file of a listener's TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// It holds no usable PEM; the reason has no part of a key.
    #[error("{0}")]
    Pem(String),
    /// Certificate and key do not make a TLS server.
    #[error(transparent)]
    Server(#[from] rustls::Error),
}

/// A PEM file, and the key of the table that names it.
struct PemFile<'a> {
    field: &'static str,
    path: &'a Path,
}

impl PemFile<'_> {
    fn read(&self) -> Result<Zeroizing<Vec<u8>>, TlsError> {
        durable::read_given(self.path).map_err(|error| self.error(error))
    }

    fn error(&self, fault: impl Into<TlsFault>) -> TlsError {
        TlsError { field: self.field, path: self.path.to_owned(), fault: fault.into() }
    }

    fn bad_pem(&self, reason: impl Into<String>) -> TlsError {
        self.error(TlsFault::Pem(reason.into()))
    }

    /// The certificates in it, at least one.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain = CertificateDer::pem_slice_iter(without_mark(&self.read()?))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| self.bad_pem("the file is cut short, or not PEM"))?;
        if chain.is_empty() {
            return Err(self.bad_pem("the file has no certificate"));
        }
        Ok(chain)
    }
}

/// A server that speaks TLS 1.2 and 1.3, and HTTP/2 and HTTP/1.1 by ALPN. With
/// `client_ca` a client needs a certificate of an authority in that file.
///
/// # Errors
/// Names the key, the file and the fault in it.
///
/// # Security
/// Handshakes, their keys and session tickets draw from the operating system through `ring`, not
/// from the generator: the one stated exception to the single entropy path.
pub(crate) fn load(
    certificate: &Path,
    key: &Path,
    client_ca: Option<&Path>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let certificate = PemFile { field: "tls-certificate", path: certificate };
    let key = PemFile { field: "tls-key", path: key };
    let chain = certificate.certificates()?;
    let key_text = key.read()?;
    let private = PrivateKeyDer::from_pem_slice(without_mark(&key_text))
        .map_err(|_| key.bad_pem(no_key(&key_text)))?;
    let tls = |error: rustls::Error| certificate.error(error);
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(tls)?;
    let builder = match client_ca {
        Some(path) => builder.with_client_cert_verifier(verifier(path, provider)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, private).map_err(tls)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if client_ca.is_some() {
        // A resumed session would not show the client's certificate again, whose time may be over.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = ring::Ticketer::new().map_err(tls)?;
    }
    Ok(Arc::new(config))
}

/// Requires a certificate of one of the authorities in a file.
fn verifier(
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let file = PemFile { field: "client-ca", path };
    let mut roots = RootCertStore::empty();
    for certificate in file.certificates()? {
        roots.add(certificate).map_err(|error| file.bad_pem(error.to_string()))?;
    }
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    built.map_err(|error| file.bad_pem(error.to_string()))
}

/// The name in a client's certificate that was verified: its only DNS name. `None` when it has none, or
/// several.
pub(crate) fn client_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut names = certificate.valid_dns_names();
    let name = names.next()?.to_owned();
    names.next().is_none().then_some(name)
}

/// PEM without the byte order mark that some editors begin it with, which the parser does not take.
fn without_mark(pem: &[u8]) -> &[u8] {
    pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(pem)
}

/// The fault of a file without a private key that can be read.
fn no_key(pem: &[u8]) -> &'static str {
    // PKCS #8 (RFC 7468 §11), and the older form (RFC 1421 §4.6.1.1).
    let is_encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| pem.windows(mark.len()).any(|window| window == *mark));
    if is_encrypted {
        "the private key is encrypted: the service can ask for no passphrase"
    } else {
        "the file has no private key"
    }
}
