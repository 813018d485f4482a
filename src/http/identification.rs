//! The caller of a request, by its token.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::caller::tenants::TokenOwner;
use crate::caller::token::bearer;
use crate::caller::{Caller, Peer};
use crate::http::app::App;
use crate::http::refusal::Refusal;
use crate::keyring::Condition;

impl App {
    /// The caller of a request with these headers. A peer on the operator's socket needs no token, and
    /// neither does any caller when no token file is configured. A token that is shown must be known,
    /// also where none is needed.
    pub(crate) fn identify(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
    ) -> Result<Caller, Refusal> {
        if let Some(peer) = peer {
            return Ok(Caller::Peer(peer));
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return self.without_token() };
        match bearer(value.as_bytes()) {
            Some(_) if values.next().is_some() => Err(Refusal::unauthenticated()),
            Some(token) => self.holder(token),
            // Credentials for someone else, such as a proxy.
            None => self.without_token(),
        }
    }

    /// As [`App::identify`], for a token that is in a header of another name.
    pub(crate) fn identify_by(&self, peer: Option<Peer>, token: &[u8]) -> Result<Caller, Refusal> {
        peer.map_or_else(|| self.holder(token), |peer| Ok(Caller::Peer(peer)))
    }

    fn has_keyring(&self) -> bool {
        let condition = self.store.as_ref().map(|store| store.keyring().condition());
        condition.is_some_and(|condition| condition != Condition::Absent)
    }

    fn without_token(&self) -> Result<Caller, Refusal> {
        if self.access.needs_token() {
            return Err(Refusal::unauthenticated());
        }
        Ok(Caller::Anonymous)
    }

    fn holder(&self, token: &[u8]) -> Result<Caller, Refusal> {
        let known = self.store_tokens.holder(token).or_else(|| self.access.tokens().holder(token));
        if let Some(tenant) = known {
            return Ok(Caller::Tenant(tenant));
        }
        match self.tenants.owner(token) {
            TokenOwner::Tenant(tenant) => Ok(Caller::Tenant(tenant)),
            TokenOwner::NotLoaded if self.has_keyring() => Err(Refusal::unavailable(
                "the tenants are read once the keyring is open, and until then their tokens are unknown",
            )),
            TokenOwner::NotLoaded | TokenOwner::Unknown => Err(Refusal::unauthenticated()),
        }
    }
}
