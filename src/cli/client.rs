//! The client side of a running service, for `random` and `status`.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the answer may take to begin: longer than a fresh seed is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// The most of an error answer that is read.
const ERROR_BYTES: u64 = 64 * 1024;

/// Which service to ask.
#[derive(Debug, Args)]
pub(super) struct ServiceArguments {
    /// Address of the service
    #[arg(long, value_name = "URL", env = "LAVAWALL_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// File with the token to show; a token never goes on the command line, where others see it
    #[arg(long, value_name = "FILE", env = "LAVAWALL_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Certificate authority of the service (PEM), when it is not a public one
    #[arg(long, value_name = "FILE", env = "LAVAWALL_CA_FILE")]
    ca_file: Option<PathBuf>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ClientError {
    /// A file named on the command line.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The service cannot be reached.
    #[error("{url}: {reason}; is the service running? start it with: lavawall serve")]
    Unreachable {
        /// The address.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The service answered with an error.
    #[error("{url}: {status}: {reason}")]
    Refused {
        /// The address.
        url: String,
        /// The status code.
        status: u16,
        /// The problem's detail.
        reason: String,
    },
}

impl ServiceArguments {
    /// Asks for `path`. Any status of `accepted` is an answer; others are errors.
    pub(super) fn get(&self, path: &str, accepted: &[u16]) -> Result<impl Read, ClientError> {
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        let mut request = self.agent()?.get(&url);
        if let Some(token) = self.token()? {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let unreachable = |error: ureq::Error| ClientError::Unreachable {
            url: self.url.clone(),
            reason: error.to_string(),
        };
        let response = request.call().map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = response.into_body();
        if accepted.contains(&status) {
            return Ok(body.into_reader());
        }
        Err(ClientError::Refused { url: self.url.clone(), status, reason: reason(body) })
    }

    fn agent(&self) -> Result<ureq::Agent, ClientError> {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT));
        if let Some(path) = &self.ca_file {
            let file_error = |reason: String| ClientError::File { path: path.clone(), reason };
            let pem = std::fs::read(path).map_err(|error| file_error(error.to_string()))?;
            let root =
                Certificate::from_pem(&pem).map_err(|error| file_error(error.to_string()))?;
            let roots = RootCerts::new_with_certs(&[root]);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(config.build().new_agent())
    }

    fn token(&self) -> Result<Option<String>, ClientError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let file_error = |reason: String| ClientError::File { path: path.clone(), reason };
        let token = std::fs::read_to_string(path).map_err(|error| file_error(error.to_string()))?;
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(file_error("holds no token".into()));
        }
        Ok(Some(token.to_owned()))
    }
}

/// The detail of a problem+json answer, or its text, printable characters only.
fn reason(body: ureq::Body) -> String {
    let mut text = String::new();
    let _ = body.into_reader().take(ERROR_BYTES).read_to_string(&mut text);
    let detail = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|problem| {
        let detail = problem.get("detail")?.as_str()?;
        let limit = problem.get("limit").and_then(|limit| limit.as_str());
        Some(limit.map_or_else(|| detail.to_owned(), |limit| format!("{detail} ({limit})")))
    });
    detail.unwrap_or(text).chars().filter(|letter| !letter.is_control()).take(500).collect()
}
