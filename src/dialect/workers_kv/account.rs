//! Calls about the caller and the one account, which clients make before the first call to the store.

use hyper::Response;
use serde::Serialize;

use crate::api::store::{AccountEntry, Membership, StoreUser, VerifiedToken};
use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::dialect::workers_kv::envelope;
use crate::dialect::workers_kv::path::{ACCOUNT, KvQuery};
use crate::http::body::Body;
use crate::http::refusal::Refusal;

/// The role of the operator in the account, in Cloudflare's words: it may do everything.
const OPERATOR: &str = "Super Administrator - All Privileges";

/// The role of a tenant, and the permissions that it has.
const TENANT: &str = "Tenant";

pub(crate) fn verify_token(caller: &Caller) -> Response<Body> {
    envelope::result(VerifiedToken { id: caller.to_string(), status: "active".to_owned() })
}

pub(crate) fn user(caller: &Caller) -> Response<Body> {
    envelope::result(StoreUser { id: caller.to_string() })
}

pub(crate) fn get() -> Response<Body> {
    envelope::result(account())
}

pub(crate) fn list(query: &KvQuery) -> Result<Response<Body>, Refusal> {
    page_of_one(account(), query)
}

pub(crate) fn memberships(caller: &Caller, query: &KvQuery) -> Result<Response<Body>, Refusal> {
    let membership = Membership {
        id: ACCOUNT.to_owned(),
        status: "accepted".to_owned(),
        account: account(),
        roles: roles(caller),
    };
    page_of_one(membership, query)
}

fn roles(caller: &Caller) -> Vec<String> {
    if caller.may(Needed::Operator) {
        return vec![OPERATOR.to_owned()];
    }
    let permissions = caller.tenant().map(|tenant| tenant.permissions()).unwrap_or_default();
    let permissions: Vec<_> = permissions.iter().map(ToString::to_string).collect();
    vec![if permissions.is_empty() {
        TENANT.to_owned()
    } else {
        format!("{TENANT} - {}", permissions.join(", "))
    }]
}

fn account() -> AccountEntry {
    AccountEntry { id: ACCOUNT.to_owned(), name: "lavawall".to_owned() }
}

/// A page of a list of one. Clients ask for the next page until one is empty.
fn page_of_one(item: impl Serialize, query: &KvQuery) -> Result<Response<Body>, Refusal> {
    let page = query.page()?;
    let shown = Some(item).filter(|_| page.number == 1);
    let shown: Vec<_> = shown.into_iter().collect();
    let info = page.info(shown.len(), 1);
    Ok(envelope::page(shown, info))
}
