//! The permission that a call needs, by the title of its namespace.
//!
//! A namespace of which a tenant may neither read nor write is not there for it: the answer, and the work
//! for it, are those for an id that no namespace has. Title, permissions and tenant may change while a body
//! is received: they are checked again after it.

use std::sync::Arc;

use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::caller::tenant::Tenant;
use crate::caller::tenants::TENANTS_NAMESPACE;
use crate::dialect::workers_kv::path::{Operation, namespace_not_found};
use crate::http::app::App;
use crate::http::refusal::{Class, Refusal, Subject};
use crate::keyring::{NamespaceId, NamespaceInfo};

/// The beginning of the titles that the service itself uses.
const OWN_TITLES: &str = "lavawall/";

/// What a call does with the records of a namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// What an operation does with a namespace that it names; `None` when it names none.
pub(crate) fn access(operation: &Operation) -> Option<Access> {
    match operation {
        Operation::VerifyToken
        | Operation::GetUser
        | Operation::ListAccounts
        | Operation::GetAccount
        | Operation::ListMemberships
        // Each namespace of the list is checked, and the title of the new one.
        | Operation::ListNamespaces
        | Operation::CreateNamespace => None,
        Operation::GetNamespace
        | Operation::ListKeys
        | Operation::GetValue(_)
        | Operation::GetMetadata(_)
        | Operation::BulkGet => Some(Access::Read),
        Operation::RenameNamespace
        | Operation::DeleteNamespace
        | Operation::PutValue(_)
        | Operation::DeleteValue(_)
        | Operation::BulkPut
        | Operation::BulkDelete => Some(Access::Write),
    }
}

/// Checks that the caller may do this with a namespace.
pub(crate) fn check(
    app: &App,
    caller: &Caller,
    namespace: NamespaceId,
    access: Access,
) -> Result<(), Refusal> {
    // Of no caller, the operator included: it is changed by calls about tenants.
    if namespace == TENANTS_NAMESPACE {
        return Err(namespace_not_found());
    }
    let Some(tenant) = present(app, caller)? else { return Ok(()) };
    app.store()?.keyring().look_at_title(namespace, |title| {
        let title = title.ok_or_else(namespace_not_found)?;
        let (read, write) = (Needed::KvRead(title), Needed::KvWrite(title));
        let (needed, other) = match access {
            Access::Read => (read, write),
            Access::Write => (write, read),
        };
        match (tenant.may(needed), tenant.may(other)) {
            (true, _) => Ok(()),
            (false, true) => Err(Refusal::not_permitted(needed)),
            (false, false) => Err(namespace_not_found()),
        }
    })?
}

/// Checks that the caller may make a namespace with this title.
pub(crate) fn check_title(app: &App, caller: &Caller, title: &str) -> Result<(), Refusal> {
    if title.starts_with(OWN_TITLES) {
        let message =
            format!("title: must not begin with {OWN_TITLES}, as those of the service do");
        return Err(Refusal::new(Class::Invalid, Subject::Title, message));
    }
    match present(app, caller)? {
        Some(tenant) if !tenant.may(Needed::KvWrite(title)) => {
            Err(Refusal::not_permitted(Needed::KvWrite(title)))
        }
        _ => Ok(()),
    }
}

/// Checks that the caller may give this title to a namespace: nothing becomes readable by it that was not.
pub(crate) fn check_rename(
    app: &App,
    caller: &Caller,
    namespace: NamespaceId,
    title: &str,
) -> Result<(), Refusal> {
    check(app, caller, namespace, Access::Write)?;
    check_title(app, caller, title)?;
    match present(app, caller)? {
        Some(tenant) if tenant.may(Needed::KvRead(title)) => {
            check(app, caller, namespace, Access::Read)
        }
        _ => Ok(()),
    }
}

/// Whether a namespace is there for the caller.
pub(crate) fn is_visible(caller: &Caller, namespace: &NamespaceInfo) -> bool {
    let title = namespace.title.as_str();
    namespace.id != TENANTS_NAMESPACE
        && (caller.may(Needed::KvRead(title)) || caller.may(Needed::KvWrite(title)))
}

/// Runs `work` for the caller, and not after it was removed.
pub(crate) fn while_known<T>(
    app: &App,
    caller: &Caller,
    work: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    match present(app, caller)? {
        Some(tenant) if tenant.is_stored() => app.tenants.while_known(&tenant.name, work),
        _ => work(),
    }
}

/// The tenant as it is now; `None` for the operator.
fn present(app: &App, caller: &Caller) -> Result<Option<Arc<Tenant>>, Refusal> {
    let Some(tenant) = caller.tenant() else { return Ok(None) };
    app.tenants.now(tenant).map(Some).ok_or_else(Refusal::unauthenticated)
}
