//! The operator's dialect: keys and changes of keys, over a unix socket.
//!
//! ```text
//! GET  /admin/keyring                          its state
//! POST /admin/keyring/init     {seal}          makes one; answers with the shares, once
//! POST /admin/keyring/unseal   {piece}         a passphrase or a share; nothing for a file
//! POST /admin/keyring/seal
//! POST /admin/keyring/rekey    {proof, seal}   answers with the shares, once; not yet in force
//! POST /admin/keyring/confirm  {prepared}      the shares have arrived: they are in force
//! POST /admin/keyring/rotate   {proof}         the root key
//! GET  /admin/configuration                    that the service runs with, as TOML
//! GET  /admin/clock                            the clock that removes expired records
//! POST /admin/clock/confirm                    it is right
//! POST /admin/store/repair                     accepts the loss of a damaged store
//! GET  /admin/keys                             every key version, with its provenance
//! POST /admin/store/compact                    gives free space of the store back to the disk
//! POST /admin/namespaces/{id}/rotate
//! POST /admin/namespaces/{id}/revoke {version}
//! ```

mod calls;

use hyper::{Method, Response};

use crate::http::body::Body;
use crate::http::call::{Call, OwnedCall, Reply};
use crate::http::dialect::Dialect;
use crate::http::problem;
use crate::http::refusal::Refusal;
use crate::keyring::NamespaceId;

/// The start of its paths.
const PREFIX: &str = "/admin/";

/// The path templates.
const ENDPOINTS: [&str; 15] = [
    "/admin/clock",
    "/admin/clock/confirm",
    "/admin/configuration",
    "/admin/keyring",
    "/admin/keyring/init",
    "/admin/keyring/unseal",
    "/admin/keyring/seal",
    "/admin/keyring/rekey",
    "/admin/keyring/confirm",
    "/admin/keyring/rotate",
    "/admin/keys",
    "/admin/store/compact",
    "/admin/store/repair",
    "/admin/namespaces/{namespace}/rotate",
    "/admin/namespaces/{namespace}/revoke",
];

/// The dialect.
pub(crate) struct Admin;

impl Dialect for Admin {
    fn prefix(&self) -> &'static str {
        PREFIX
    }

    fn endpoints(&self) -> Vec<&'static str> {
        ENDPOINTS.to_vec()
    }

    fn is_for_peers_only(&self) -> bool {
        true
    }

    fn answer(&self, call: Call<'_>) -> Reply {
        let mut call = call.into_owned();
        Reply::later(async move {
            let answer = route(&mut call).await;
            call.finish(answer.unwrap_or_else(render)).await
        })
    }

    fn render(&self, refusal: Refusal) -> Response<Body> {
        render(refusal)
    }
}

/// A problem with the operator's message, paths included.
fn render(refusal: Refusal) -> Response<Body> {
    problem::render(&refusal.for_operator())
}

async fn route(call: &mut OwnedCall) -> Result<Response<Body>, Refusal> {
    let path = call.request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let parts: Vec<_> = path.split('/').collect();
    if (call.request.method(), parts.as_slice()) == (&Method::GET, &["configuration"]) {
        return Ok(calls::configuration(call));
    }
    // The others are about keys and records.
    call.app.store()?;
    match (call.request.method(), parts.as_slice()) {
        (&Method::GET, ["keyring"]) => calls::keyring(call).await,
        (&Method::POST, ["keyring", "init"]) => calls::init(call).await,
        (&Method::POST, ["keyring", "unseal"]) => calls::unseal(call).await,
        (&Method::POST, ["keyring", "seal"]) => calls::seal(call).await,
        (&Method::POST, ["keyring", "rekey"]) => calls::rekey(call).await,
        (&Method::POST, ["keyring", "confirm"]) => calls::confirm(call).await,
        (&Method::POST, ["keyring", "rotate"]) => calls::rotate_root(call).await,
        (&Method::GET, ["clock"]) => calls::clock(call).await,
        (&Method::POST, ["clock", "confirm"]) => calls::confirm_clock(call).await,
        (&Method::POST, ["store", "repair"]) => calls::repair(call).await,
        (&Method::GET, ["keys"]) => calls::keys(call).await,
        (&Method::POST, ["store", "compact"]) => calls::compact(call).await,
        (&Method::POST, ["namespaces", id, "rotate"]) => calls::rotate(call, namespace(id)?).await,
        (&Method::POST, ["namespaces", id, "revoke"]) => calls::revoke(call, namespace(id)?).await,
        _ => Err(Refusal::not_found("there is no such administrator's call")),
    }
}

fn namespace(id: &str) -> Result<NamespaceId, Refusal> {
    NamespaceId::parse(id).ok_or_else(|| Refusal::not_found("there is no namespace of this id"))
}
