//! The permission that a call needs, by the title of its namespace.
//!
//! A namespace of which a tenant may neither read nor write is not there for it: the answer, and the work
//! for it, are those for an id that no namespace has.

use crate::caller::permission::Needed;
use crate::caller::tenants::TENANTS_NAMESPACE;
use crate::dialect::workers_kv::path::{Operation, Target, namespace_not_found};
use crate::http::call::OwnedCall;
use crate::http::refusal::Refusal;
use crate::keyring::NamespaceInfo;

/// What a call does with the records of a namespace.
#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

/// Checks that the caller may do this.
pub(crate) fn check(call: &OwnedCall, target: &Target) -> Result<(), Refusal> {
    let access = match target.operation {
        Operation::VerifyToken
        | Operation::GetUser
        | Operation::ListAccounts
        | Operation::GetAccount
        | Operation::ListMemberships
        // Each namespace of the list is checked, and the title of the new one.
        | Operation::ListNamespaces
        | Operation::CreateNamespace => return Ok(()),
        Operation::GetNamespace
        | Operation::ListKeys
        | Operation::GetValue(_)
        | Operation::GetMetadata(_)
        | Operation::BulkGet => Access::Read,
        Operation::RenameNamespace
        | Operation::DeleteNamespace
        | Operation::PutValue(_)
        | Operation::DeleteValue(_)
        | Operation::BulkPut
        | Operation::BulkDelete => Access::Write,
    };
    // Of no caller, the operator included: it is changed by calls about tenants.
    if target.namespace == TENANTS_NAMESPACE {
        return Err(namespace_not_found());
    }
    let Some(tenant) = call.caller.tenant() else { return Ok(()) };
    let check = |title: Option<&str>| {
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
    };
    call.app.store()?.keyring().look_at_title(target.namespace, check)?
}

/// Checks that the caller may make a namespace with this title, or give it to one.
pub(crate) fn check_title(call: &OwnedCall, title: &str) -> Result<(), Refusal> {
    let needed = Needed::KvWrite(title);
    if call.caller.may(needed) { Ok(()) } else { Err(Refusal::not_permitted(needed)) }
}

/// Whether a namespace is there for the caller.
pub(crate) fn is_visible(call: &OwnedCall, namespace: &NamespaceInfo) -> bool {
    let title = namespace.title.as_str();
    namespace.id != TENANTS_NAMESPACE
        && (call.caller.may(Needed::KvRead(title)) || call.caller.may(Needed::KvWrite(title)))
}
