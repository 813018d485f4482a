//! Calls about the caller and the one account, which clients make before the first call to the store.

use hyper::Response;

use crate::api::store::{AccountEntry, Membership, PageInfo, StoreUser, VerifiedToken};
use crate::caller::Caller;
use crate::dialect::workers_kv::envelope;
use crate::dialect::workers_kv::path::ACCOUNT;
use crate::http::body::Body;

/// The role in the account, in Cloudflare's words: it may do everything.
const ROLE: &str = "Super Administrator - All Privileges";

pub(crate) fn verify_token(caller: &Caller) -> Response<Body> {
    envelope::result(VerifiedToken { id: caller.to_string(), status: "active".to_owned() })
}

pub(crate) fn user(caller: &Caller) -> Response<Body> {
    envelope::result(StoreUser { id: caller.to_string() })
}

pub(crate) fn get() -> Response<Body> {
    envelope::result(account())
}

pub(crate) fn list() -> Response<Body> {
    envelope::page([account()], only_page())
}

pub(crate) fn memberships() -> Response<Body> {
    let membership = Membership {
        id: ACCOUNT.to_owned(),
        status: "accepted".to_owned(),
        account: account(),
        roles: vec![ROLE.to_owned()],
    };
    envelope::page([membership], only_page())
}

fn account() -> AccountEntry {
    AccountEntry { id: ACCOUNT.to_owned(), name: "lavawall".to_owned() }
}

/// The place of the only page of a list of one.
fn only_page() -> PageInfo {
    PageInfo {
        count: 1,
        cursor: None,
        page: Some(1),
        per_page: Some(1),
        total_count: Some(1),
        total_pages: Some(1),
    }
}
