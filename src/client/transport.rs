//! Where a service listens, and how a connection to it is opened.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::client::payload::PayloadBody;
use crate::net::socket_file::check_length;

/// How long opening a connection to one address may take, its TLS handshake included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An open connection. Its task, on the worker thread, ends when this is dropped.
pub(crate) type HttpConnection = SendRequest<PayloadBody>;

/// Where a service listens.
pub(crate) enum ServiceAddress {
    /// A unix socket.
    Socket(PathBuf),
    /// A host and its port; with TLS where there is a configuration for it.
    Host { name: String, port: u16, tls: Option<Arc<ClientConfig>> },
}

impl ServiceAddress {
    /// The host of an `http` or `https` address; `None` for any other.
    pub(crate) fn of(uri: &Uri, tls: Arc<ClientConfig>) -> Option<Self> {
        let (port, tls) = match uri.scheme_str()? {
            "http" => (80, None),
            "https" => (443, Some(tls)),
            _ => return None,
        };
        let name = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self::Host { name, port: uri.port_u16().unwrap_or(port), tls })
    }

    /// Looks the host up. This blocks, for as long as the system's resolver takes.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Socket(_) => Ok(Vec::new()),
            Self::Host { name, port, .. } => {
                Ok((name.as_str(), *port).to_socket_addrs()?.collect())
            }
        }
    }

    /// Opens a connection, to the first of the addresses that accepts one.
    ///
    /// # Errors
    /// The system's, of the last address that was tried, or [`io::ErrorKind::TimedOut`].
    pub(crate) async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<HttpConnection> {
        let (name, tls) = match self {
            Self::Socket(path) => {
                check_length(path)?;
                return in_time(async { speak(UnixStream::connect(path).await?).await }).await;
            }
            Self::Host { name, tls, .. } => (name, tls.as_ref()),
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{name} has no address"));
        for address in addresses {
            match in_time(open(name, tls, *address)).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

async fn in_time(
    opening: impl Future<Output = io::Result<HttpConnection>>,
) -> io::Result<HttpConnection> {
    timeout(CONNECT_TIMEOUT, opening).await.unwrap_or_else(|_| {
        let reason = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, reason))
    })
}

async fn open(
    name: &str,
    tls: Option<&Arc<ClientConfig>>,
    address: SocketAddr,
) -> io::Result<HttpConnection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return speak(stream).await };
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    speak(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?).await
}

/// Speaks HTTP/1.1 over a stream, in a task of its own.
async fn speak<S>(stream: S) -> io::Result<HttpConnection>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (connection, task) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Its error is that of the call it breaks.
    tokio::spawn(async { drop(task.await) });
    Ok(connection)
}
