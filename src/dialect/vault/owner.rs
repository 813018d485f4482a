//! Whose keys a call is about, and what the caller may do with them.
//!
//! A tenant is a namespace: its keys are its own, and no other tenant can name them. The operator has keys,
//! too, and enters the namespace of a tenant by its name.

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HeaderName;

use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::http::app::App;
use crate::http::refusal::{Class, Refusal, Subject};

/// The namespace in which a client works.
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");

/// The owner of keys.
pub(crate) struct Owner {
    /// The tenant's name; empty for the operator.
    pub(crate) name: String,
}

impl Owner {
    /// The owner that a request is about: the namespace that it names, or else that of its caller.
    ///
    /// # Errors
    /// When the namespace is not one that the caller may enter.
    pub(crate) fn of(
        app: &App,
        caller: &Caller,
        request: &Request<Incoming>,
    ) -> Result<Self, Refusal> {
        let own = caller.tenant().filter(|tenant| tenant.is_stored());
        let own = own.map_or("", |tenant| &*tenant.name);
        let mut named = request.headers().get_all(NAMESPACE).iter();
        let name = named.next().map(|name| name.to_str().unwrap_or("?").trim_matches('/'));
        let unknown = || Refusal::new(Class::NotFound, Subject::Namespace, "namespace not found");
        if named.next().is_some() {
            return Err(unknown());
        }
        let name = match name {
            None | Some("") => own,
            Some(name) if name == own => own,
            Some(name) if caller.may(Needed::Operator) && app.tenants.find(name).is_ok() => name,
            Some(_) => return Err(unknown()),
        };
        Ok(Self { name: name.to_owned() })
    }

    /// Runs `work` while the tenant is there: a key that is made for it is destroyed with it.
    pub(crate) fn while_known<T>(
        &self,
        app: &App,
        work: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if self.name.is_empty() { work() } else { app.tenants.while_known(&self.name, work) }
    }
}

/// Checks that the caller may do this now: its permissions may have changed since the call began.
pub(crate) fn check(app: &App, caller: &Caller, needed: Needed<'_>) -> Result<(), Refusal> {
    let may = match caller.tenant() {
        Some(tenant) => app.tenants.now(tenant).ok_or_else(Refusal::unauthenticated)?.may(needed),
        None => caller.may(needed),
    };
    if may { Ok(()) } else { Err(Refusal::not_permitted(needed)) }
}
