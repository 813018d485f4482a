//! What only the operator of this machine may ask: keys, and what changes them, over a unix socket.
//!
//! ```text
//! GET  /admin/keyring                          how it is
//! POST /admin/keyring/init     {seal}          makes one; answers with the shares, once
//! POST /admin/keyring/unseal   {piece}         a passphrase or a share; nothing for a file
//! POST /admin/keyring/seal
//! POST /admin/keyring/rekey    {proof, seal}   answers with the shares, once, and in force not yet
//! POST /admin/keyring/confirm  {prepared}      the shares have arrived: they are in force
//! POST /admin/keyring/rotate   {proof}         the root key
//! GET  /admin/keys                             every key version, with its provenance
//! POST /admin/namespaces/{id}/rotate
//! POST /admin/namespaces/{id}/revoke {version}
//! ```

pub(crate) mod calls;
pub(crate) mod refusal;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use crate::dialect::workers_kv::WorkersKv;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::keyring::NamespaceId;

/// Where its paths begin.
pub(crate) const PREFIX: &str = "/admin/";

/// Who calls over the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The user, as the kernel knows it.
    pub(crate) uid: u32,
}

impl Peer {
    /// As the audit log names it.
    pub(crate) fn actor(self) -> String {
        format!("socket, uid {}", self.uid)
    }
}

/// Answers one request.
pub(crate) async fn answer(
    dialect: Option<Arc<WorkersKv>>,
    peer: Peer,
    request: &mut Request<Incoming>,
) -> Response<Body> {
    let Some(dialect) = dialect else {
        return refusal::no_keyring().response();
    };
    route(dialect, peer, request).await.unwrap_or_else(Problem::response)
}

async fn route(
    dialect: Arc<WorkersKv>,
    peer: Peer,
    request: &mut Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let parts: Vec<_> = path.split('/').collect();
    let caller = calls::Caller { dialect, peer };
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["keyring"]) => caller.keyring().await,
        (&Method::POST, ["keyring", "init"]) => caller.init(request).await,
        (&Method::POST, ["keyring", "unseal"]) => caller.unseal(request).await,
        (&Method::POST, ["keyring", "seal"]) => caller.seal().await,
        (&Method::POST, ["keyring", "rekey"]) => caller.rekey(request).await,
        (&Method::POST, ["keyring", "confirm"]) => caller.confirm(request).await,
        (&Method::POST, ["keyring", "rotate"]) => caller.rotate_root(request).await,
        (&Method::GET, ["keys"]) => caller.keys().await,
        (&Method::POST, ["namespaces", id, "rotate"]) => caller.rotate(namespace(id)?).await,
        (&Method::POST, ["namespaces", id, "revoke"]) => {
            caller.revoke(namespace(id)?, request).await
        }
        _ => Err(Problem::not_found("there is no such administrator's call")),
    }
}

fn namespace(id: &str) -> Result<NamespaceId, Problem> {
    NamespaceId::parse(id).ok_or_else(|| Problem::not_found("there is no namespace of this id"))
}
