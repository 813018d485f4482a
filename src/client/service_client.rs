//! Requests to one service.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, Uri};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::client::answer::{AnswerBody, IdleConnection, ServiceAnswer};
use crate::client::credentials::Credentials;
use crate::client::error::{ClientError, with_causes};
use crate::client::payload::{Payload, PayloadBody};
use crate::client::secret_buffer::SecretBuffer;
use crate::client::transport::{CONNECT_TIMEOUT, HttpConnection, ServiceAddress};

/// Where the service listens unless configured.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// How long the service may take to accept more of a request, and then to answer: longer than it
/// waits for a fresh seed.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// A client of one service. Calls use one connection after the other's answer is read, else several.
pub(crate) struct Client {
    endpoint: ServiceAddress,
    /// The `Host` header.
    host: String,
    /// Precedes the path of every call.
    base_path: String,
    /// How errors name the service.
    url: String,
    authorization: Option<HeaderValue>,
    idle: Arc<IdleConnection>,
    runtime: Arc<Runtime>,
}

impl Client {
    /// A client of the service at this address. Connects at the first call.
    ///
    /// # Errors
    /// When the address has another form, or a file of the credentials cannot be used.
    pub(crate) fn new(url: &str, credentials: &Credentials) -> Result<Self, ClientError> {
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Self::over_socket(Path::new(path));
        }
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next();
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err(ClientError::UserInfo);
        }
        let invalid = || ClientError::Address { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        let endpoint = ServiceAddress::of(&uri, credentials.tls()?).ok_or_else(invalid)?;
        let host = uri.host().ok_or_else(invalid)?;
        let host = uri.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self {
            endpoint,
            host,
            base_path: uri.path().trim_end_matches('/').to_owned(),
            url: url.to_owned(),
            authorization: credentials.authorization()?,
            idle: Arc::default(),
            runtime: worker()?,
        })
    }

    /// A client of the service behind this socket, whose permissions replace the token.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub(crate) fn over_socket(path: &Path) -> Result<Self, ClientError> {
        Ok(Self {
            endpoint: ServiceAddress::Socket(path.to_owned()),
            host: "localhost".into(),
            base_path: String::new(),
            url: format!("unix:{}", path.display()),
            authorization: None,
            idle: Arc::default(),
            runtime: worker()?,
        })
    }

    /// Sends one request and waits for the head of the answer, of whatever status.
    ///
    /// # Errors
    /// When the service cannot be reached or does not answer in time.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        payload: Option<Payload>,
    ) -> Result<ServiceAnswer, ClientError> {
        let (request, progress) = self.request(method, path, payload)?;
        let sent = self.send(request, &progress);
        let (response, connection) = sent.map_err(|reason| self.unreachable(&reason))?;
        let status = response.status().as_u16();
        let (runtime, idle) = (Arc::clone(&self.runtime), Arc::clone(&self.idle));
        let body = AnswerBody::new(runtime, response.into_body(), connection, idle);
        Ok(ServiceAnswer::new(status, body, self.url.clone()))
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        payload: Option<Payload>,
    ) -> Result<(Request<PayloadBody>, watch::Receiver<()>), ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_path))
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, concat!("lavawall/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let mut bytes = SecretBuffer::default();
        if let Some(payload) = payload {
            request = request
                .header(header::CONTENT_TYPE, &*payload.media_type)
                .header(header::CONTENT_LENGTH, payload.bytes.len());
            bytes = payload.bytes;
        }
        let (body, progress) = PayloadBody::new(bytes);
        let request = request.body(body).map_err(|error| self.unreachable(&error))?;
        Ok((request, progress))
    }

    /// Sends over the idle connection, or over a new one when the service has closed that before any
    /// of the request was sent.
    fn send(
        &self,
        mut request: Request<PayloadBody>,
        progress: &watch::Receiver<()>,
    ) -> Result<(Response<Incoming>, HttpConnection), String> {
        if let Some(mut connection) = self.idle.take() {
            match self.runtime.block_on(exchange(&mut connection, request, progress.clone())) {
                Ok(response) => return Ok((response, connection)),
                Err(Unanswered::NotSent(unsent)) => request = *unsent,
                Err(Unanswered::Failed(reason)) => return Err(reason),
            }
        }
        let addresses = self.endpoint.resolve().map_err(|error| error.to_string())?;
        let connected = self.runtime.block_on(self.endpoint.connect(&addresses));
        let mut connection = connected.map_err(|error| with_causes(&error))?;
        match self.runtime.block_on(exchange(&mut connection, request, progress.clone())) {
            Ok(response) => Ok((response, connection)),
            Err(Unanswered::NotSent(_)) => Err("the connection was closed".into()),
            Err(Unanswered::Failed(reason)) => Err(reason),
        }
    }

    fn unreachable(&self, reason: &dyn std::fmt::Display) -> ClientError {
        ClientError::Unreachable { url: self.url.clone(), reason: reason.to_string() }
    }
}

/// Why a connection gave no answer.
enum Unanswered {
    /// None of the request was sent: another connection may be tried.
    NotSent(Box<Request<PayloadBody>>),
    /// The request, or a part of it, may have reached the service.
    Failed(String),
}

/// Sends a request and waits for the head of its answer; limits the time without progress.
async fn exchange(
    connection: &mut HttpConnection,
    request: Request<PayloadBody>,
    mut progress: watch::Receiver<()>,
) -> Result<Response<Incoming>, Unanswered> {
    // An idle connection is ready once it has finished with its last answer.
    if !matches!(timeout(CONNECT_TIMEOUT, connection.ready()).await, Ok(Ok(()))) {
        return Err(Unanswered::NotSent(Box::new(request)));
    }
    let mut answer = std::pin::pin!(connection.try_send_request(request));
    let mut is_sent = false;
    let answered = loop {
        tokio::select! {
            biased;
            answered = &mut answer => break answered,
            more = progress.changed(), if !is_sent => is_sent = more.is_err(),
            () = tokio::time::sleep(ANSWER_TIMEOUT) => {
                let seconds = ANSWER_TIMEOUT.as_secs();
                return Err(Unanswered::Failed(format!("no answer within {seconds} s")));
            }
        }
    };
    answered.map_err(|mut error| match error.take_message() {
        Some(request) => Unanswered::NotSent(Box::new(request)),
        None => Unanswered::Failed(with_causes(&error.into_error())),
    })
}

/// The thread that drives connections.
fn worker() -> Result<Arc<Runtime>, ClientError> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    Ok(Arc::new(runtime.map_err(ClientError::Thread)?))
}
