//! Requests to a service, and what it answers.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use ureq::http::{HeaderValue, Request, Response, header};

use crate::client::unix::{NoResolver, UnixConnector};
use crate::client::wiped::Wiped;
use crate::client::{ClientError, Credentials};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the answer may take to begin: longer than a fresh seed is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// The most of an error answer that is read.
const ERROR_BYTES: u64 = 64 * 1024;

/// A service that is asked, as often as one likes, over few connections.
pub(crate) struct Client {
    agent: ureq::Agent,
    /// What stands before every path.
    base: String,
    /// What errors call it.
    shown: String,
    token: Option<HeaderValue>,
}

/// What is sent along with a request. The bytes stay the caller's, who may wipe them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payload<'a> {
    /// What the bytes are.
    pub(crate) media_type: &'a str,
    /// All of them.
    pub(crate) bytes: &'a [u8],
}

/// What came back.
pub(crate) struct Answer {
    response: Response<ureq::Body>,
    shown: String,
}

impl Client {
    /// The service at this address.
    pub(crate) fn new(url: &str, credentials: &Credentials) -> Result<Self, ClientError> {
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self::over_socket(Path::new(path)));
        }
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(ClientError::Address { url: url.to_owned() });
        }
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self {
            agent: credentials.agent()?,
            base,
            shown: url.to_owned(),
            token: credentials.token()?,
        })
    }

    /// The service behind this socket. Whoever can open it needs no token.
    pub(crate) fn over_socket(path: &Path) -> Self {
        let connector = UnixConnector(path.to_owned());
        let config = timed(ureq::Agent::config_builder()).build();
        Self {
            agent: ureq::Agent::with_parts(config, connector, NoResolver),
            base: "http://localhost".into(),
            shown: format!("unix:{}", path.display()),
            token: None,
        }
    }

    /// Makes one request and waits for the answer to begin, whatever its status.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        payload: Option<Payload<'_>>,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let sent = match payload {
            None => request.body(()).map_err(ureq::Error::from).and_then(|it| self.agent.run(it)),
            Some(Payload { media_type, bytes }) => request
                .header(header::CONTENT_TYPE, media_type)
                .body(bytes)
                .map_err(ureq::Error::from)
                .and_then(|it| self.agent.run(it)),
        };
        match sent {
            Ok(response) => Ok(Answer { response, shown: self.shown.clone() }),
            Err(ureq::Error::Io(error)) => Err(self.unreachable(&error)),
            Err(error) => Err(self.unreachable(&error)),
        }
    }

    fn unreachable(&self, reason: &dyn std::fmt::Display) -> ClientError {
        ClientError::Unreachable { url: self.shown.clone(), reason: reason.to_string() }
    }
}

impl Answer {
    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The same when its status is one of these; otherwise the error that it is.
    pub(crate) fn accepted(self, accepted: &[u16]) -> Result<Self, ClientError> {
        let status = self.status();
        if accepted.contains(&status) {
            return Ok(self);
        }
        let Self { response, shown } = self;
        Err(ClientError::Refused { url: shown, status, reason: reason(response.into_body()) })
    }

    /// The body, as it comes.
    pub(crate) fn into_reader(self) -> impl Read + use<> {
        self.response.into_body().into_reader()
    }

    /// The body, all of it, when it has at most `limit` bytes. Wiped when dropped.
    pub(crate) fn read(self, limit: usize) -> Result<Wiped, ClientError> {
        let Self { response, shown } = self;
        let body = response.into_body();
        let broken_off = |reason: String| ClientError::BrokenOff { url: shown, reason };
        Wiped::read(body.into_reader(), limit).map_err(|error| broken_off(error.to_string()))
    }
}

pub(crate) type ConfigBuilder = ureq::config::ConfigBuilder<ureq::typestate::AgentScope>;

/// What holds for every connection: any status is an answer, nothing is waited for in vain, and no proxy
/// of the environment is shown a token, a secret or what is random.
pub(crate) fn timed(config: ConfigBuilder) -> ConfigBuilder {
    config
        .http_status_as_error(false)
        .proxy(None)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(ANSWER_TIMEOUT))
}

/// What an error answer says, printable characters only: the detail of a problem+json, the messages
/// of an envelope, or the text itself.
fn reason(body: ureq::Body) -> String {
    let mut text = Vec::new();
    let _ = body.into_reader().take(ERROR_BYTES).read_to_end(&mut text);
    let said = serde_json::from_slice::<serde_json::Value>(&text).ok();
    let said = said.and_then(|answer| detail(&answer).or_else(|| messages(&answer)));
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(&text).into_owned());
    said.chars().filter(|letter| !letter.is_control()).take(500).collect()
}

fn detail(problem: &serde_json::Value) -> Option<String> {
    let detail = problem.get("detail")?.as_str()?;
    let limit = problem.get("limit").and_then(|limit| limit.as_str());
    Some(limit.map_or_else(|| detail.to_owned(), |limit| format!("{detail} ({limit})")))
}

fn messages(envelope: &serde_json::Value) -> Option<String> {
    let errors = envelope.get("errors")?.as_array()?;
    let messages: Vec<_> = errors.iter().filter_map(|it| it.get("message")?.as_str()).collect();
    (!messages.is_empty()).then(|| messages.join("; "))
}
