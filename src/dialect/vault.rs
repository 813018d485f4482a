//! The dialect of Vault and OpenBao: `/v1/sys/…`, `/v1/auth/token/…` and the transit engine at
//! `/v1/transit/…`.
//!
//! Their clients work unchanged with the address of this service and a token of it. Texts of errors are
//! those of OpenBao, since clients and scripts look for them.

mod base64;
mod encryption;
mod envelope;
mod fields;
mod hashing;
mod key_use;
mod owner;
mod path;
mod random;
mod signing;
mod sys;
mod token;
mod transit_keys;
mod wrapping;

use hyper::body::{Body as _, Incoming};
use hyper::{Request, Response};

use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::caller::usage::Protocol;
use crate::dialect::vault::owner::Owner;
use crate::dialect::vault::path::{ENDPOINTS, KeyCall, KeyPath, PREFIX, VaultCall};
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::call::{Call, OwnedCall, Reply};
use crate::http::dialect::Dialect;
use crate::http::identification::shown_token;
use crate::http::interface::Interface;
use crate::http::listener::Ingress;
use crate::http::refusal::{Class, Refusal};
use crate::keyring::Condition;

/// The dialect.
pub(crate) struct Vault;

impl Dialect for Vault {
    fn prefix(&self) -> &'static str {
        PREFIX
    }

    fn endpoints(&self) -> Vec<&'static str> {
        ENDPOINTS.to_vec()
    }

    fn protocol(&self) -> Protocol {
        Protocol::Vault
    }

    fn interface(&self, _path: &str) -> Option<Interface> {
        Some(Interface::Vault)
    }

    /// For keys it depends on the name.
    fn needed(&self, path: &str) -> Option<Needed<'static>> {
        (path::is_random(path) || path::is_hash(path)).then_some(Needed::Random)
    }

    fn authenticate(
        &self,
        app: &App,
        ingress: &Ingress,
        request: &Request<Incoming>,
    ) -> Result<Caller, Refusal> {
        if path::is_for_monitors(request.uri().path()) {
            return Ok(ingress.operator().map_or(Caller::Anonymous, Caller::Peer));
        }
        let mut tokens = request.headers().get_all(token::HEADER).iter();
        let shown = || match (tokens.next(), tokens.next()) {
            (Some(_), Some(_)) => Err(Refusal::unauthenticated()),
            (Some(token), None) => Ok(Some(token.as_bytes())),
            (None, _) => shown_token(request.headers()),
        };
        app.identify_by(ingress, shown).map_err(|refusal| {
            // A client that starts with the machine tries again.
            let is_early = app.store.is_some() && !app.store_tokens.is_set();
            if refusal.class == Class::Unauthenticated && is_early {
                envelope::sealed()
            } else {
                refusal
            }
        })
    }

    fn answer(&self, call: Call<'_>) -> Reply {
        if let Some(answer) = at_once(&call) {
            let path = call.path();
            return Reply::Now(answer.unwrap_or_else(|refusal| envelope::render(path, &refusal)));
        }
        let mut call = call.into_owned();
        Reply::later(async move {
            let answer = route(&mut call).await;
            let path = call.request.uri().path().to_owned();
            call.finish(answer.unwrap_or_else(|refusal| envelope::render(&path, &refusal))).await
        })
    }

    fn turn_away(&self, call: Call<'_>, refusal: Refusal) -> Reply {
        let call = call.into_owned();
        Reply::later(async move {
            if refusal.class == Class::Unauthenticated {
                call.app.record_turned_away(path::asked(call.request.uri().path())).await;
            }
            let answer = envelope::render(call.request.uri().path(), &refusal);
            call.finish(answer).await
        })
    }

    fn render_foreign(&self, refusal: Refusal) -> Response<Body> {
        envelope::render(PREFIX, &refusal)
    }

    fn render(&self, refusal: Refusal) -> Response<Body> {
        envelope::render(PREFIX, &refusal)
    }
}

/// The answer to a call that needs neither a body nor a disk.
fn at_once(call: &Call<'_>) -> Option<Result<Response<Body>, Refusal>> {
    let operation = match VaultCall::parse(&call.request) {
        Ok(operation) => operation,
        Err(refusal) => return Some(Err(refusal)),
    };
    if let Err(refusal) = Owner::of(call.app, &call.caller, &call.request) {
        return Some(Err(refusal));
    }
    if operation.gives_data() && wrapping::is_asked(call.request.headers()) {
        return Some(Err(wrapping::refused()));
    }
    match operation {
        VaultCall::Health => Some(sys::health(call.app, call.query())),
        VaultCall::SealStatus => Some(Ok(sys::seal_status(call.app))),
        VaultCall::Init => Some(Ok(sys::init(call.app))),
        VaultCall::Leader => Some(Ok(sys::leader())),
        VaultCall::Random(asked) if call.request.body().is_end_stream() => {
            random::without_body(call, &asked)
        }
        _ => None,
    }
}

async fn route(call: &mut OwnedCall) -> Result<Response<Body>, Refusal> {
    match VaultCall::parse(&call.request)? {
        VaultCall::Random(asked) => random::with_body(call, asked).await,
        VaultCall::LookUpToken => token::look_up(call),
        VaultCall::RenewToken => Err(Refusal::invalid("lease is not renewable")),
        VaultCall::Health | VaultCall::Init | VaultCall::SealStatus | VaultCall::Leader => {
            unreachable!("answered at once")
        }
        VaultCall::Hash(algorithm) => hashing::answer(call, algorithm).await,
        VaultCall::ListKeys => {
            let owner = open_to(call)?;
            transit_keys::list(call, owner).await
        }
        VaultCall::Key(work, mut path) => {
            let owner = open_to(call)?;
            path.name.owner.clone_from(&owner.name);
            with_key(call, owner, work, path).await
        }
    }
}

async fn with_key(
    call: &mut OwnedCall,
    owner: Owner,
    work: KeyCall,
    path: KeyPath,
) -> Result<Response<Body>, Refusal> {
    match work {
        KeyCall::Create => transit_keys::create(call, owner, path).await,
        KeyCall::Read => transit_keys::read(call, path).await,
        KeyCall::Delete => transit_keys::delete(call, path).await,
        KeyCall::Configure => transit_keys::configure(call, owner, path).await,
        KeyCall::Rotate => transit_keys::rotate(call, owner, path).await,
        KeyCall::Trim => transit_keys::trim(call, owner, path).await,
        KeyCall::Export { kind, version } => transit_keys::export(call, path, kind, version).await,
        KeyCall::Texts(work) => encryption::answer(call, owner, path, work).await,
    }
}

/// The owner of the keys that a call is about, while the keyring is open.
fn open_to(call: &OwnedCall) -> Result<Owner, Refusal> {
    if !matches!(call.app.store()?.keyring().condition(), Condition::Unsealed(_)) {
        return Err(envelope::sealed());
    }
    Owner::of(&call.app, &call.caller, &call.request)
}
