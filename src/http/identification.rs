//! The caller of a request, by its token.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::caller::Caller;
use crate::caller::access_key::AccessKey;
use crate::caller::tenant::Tenant;
use crate::caller::tenants::{AccessKeyOwner, Signer, TenantError, TokenOwner};
use crate::caller::token::bearer;
use crate::caller::token_attempts::{WINDOW, WRONG_MOST};
use crate::http::app::App;
use crate::http::listener::Ingress;
use crate::http::refusal::{Class, LimitRefusal, Refusal, Subject};
use crate::keyring::Condition;
use crate::machine::unix_now;

impl App {
    /// The caller of a request with these headers. A peer on the operator's socket needs no token, and
    /// neither does any caller when no token file is configured and the listener names no tenants. A token
    /// that is shown must be known and of a tenant that the listener serves, also where none is needed.
    pub(crate) fn identify(
        &self,
        ingress: &Ingress,
        headers: &HeaderMap,
    ) -> Result<Caller, Refusal> {
        self.identify_by(ingress, || shown_token(headers))
    }

    /// As [`App::identify`], for a token that may be in a header of another name.
    pub(crate) fn identify_by<'a>(
        &self,
        ingress: &Ingress,
        shown: impl FnOnce() -> Result<Option<&'a [u8]>, Refusal>,
    ) -> Result<Caller, Refusal> {
        if let Some(peer) = ingress.operator() {
            return Ok(Caller::Peer(peer));
        }
        if ingress.listener.needs_certificate() {
            return self.certified(ingress, shown);
        }
        match shown()? {
            Some(token) => {
                let holder = self.holder(ingress, token, |it| ingress.listener.admits(it))?;
                Ok(Caller::Tenant(holder))
            }
            None => self.without_token(ingress),
        }
    }

    /// The tenant that the client's certificate names. A token beside it must be of the same tenant.
    fn certified<'a>(
        &self,
        ingress: &Ingress,
        shown: impl FnOnce() -> Result<Option<&'a [u8]>, Refusal>,
    ) -> Result<Caller, Refusal> {
        let name = ingress.certified.as_deref().ok_or_else(Refusal::unauthenticated)?;
        let tenant = match self.tenants.find(name) {
            Ok(found) => found.tenant,
            Err(TenantError::NotLoaded) if self.has_keyring() => return Err(not_loaded()),
            Err(_) => return Err(Refusal::unauthenticated()),
        };
        if !ingress.listener.admits(&tenant) {
            return Err(Refusal::unauthenticated());
        }
        if let Some(token) = shown()? {
            self.holder(ingress, token, |holder| {
                holder.origin == tenant.origin && holder.name == tenant.name
            })?;
        }
        Ok(Caller::Tenant(tenant))
    }

    fn has_keyring(&self) -> bool {
        let condition = self.store.as_ref().map(|store| store.keyring().condition());
        condition.is_some_and(|condition| condition != Condition::Absent)
    }

    fn without_token(&self, ingress: &Ingress) -> Result<Caller, Refusal> {
        if self.access.needs_token() || ingress.listener.names_tenants() {
            return Err(Refusal::unauthenticated());
        }
        Ok(Caller::Anonymous)
    }

    /// The tenant of a token, if it is `expected`. Wrong tokens are counted by address, and so are right ones
    /// of a tenant that is not expected: the answers are the same.
    fn holder(
        &self,
        ingress: &Ingress,
        token: &[u8],
        is_expected: impl FnOnce(&Tenant) -> bool,
    ) -> Result<Arc<Tenant>, Refusal> {
        let address = counted_address(ingress);
        self.check_attempts(address, token)?;
        let known = self.owner(token).and_then(|tenant| {
            if is_expected(&tenant) { Ok(tenant) } else { Err(Refusal::unauthenticated()) }
        });
        match &known {
            Ok(_) => self.count_attempt(address, token, true),
            Err(refusal) if refusal.class == Class::Unauthenticated => {
                self.count_attempt(address, token, false);
            }
            Err(_) => {}
        }
        known
    }

    /// Checks, before the body of a signed request is received, that its access key is known and of a tenant
    /// that the listener serves. Others are counted as wrong tokens are.
    pub(crate) fn check_signer(&self, ingress: &Ingress, access_key: &str) -> Result<(), Refusal> {
        self.signer(ingress, access_key).map(|_| ())
    }

    /// The tenant with whose access key a request is signed; `None` when the signature is another one. Wrong
    /// signatures are counted as wrong tokens are.
    pub(crate) fn identify_signed(
        &self,
        ingress: &Ingress,
        access_key: &str,
        is_signed: impl FnOnce(&str) -> bool,
    ) -> Result<Option<Arc<Tenant>>, Refusal> {
        // Again: a body takes its time.
        let Signer { tenant, token_hash, last_use } = self.signer(ingress, access_key)?;
        let is_right = is_signed(&AccessKey::of(&token_hash).secret);
        self.count_attempt(counted_address(ingress), access_key.as_bytes(), is_right);
        if is_right {
            last_use.store(unix_now(), Ordering::Relaxed);
        }
        Ok(is_right.then_some(tenant))
    }

    fn signer(&self, ingress: &Ingress, access_key: &str) -> Result<Signer, Refusal> {
        let (address, shown) = (counted_address(ingress), access_key.as_bytes());
        self.check_attempts(address, shown)?;
        let listener = &ingress.listener;
        let is_certified = |tenant: &Tenant| {
            !listener.needs_certificate() || ingress.certified.as_deref() == Some(&*tenant.name)
        };
        match self.tenants.access_key(access_key) {
            AccessKeyOwner::Tenant(signer)
                if is_certified(&signer.tenant) && listener.admits(&signer.tenant) =>
            {
                Ok(signer)
            }
            AccessKeyOwner::NotLoaded if self.has_keyring() => Err(not_loaded()),
            _ => {
                self.count_attempt(address, shown, false);
                Err(Refusal::unauthenticated())
            }
        }
    }

    fn check_attempts(&self, address: Option<IpAddr>, shown: &[u8]) -> Result<(), Refusal> {
        let Some(address) = address else { return Ok(()) };
        self.token_attempts.check(address, shown, Instant::now()).map_err(too_many_wrong)
    }

    fn count_attempt(&self, address: Option<IpAddr>, shown: &[u8], is_right: bool) {
        match address {
            Some(address) if is_right => self.token_attempts.add_right(address, shown),
            Some(address) => self.token_attempts.add_wrong(address, Instant::now()),
            None => {}
        }
    }

    fn owner(&self, token: &[u8]) -> Result<Arc<Tenant>, Refusal> {
        let known = self.store_tokens.holder(token).or_else(|| self.access.tokens().holder(token));
        if let Some(tenant) = known {
            return Ok(tenant);
        }
        match self.tenants.owner(token) {
            TokenOwner::Tenant(tenant) => Ok(tenant),
            TokenOwner::NotLoaded if self.has_keyring() => Err(not_loaded()),
            TokenOwner::NotLoaded | TokenOwner::Unknown => Err(Refusal::unauthenticated()),
        }
    }
}

/// The address whose wrong tokens are counted. Loopback and unix sockets are shared by all programs of the
/// machine, and by a proxy there.
fn counted_address(ingress: &Ingress) -> Option<IpAddr> {
    ingress.from.address().filter(|address| !address.is_loopback())
}

/// The token that a request shows. Credentials of another scheme are for someone else, such as a proxy.
pub(crate) fn shown_token(headers: &HeaderMap) -> Result<Option<&[u8]>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = bearer(value.as_bytes());
    if token.is_some() && values.next().is_some() {
        return Err(Refusal::unauthenticated());
    }
    Ok(token)
}

fn not_loaded() -> Refusal {
    Refusal::unavailable(
        "the tenants are read once the keyring is open, and until then their tokens are unknown",
    )
}

/// The refusal of an address that has shown too many wrong tokens.
fn too_many_wrong(retry_after: Duration) -> Refusal {
    let limit = LimitRefusal {
        field: "authorization",
        limit: format!("{WRONG_MOST} wrong tokens in {} s", WINDOW.as_secs()),
        value: "one more".to_owned(),
        retry_after: Some(retry_after),
    };
    let message = "too many wrong tokens came from this address";
    Refusal::new(Class::TooManyRequests, Subject::Limit(Box::new(limit)), message)
}
