//! Keys that callers use by name: the transit engine beside OpenBao, AWS KMS beside moto.

use std::fmt::Write as _;
use std::process::Command;

use super::aws_signature::AwsRequest;
use super::servers::Server;
use super::stores::retried;
use super::{load, pypi};

/// 32 bytes in Base64.
const TEXT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// moto knows those of AWS alone.
const REGION: &str = "us-east-1";

/// A server of the transit engine.
pub(crate) struct Transit {
    server: Server,
    token: String,
}

impl Transit {
    pub(crate) fn lavawall() -> Self {
        let server = Server::lavawall();
        // It is there once the service has randomness to make it of.
        let file = server.folder().join("state/admin.token");
        let token = retried(|| std::fs::read_to_string(&file).ok()).trim().to_owned();
        Self { server, token }.with_key()
    }

    pub(crate) fn openbao() -> Self {
        let it = Self { server: pypi::openbao(), token: pypi::ROOT.into() };
        retried(|| it.post("sys/mounts/transit", r#"{"type":"transit"}"#));
        it.with_key()
    }

    fn with_key(self) -> Self {
        retried(|| self.post("transit/keys/bench", "{}"));
        self
    }

    fn post(&self, path: &str, body: &str) -> Option<()> {
        let request = ureq::post(&self.server.url(&format!("/v1/{path}")));
        request.header("x-vault-token", &self.token).send(body).ok().map(|_| ())
    }

    /// Requests a second: texts of 32 bytes sealed, and 32 random bytes.
    pub(crate) fn rates(&self) -> [f64; 2] {
        let text = format!("{{\"plaintext\":\"{TEXT}\"}}");
        let headers = [("x-vault-token", self.token.as_str())];
        [("encrypt/bench", text.as_str()), ("random/32", "")].map(|(path, body)| {
            post_repeatedly(&self.server, &format!("/v1/transit/{path}"), &headers, body)
        })
    }
}

/// A server of AWS KMS with a key.
pub(crate) struct AwsKms {
    server: Server,
    id: String,
    secret: String,
    key: String,
}

impl AwsKms {
    pub(crate) fn lavawall() -> Self {
        let server = Server::lavawall();
        let run = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_lavawall"));
            command.args(arguments).env("LAVAWALL_STATE_DIR", server.folder().join("state"));
            let output = command.output().expect("it runs");
            output.status.success().then(|| String::from_utf8(output.stdout).expect("text"))
        };
        let permissions = ["--allow", "keys:use:*", "--allow", "keys:manage:*"];
        retried(|| run(&[&["tenant", "create", "bench"], &permissions[..]].concat()));
        let printed = run(&["tenant", "token", "bench", "--aws"]).expect("an access key");
        let values: Vec<_> = printed.lines().filter_map(|line| line.split_once('=')).collect();
        let [(_, id), (_, secret)] = values[..] else { panic!("two lines: {printed}") };
        Self { id: id.into(), secret: secret.into(), key: String::new(), server }.with_key()
    }

    pub(crate) fn moto() -> Self {
        let (id, secret, key) = ("id".into(), "secret".into(), String::new());
        Self { server: pypi::moto(), id, secret, key }.with_key()
    }

    fn with_key(mut self) -> Self {
        let answer = retried(|| {
            let mut request = ureq::post(&self.server.url("/"));
            for (name, value) in self.signed("CreateKey", "{}") {
                request = request.header(name, value);
            }
            request.send("{}").ok()?.into_body().read_to_string().ok()
        });
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let key = answer["KeyMetadata"]["KeyId"].as_str().expect("an id");
        key.clone_into(&mut self.key);
        self
    }

    /// Data keys of 32 bytes a second. A signature holds for longer than a round.
    pub(crate) fn rate(&self) -> f64 {
        let body = format!("{{\"KeyId\":\"{}\",\"KeySpec\":\"AES_256\"}}", self.key);
        let headers = self.signed("GenerateDataKey", &body);
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        post_repeatedly(&self.server, "/", &headers, &body)
    }

    fn signed(&self, operation: &str, body: &str) -> [(&'static str, String); 4] {
        let date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let target = format!("TrentService.{operation}");
        let url = self.server.url("");
        let host = url.strip_prefix("http://").expect("without TLS");
        let request = AwsRequest { host, date: &date, region: REGION, target: &target, body };
        let authorization = request.authorization(&self.id, &request.signature(&self.secret));
        [
            ("content-type", "application/x-amz-json-1.1".into()),
            ("authorization", authorization),
            ("x-amz-date", date),
            ("x-amz-target", target),
        ]
    }
}

/// Sends one request again and again; requests a second.
fn post_repeatedly(server: &Server, path: &str, headers: &[(&str, &str)], body: &str) -> f64 {
    let mut script = format!("wrk.method = 'POST'\nwrk.body = '{body}'\n");
    for (name, value) in headers {
        writeln!(script, "wrk.headers['{name}'] = '{value}'").expect("a string");
    }
    let file = server.folder().join("load.lua");
    std::fs::write(&file, script).expect("written");
    load::scripted_requests_a_second(&server.url(path), &file)
}
