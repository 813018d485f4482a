//! The caller of a request, by its token.

use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::caller::Caller;
use crate::caller::tenant::Tenant;
use crate::caller::tenants::TokenOwner;
use crate::caller::token::bearer;
use crate::http::app::App;
use crate::http::listener::Ingress;
use crate::http::refusal::Refusal;
use crate::keyring::Condition;

impl App {
    /// The caller of a request with these headers. A peer on the operator's socket needs no token, and
    /// neither does any caller when no token file is configured and the listener names no tenants. A token
    /// that is shown must be known and of a tenant that the listener serves, also where none is needed.
    pub(crate) fn identify(
        &self,
        ingress: &Ingress,
        headers: &HeaderMap,
    ) -> Result<Caller, Refusal> {
        if let Some(peer) = ingress.operator() {
            return Ok(Caller::Peer(peer));
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return self.without_token(ingress) };
        match bearer(value.as_bytes()) {
            Some(_) if values.next().is_some() => Err(Refusal::unauthenticated()),
            Some(token) => self.holder(ingress, token),
            // Credentials for someone else, such as a proxy.
            None => self.without_token(ingress),
        }
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

    fn holder(&self, ingress: &Ingress, token: &[u8]) -> Result<Caller, Refusal> {
        let tenant = self.owner(token)?;
        if !ingress.listener.admits(&tenant) {
            return Err(Refusal::unauthenticated());
        }
        Ok(Caller::Tenant(tenant))
    }

    fn owner(&self, token: &[u8]) -> Result<Arc<Tenant>, Refusal> {
        let known = self.store_tokens.holder(token).or_else(|| self.access.tokens().holder(token));
        if let Some(tenant) = known {
            return Ok(tenant);
        }
        match self.tenants.owner(token) {
            TokenOwner::Tenant(tenant) => Ok(tenant),
            TokenOwner::NotLoaded if self.has_keyring() => Err(Refusal::unavailable(
                "the tenants are read once the keyring is open, and until then their tokens are unknown",
            )),
            TokenOwner::NotLoaded | TokenOwner::Unknown => Err(Refusal::unauthenticated()),
        }
    }
}
