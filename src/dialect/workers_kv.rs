//! The REST dialect of Workers KV, over the encrypted store: `/client/v4/accounts/…/storage/kv/…`.
//!
//! Clients of that service work unchanged with this base URL. The dialect has its paths, its
//! envelope and, where they are known, its error codes; the limits are the store's.

mod account;
mod bulk;
mod bulk_body;
mod envelope;
mod namespaces;
mod path;
mod permissions;
mod upload;
mod values;

use hyper::body::{Body as _, Incoming};
use hyper::{HeaderMap, Method, Request, Response};

use crate::audit::Asked;
use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::caller::usage::Protocol;
use crate::dialect::workers_kv::path::{ENDPOINTS, Operation, PREFIX, Target};
use crate::dialect::workers_kv::permissions::Access;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::call::{Call, OwnedCall, Reply};
use crate::http::dialect::Dialect;
use crate::http::interface::Interface;
use crate::http::listener::Ingress;
use crate::http::refusal::{Class, Refusal, Subject};

/// The dialect.
pub(crate) struct WorkersKv;

impl Dialect for WorkersKv {
    fn prefix(&self) -> &'static str {
        PREFIX
    }

    fn endpoints(&self) -> Vec<&'static str> {
        ENDPOINTS.to_vec()
    }

    fn protocol(&self) -> Protocol {
        Protocol::WorkersKv
    }

    fn interface(&self, _path: &str) -> Option<Interface> {
        Some(Interface::Kv)
    }

    /// It depends on the namespace.
    fn needed(&self, _path: &str) -> Option<Needed<'static>> {
        None
    }

    /// The operator, or the holder of a token.
    fn authenticate(
        &self,
        app: &App,
        ingress: &Ingress,
        request: &Request<Incoming>,
    ) -> Result<Caller, Refusal> {
        app.store()?;
        if ingress.operator().is_none() && !app.store_tokens.is_set() {
            return Err(Refusal::unavailable(
                "the administrator's token is made once the generator has its first seed",
            ));
        }
        let identified = match app.identify(ingress, request.headers()) {
            Ok(Caller::Anonymous) => Err(Refusal::unauthenticated()),
            identified => identified,
        };
        identified.map_err(|refusal| {
            let is_unknown = refusal.class == Class::Unauthenticated;
            if is_unknown && has_key_of_account(request.headers()) {
                key_of_account()
            } else {
                refusal
            }
        })
    }

    fn answer(&self, call: Call<'_>) -> Reply {
        let mut call = call.into_owned();
        Reply::later(async move {
            let answer = route(&mut call).await;
            call.finish(answer.unwrap_or_else(|refusal| envelope::render(&refusal))).await
        })
    }

    fn turn_away(&self, call: Call<'_>, refusal: Refusal) -> Reply {
        let call = call.into_owned();
        Reply::later(async move {
            if refusal.class == Class::Unauthenticated {
                call.app.record_turned_away(asked(&call.request)).await;
            }
            call.finish(envelope::render(&refusal)).await
        })
    }

    fn render(&self, refusal: Refusal) -> Response<Body> {
        envelope::render(&refusal)
    }
}

async fn route(call: &mut OwnedCall) -> Result<Response<Body>, Refusal> {
    let target = Target::parse(call.request.method(), call.request.uri())?;
    let access = permissions::access(&target.operation);
    if let Some(access) = access {
        permissions::check(&call.app, &call.caller, target.namespace, access)?;
    }
    let Some(tenant) = call.caller.tenant().cloned() else { return answer(call, target).await };
    if access == Some(Access::Read) {
        tenant.check_bytes(1)?;
    }
    if access.is_some() {
        // Also for a client that does not wait for the answer.
        tenant.use_key(Protocol::WorkersKv)?;
    }
    let answer = answer(call, target).await?;
    let bytes =
        answer.body().size_hint().exact().filter(|_| *call.request.method() != Method::HEAD);
    let bytes = bytes.unwrap_or_default();
    match access {
        Some(Access::Read) => tenant.charge(Protocol::WorkersKv, bytes)?,
        // It was done.
        Some(Access::Write) => tenant.charge_after(Protocol::WorkersKv, bytes),
        None => {}
    }
    Ok(answer)
}

async fn answer(call: &mut OwnedCall, target: Target) -> Result<Response<Body>, Refusal> {
    let namespace = target.namespace;
    match target.operation {
        Operation::VerifyToken => Ok(account::verify_token(&call.caller)),
        Operation::GetUser => Ok(account::user(&call.caller)),
        Operation::ListAccounts => account::list(&target.query),
        Operation::GetAccount => Ok(account::get()),
        Operation::ListMemberships => account::memberships(&call.caller, &target.query),
        Operation::CreateNamespace => namespaces::create(call).await,
        Operation::ListNamespaces => namespaces::list(call, &target.query).await,
        Operation::GetNamespace => namespaces::get(call, namespace).await,
        Operation::RenameNamespace => namespaces::rename(call, namespace).await,
        Operation::DeleteNamespace => namespaces::delete(call, namespace).await,
        Operation::ListKeys => values::list(call, namespace, &target.query).await,
        Operation::GetValue(name) => values::get(call, namespace, name).await,
        Operation::GetMetadata(name) => values::metadata(call, namespace, name).await,
        Operation::PutValue(name) => values::put(call, namespace, name, &target.query).await,
        Operation::DeleteValue(name) => values::delete(call, namespace, name).await,
        Operation::BulkPut => bulk::put(call, namespace, &target.query).await,
        Operation::BulkGet => bulk::get(call, namespace).await,
        Operation::BulkDelete => bulk::delete(call, namespace).await,
    }
}

/// Whether a caller sends the key of a Cloudflare account.
fn has_key_of_account(headers: &HeaderMap) -> bool {
    ["x-auth-key", "x-auth-email", "x-auth-user-service-key"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

fn key_of_account() -> Refusal {
    let message = "X-Auth-Key and X-Auth-Email are not accepted: send the administrator's token, which \
                   is in admin.token in the state directory, as Authorization: Bearer (apiToken, \
                   CLOUDFLARE_API_TOKEN)";
    Refusal::new(Class::Unauthenticated, Subject::ForeignCredentials, message)
}

/// The subject of a call, for the audit log.
fn asked(request: &Request<Incoming>) -> Asked {
    match Target::parse(request.method(), request.uri()).map(|target| target.operation) {
        Err(_)
        | Ok(
            Operation::VerifyToken
            | Operation::GetUser
            | Operation::ListAccounts
            | Operation::GetAccount
            | Operation::ListMemberships,
        ) => Asked::Elsewhere,
        Ok(
            Operation::CreateNamespace
            | Operation::ListNamespaces
            | Operation::GetNamespace
            | Operation::RenameNamespace
            | Operation::DeleteNamespace,
        ) => Asked::Namespaces,
        Ok(_) => Asked::Records,
    }
}
