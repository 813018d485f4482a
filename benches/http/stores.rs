//! Records of 1 KiB over the network: the service beside Redis and etcd, each with its disk flushed
//! before a write is answered.

use std::path::PathBuf;
use std::time::Duration;

use super::load;
use super::servers::Server;

/// Names that are written and read, in turn. Each server has all of them before it is read from.
pub(crate) const NAMES: u32 = 10_000;

/// A store under load.
pub(crate) enum Peer {
    /// By the dialect of Workers KV.
    Lavawall { server: Server, values: String, token: String },
    /// By its own protocol, as `redis-benchmark` speaks it.
    Redis(Server),
    /// By its JSON gateway: Debian has no other load generator for it than one of HTTP.
    Etcd(Server),
}

impl Peer {
    pub(crate) fn lavawall() -> Self {
        let server = Server::lavawall();
        // It is there once the service has randomness to make it of.
        let file = server.folder().join("state/admin.token");
        let token = retried(|| std::fs::read_to_string(&file).ok());
        let token = format!("Bearer {}", token.trim());
        let spaces = server.url("/client/v4/accounts/default/storage/kv/namespaces");
        let made = retried(|| {
            let request = ureq::post(&spaces).header("authorization", &token);
            request.content_type("application/json").send(r#"{"title":"bench"}"#).ok()
        });
        let text = made.into_body().read_to_string().expect("an answer");
        let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let id = answer["result"]["id"].as_str().expect("an id");
        Self::Lavawall { values: format!("{spaces}/{id}/values/"), server, token }
    }

    pub(crate) fn redis() -> Self {
        Self::Redis(Server::redis())
    }

    pub(crate) fn etcd() -> Self {
        let server = Server::etcd();
        // It listens before it has elected itself.
        let url = server.url("/v3/kv/range");
        retried(|| ureq::post(&url).send(r#"{"key":"AAAA"}"#).ok());
        Self::Etcd(server)
    }

    /// Requests a second: writes, and reads of what has been written.
    pub(crate) fn rates(&self) -> [f64; 2] {
        match self {
            Self::Lavawall { values, token, server } => {
                let path = values.strip_prefix(&server.url("")).expect("of this server");
                let request = |method: &str, body: &str| {
                    format!(
                        "headers = {{ authorization = '{token}' }}\n\
                         body = {body}\n\
                         request = function() n = (n + 1) % {NAMES}\n\
                         return wrk.format('{method}', '{path}' .. n, headers, body) end\n"
                    )
                };
                self.scripted([request("PUT", "string.rep('x', 1024)"), request("GET", "nil")])
            }
            Self::Etcd(_) => {
                // Eight digits are base64 too; so are these, of 1,024 bytes.
                let request = |path: &str, value: &str| {
                    format!(
                        "headers = {{}}\n\
                         value = {value}\n\
                         request = function() n = (n + 1) % {NAMES}\n\
                         return wrk.format('POST', '/v3/kv/{path}', headers,\n\
                         '{{\"key\":\"' .. string.format('%08d', n) .. '\"' .. value .. '}}') end\n"
                    )
                };
                let value = "',\"value\":\"' .. string.rep('A', 1366) .. '==\"'";
                self.scripted([request("put", value), request("range", "''")])
            }
            Self::Redis(server) => {
                ["set", "get"].map(|test| load::redis(server.port(), test, NAMES))
            }
        }
    }

    fn scripted(&self, scripts: [String; 2]) -> [f64; 2] {
        let (Self::Lavawall { server, .. } | Self::Redis(server) | Self::Etcd(server)) = self;
        let file: PathBuf = server.folder().join("load.lua");
        scripts.map(|script| {
            std::fs::write(&file, format!("n = 0\n{script}")).expect("written");
            load::scripted_requests_a_second(&server.url("/"), &file)
        })
    }
}

/// Tries until it succeeds, for half a minute.
pub(crate) fn retried<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(done) = attempt() {
            return done;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the server does not answer");
}
