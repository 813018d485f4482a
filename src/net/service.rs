//! The contract between the transport and the protocol on top of it.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use hyper::body::{Bytes, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use rustls::ServerConfig;

use crate::caller::RemoteEnd;
use crate::net::activity::Activity;
use crate::net::network::Network;

/// Why a response body ends early.
pub(crate) type BodyError = Box<dyn Error + Send + Sync>;

/// Makes the service of each connection, and decides about connections before there is a request.
///
/// One value serves all connections of a listener; cloning it MUST be cheap.
pub(crate) trait ConnectionService: Clone + Send + 'static {
    /// The body of an answer.
    type Body: http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static;

    /// Answers the requests of one connection. MUST mark in the connection's [`Activity`] the time
    /// in which the client waits for an answer.
    type Handler: Service<
            Request<Incoming>,
            Response = Response<Self::Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Send
        + 'static;

    /// The handler of a connection. `certified` is the name in the client's verified certificate.
    fn handler(
        &self,
        activity: Arc<Activity>,
        from: RemoteEnd,
        certified: Option<String>,
    ) -> Self::Handler;

    /// The TLS configuration of new TCP connections; `None` in the clear.
    fn tls(&self) -> Option<Arc<ServerConfig>>;

    /// The proxies that tell who is behind a connection, and must; others are refused. `None` where every
    /// client connects itself.
    fn proxies(&self) -> Option<Arc<[Network]>>;

    /// Counts a connection refused because it is of no proxy, or has no valid header of one.
    fn count_refused_header(&self);

    /// Counts a connection that was admitted, or refused because all permits were taken.
    fn count_connection(&self, is_admitted: bool);

    /// An HTTP/1.1 response, head and body, for a connection without a permit.
    fn overloaded(&self) -> Bytes;

    /// Records that the operator's socket refused a process of another user.
    fn refuse_peer(&self) -> impl Future<Output = ()> + Send + 'static;
}
