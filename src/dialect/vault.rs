//! The dialect of Vault and OpenBao: `/v1/sys/…`, `/v1/auth/token/…` and the transit engine at
//! `/v1/transit/…`.
//!
//! Their clients work unchanged with the address of this service and a token of it. Texts of errors are
//! those of OpenBao, since clients and scripts look for them.

mod envelope;
mod fields;
mod path;
mod random;
mod sys;
mod token;

use hyper::body::{Body as _, Incoming};
use hyper::header::HeaderName;
use hyper::{Request, Response};

use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::caller::usage::Protocol;
use crate::dialect::vault::path::{ENDPOINTS, Operation, PREFIX};
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::call::{Call, OwnedCall, Reply};
use crate::http::dialect::Dialect;
use crate::http::identification::shown_token;
use crate::http::interface::Interface;
use crate::http::listener::Ingress;
use crate::http::refusal::{Class, Refusal, Subject};

/// Where its clients put the token.
const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");

/// The namespace in which a client works: that of its tenant.
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");

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
        path::is_random(path).then_some(Needed::Random)
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
        let mut tokens = request.headers().get_all(TOKEN).iter();
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
    let operation = match Operation::parse(&call.request) {
        Ok(operation) => operation,
        Err(refusal) => return Some(Err(refusal)),
    };
    if let Err(refusal) = check_namespace(&call.caller, &call.request) {
        return Some(Err(refusal));
    }
    match operation {
        Operation::Health => Some(sys::health(call.app, call.query())),
        Operation::SealStatus => Some(Ok(sys::seal_status(call.app))),
        Operation::Leader => Some(Ok(sys::leader())),
        Operation::Random(asked) if call.request.body().is_end_stream() => {
            random::without_body(call, &asked)
        }
        _ => None,
    }
}

async fn route(call: &mut OwnedCall) -> Result<Response<Body>, Refusal> {
    match Operation::parse(&call.request)? {
        Operation::Random(asked) => random::with_body(call, asked).await,
        Operation::LookUpToken => token::look_up(call),
        Operation::RenewToken => Err(Refusal::invalid("lease is not renewable")),
        Operation::Health | Operation::SealStatus | Operation::Leader => {
            unreachable!("answered at once")
        }
    }
}

/// Refuses a namespace other than the caller's own: without a header, and with the name of its tenant.
fn check_namespace(caller: &Caller, request: &Request<Incoming>) -> Result<(), Refusal> {
    let mut named = request.headers().get_all(NAMESPACE).iter();
    let Some(name) = named.next() else { return Ok(()) };
    let name = name.to_str().unwrap_or("?").trim_matches('/');
    let own = caller.tenant().map_or("", |tenant| &*tenant.name);
    if named.next().is_none() && (name.is_empty() || name == own) {
        return Ok(());
    }
    Err(Refusal::new(Class::NotFound, Subject::Namespace, "namespace not found"))
}
