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
//! POST /admin/keys/{id}/rotate                 a key that callers use by name
//! POST /admin/keys/{id}/revoke {version}       the same
//! POST /admin/store/compact                    gives free space of the store back to the disk
//! GET  /admin/tenants                          every tenant
//! POST /admin/tenants          {name, …}       makes one; answers with its token, once
//! GET  /admin/tenants/{name}
//! GET  /admin/tenants/{name}/usage?from=&to=
//! POST /admin/tenants/{name}/limits            {rate, burst, bytes, long_answers}
//! POST /admin/tenants/{name}/permissions       {allow, deny}
//! POST /admin/tenants/{name}/tokens            another token; answers with it, once
//! POST /admin/tenants/{name}/tokens/{number}/revoke
//! POST /admin/tenants/{name}/access-keys       an access key; answers with it, once
//! POST /admin/tenants/{name}/remove            {shred}
//! POST /admin/namespaces/{id}/rotate
//! POST /admin/namespaces/{id}/revoke {version}
//! ```

mod calls;
mod tenants;

use data_encoding::HEXLOWER;
use hyper::{Method, Response};

use crate::caller::permission::Needed;
use crate::caller::usage::Protocol;
use crate::http::body::Body;
use crate::http::call::{Call, OwnedCall, Reply};
use crate::http::dialect::Dialect;
use crate::http::interface::Interface;
use crate::http::problem;
use crate::http::refusal::Refusal;
use crate::keyring::NamespaceId;

/// The start of its paths.
const PREFIX: &str = "/admin/";

/// The path templates.
const ENDPOINTS: [&str; 26] = [
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
    "/admin/keys/{key}/revoke",
    "/admin/keys/{key}/rotate",
    "/admin/store/compact",
    "/admin/store/repair",
    "/admin/tenants",
    "/admin/tenants/{tenant}",
    "/admin/tenants/{tenant}/access-keys",
    "/admin/tenants/{tenant}/limits",
    "/admin/tenants/{tenant}/permissions",
    "/admin/tenants/{tenant}/remove",
    "/admin/tenants/{tenant}/tokens",
    "/admin/tenants/{tenant}/tokens/{number}/revoke",
    "/admin/tenants/{tenant}/usage",
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

    fn protocol(&self) -> Protocol {
        Protocol::Admin
    }

    /// Its paths are the operator's alone.
    fn interface(&self, _path: &str) -> Option<Interface> {
        None
    }

    /// Only peers reach it, and the operator may do everything.
    fn needed(&self, _path: &str) -> Option<Needed<'static>> {
        None
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
        (&Method::POST, ["keys", id, "rotate"]) => calls::rotate_named(call, key(id)?).await,
        (&Method::POST, ["keys", id, "revoke"]) => calls::revoke_named(call, key(id)?).await,
        (&Method::POST, ["store", "compact"]) => calls::compact(call).await,
        (&Method::GET, ["tenants"]) => tenants::list(call),
        (&Method::POST, ["tenants"]) => tenants::create(call).await,
        (&Method::GET, ["tenants", name]) => tenants::get(call, name),
        (_, ["tenants", name, rest @ ..]) => tenant(call, (*name).to_owned(), rest).await,
        (&Method::POST, ["namespaces", id, "rotate"]) => calls::rotate(call, namespace(id)?).await,
        (&Method::POST, ["namespaces", id, "revoke"]) => calls::revoke(call, namespace(id)?).await,
        _ => Err(Refusal::not_found("there is no such administrator's call")),
    }
}

async fn tenant(
    call: &mut OwnedCall,
    name: String,
    rest: &[&str],
) -> Result<Response<Body>, Refusal> {
    match (call.request.method(), rest) {
        (&Method::GET, ["usage"]) => tenants::usage(call, name).await,
        (&Method::POST, ["limits"]) => tenants::limit(call, name).await,
        (&Method::POST, ["permissions"]) => tenants::permit(call, name).await,
        (&Method::POST, ["tokens"]) => tenants::new_token(call, name).await,
        (&Method::POST, ["tokens", number, "revoke"]) => tenants::revoke(call, name, number).await,
        (&Method::POST, ["access-keys"]) => tenants::new_access_key(call, name).await,
        (&Method::POST, ["remove"]) => tenants::remove(call, name).await,
        _ => Err(Refusal::not_found("there is no such administrator's call")),
    }
}

fn key(id: &str) -> Result<[u8; 16], Refusal> {
    let bytes = HEXLOWER.decode(id.as_bytes()).ok().and_then(|id| id.try_into().ok());
    bytes.ok_or_else(|| Refusal::not_found("there is no key of this id"))
}

fn namespace(id: &str) -> Result<NamespaceId, Refusal> {
    NamespaceId::parse(id).ok_or_else(|| Refusal::not_found("there is no namespace of this id"))
}
