//! The use of tenants as metrics, with a bounded number of names.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::caller::tenant::{OTHER, Origin, Tenant};
use crate::caller::usage::{PROTOCOLS, Usage};
use crate::http::app::App;
use crate::http::listener::Listener;

/// The use of one tenant over one protocol since the start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TenantUse {
    pub(crate) tenant: Arc<str>,
    pub(crate) protocol: &'static str,
    pub(crate) usage: Usage,
}

/// The use of all tenants, for a caller that may see it: the first by name each for itself, the rest
/// together.
pub(crate) fn rows(app: &App, caller: &Caller) -> Vec<TenantUse> {
    if !sees_tenants(caller) {
        return Vec::new();
    }
    let mut tenants: Vec<_> = app.tenants.list().into_iter().map(|it| it.tenant).collect();
    tenants.extend(app.access.tokens().tenants());
    tenants.extend(app.store_tokens.tenants());
    summed(tenants, app.metrics_tenants)
}

/// What the listeners refused, for a caller that may know of tenants.
pub(crate) fn refused_by_listener(app: &App, caller: &Caller) -> Vec<Arc<Listener>> {
    if sees_tenants(caller) { app.access.listeners().to_vec() } else { Vec::new() }
}

/// Whether a caller may know of tenants: the operator, and a monitor that the token file names. A tenant
/// learns nothing of another.
fn sees_tenants(caller: &Caller) -> bool {
    match caller {
        Caller::Peer(_) => true,
        Caller::Anonymous => false,
        Caller::Tenant(tenant) => {
            tenant.origin == Origin::TokenFile || tenant.may(Needed::Operator)
        }
    }
}

fn summed(mut tenants: Vec<Arc<Tenant>>, most: usize) -> Vec<TenantUse> {
    tenants.sort_by(|one, other| one.name.cmp(&other.name));
    let other: Arc<str> = OTHER.into();
    let mut sums = BTreeMap::<(Arc<str>, usize), Usage>::new();
    for (number, tenant) in tenants.iter().enumerate() {
        let name = if number < most { &tenant.name } else { &other };
        for (protocol, usage) in tenant.account().meter.read().into_iter().enumerate() {
            let sum = sums.entry((Arc::clone(name), protocol)).or_default();
            *sum = sum.plus(usage);
        }
    }
    let rows = sums.into_iter().filter(|(_, usage)| *usage != Usage::default());
    rows.map(|((tenant, at), usage)| TenantUse { tenant, protocol: PROTOCOLS[at].name(), usage })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::usage::Protocol;

    #[test]
    fn the_first_by_name_are_named_and_the_rest_are_one() {
        let tenant = |name| {
            let tenant = Tenant::of_token_file(name);
            tenant.count_request(Protocol::Native);
            Arc::new(tenant)
        };
        let tenants = ["d", "b", "a", "c"].map(tenant).to_vec();
        tenants[1].count_key_use(Protocol::WorkersKv);
        let rows = summed(tenants, 2);
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
}
