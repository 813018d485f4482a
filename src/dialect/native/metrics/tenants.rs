//! The use of tenants as metrics, with a bounded number of names.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::caller::Caller;
use crate::caller::tenant::{OTHER, Tenant};
use crate::caller::usage::{PROTOCOLS, Usage};
use crate::http::app::App;
use crate::http::listener::Listener;
use crate::kv::Kept;

/// The use of one tenant over one protocol since the start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TenantUse {
    pub(crate) tenant: Arc<str>,
    pub(crate) protocol: &'static str,
    pub(crate) usage: Usage,
}

/// What one tenant keeps now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TenantKept {
    pub(crate) tenant: Arc<str>,
    pub(crate) kept: Kept,
}

/// The use of all tenants, for a caller that may see it: the first by name each for itself, the rest
/// together.
#[derive(Debug, Default)]
pub(crate) struct TenantRows {
    pub(crate) used: Vec<TenantUse>,
    pub(crate) kept: Vec<TenantKept>,
}

/// What the listeners refused, for a caller that may know of tenants.
pub(crate) fn refused_by_listener(app: &App, caller: &Caller) -> Vec<Arc<Listener>> {
    if caller.sees_tenants() { app.access.listeners().to_vec() } else { Vec::new() }
}

impl TenantRows {
    /// The rows for this caller.
    pub(crate) fn of(app: &App, caller: &Caller) -> Self {
        if !caller.sees_tenants() {
            return Self::default();
        }
        let mut tenants = app.store_tokens.tenants();
        tenants.extend(app.tenants.list().into_iter().map(|it| it.tenant));
        tenants.extend(app.access.tokens().tenants());
        let labelled = labelled(tenants, app.metrics_tenants);
        let kept = app.store.as_ref().and_then(|store| store.kept().ok()).unwrap_or_default();
        Self { used: used(&labelled), kept: kept_by(&labelled, kept) }
    }
}

/// Tenants with their labels, by label: the first by name have one each. Of several with one name, the first of
/// `tenants` has it, and the others are labelled as in the audit log: `tenant NAME`, `token NAME`.
fn labelled(tenants: Vec<Arc<Tenant>>, most: usize) -> Vec<(Arc<str>, Arc<Tenant>)> {
    let mut labels = BTreeMap::<Arc<str>, Arc<Tenant>>::new();
    for tenant in tenants {
        let is_taken = labels.contains_key(&tenant.name) || *tenant.name == *OTHER;
        let label = if is_taken { tenant.to_string().into() } else { Arc::clone(&tenant.name) };
        labels.insert(label, tenant);
    }
    let other: Arc<str> = OTHER.into();
    let labelled = labels.into_iter().zip(0..);
    labelled
        .map(|((label, tenant), number)| {
            (if number < most { label } else { Arc::clone(&other) }, tenant)
        })
        .collect()
}

fn used(tenants: &[(Arc<str>, Arc<Tenant>)]) -> Vec<TenantUse> {
    let mut sums = BTreeMap::<(&Arc<str>, usize), Usage>::new();
    for (label, tenant) in tenants {
        for (protocol, usage) in tenant.account().meter.read().into_iter().enumerate() {
            let sum = sums.entry((label, protocol)).or_default();
            *sum = sum.plus(usage);
        }
    }
    let rows = sums.into_iter().filter(|(_, usage)| *usage != Usage::default());
    rows.map(|((tenant, at), usage)| TenantUse {
        tenant: Arc::clone(tenant),
        protocol: PROTOCOLS[at].name(),
        usage,
    })
    .collect()
}

fn kept_by(tenants: &[(Arc<str>, Arc<Tenant>)], kept: Vec<(String, Kept)>) -> Vec<TenantKept> {
    let stored = tenants.iter().filter(|(_, tenant)| tenant.is_stored());
    let labels: BTreeMap<&str, _> = stored.map(|(label, it)| (&*it.name, label)).collect();
    let mut sums = BTreeMap::<&Arc<str>, Kept>::new();
    for (title, kept) in kept {
        let owner = title.split_once('/').and_then(|(name, _)| labels.get(name));
        if let Some(label) = owner {
            let sum = sums.entry(label).or_insert_with(Kept::none);
            *sum = sum.plus(kept);
        }
    }
    sums.into_iter().map(|(tenant, kept)| TenantKept { tenant: Arc::clone(tenant), kept }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::tenant::Origin;
    use crate::caller::usage::Protocol;

    fn counted(tenant: Tenant) -> Arc<Tenant> {
        tenant.count_request(Protocol::Native);
        Arc::new(tenant)
    }

    #[test]
    fn the_first_by_name_are_named_and_the_rest_are_one() {
        let tenants =
            ["d", "b", "a", "c"].map(|name| counted(Tenant::of_token_file(name))).to_vec();
        tenants[1].use_key(Protocol::WorkersKv).expect("no limit");
        let rows = used(&labelled(tenants, 2));
        let shown: Vec<_> =
            rows.iter().map(|it| (&*it.tenant, it.protocol, it.usage.requests)).collect();
        let expected = [
            ("a", "native", 1),
            ("b", "native", 1),
            ("b", "workers-kv", 0),
            ("other", "native", 2),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn tenants_of_one_name_have_labels_of_their_own() {
        let stored = |name| Tenant::new(name, Origin::Stored, Vec::new(), Arc::default());
        let tenants = vec![
            counted(Tenant::of_token_file("admin")),
            counted(stored("admin")),
            counted(stored("ci")),
            counted(Tenant::of_token_file("ci")),
            counted(Tenant::of_token_file("other")),
        ];
        let tenants = labelled(tenants, 9);
        let rows = used(&tenants);
        let labels: Vec<_> = rows.iter().map(|it| &*it.tenant).collect();
        assert_eq!(labels, ["admin", "ci", "tenant admin", "token ci", "token other"]);
        let one = Kept { namespaces: 1, records: 2, bytes: Some(3) };
        let kept = ["ci/a", "ci/b", "admin/a", "cider", "free"].map(|it| (it.to_owned(), one));
        let kept = kept_by(&tenants, kept.to_vec());
        let kept: Vec<_> = kept.iter().map(|it| (&*it.tenant, it.kept.records)).collect();
        assert_eq!(kept, [("ci", 4), ("tenant admin", 2)]);
    }
}
