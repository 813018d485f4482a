//! The dialects: one folder per interface, each over the same generator, store and keyring.
//!
//! A dialect is a folder, a `mod` line, and a line in [`dialects`].

pub(crate) mod admin;
pub(crate) mod aws_kms;
pub(crate) mod native;
pub(crate) mod pollen;
pub(crate) mod vault;
pub(crate) mod web;
pub(crate) mod workers_kv;

use crate::http::Dialects;

/// Every dialect, a line each. The first one also refuses the paths that no dialect serves.
#[must_use]
pub fn dialects() -> Dialects {
    Dialects::new(vec![
        Box::new(native::Native),
        Box::new(web::routes::Web::default()),
        Box::new(workers_kv::WorkersKv),
        Box::new(vault::Vault),
        // Before pollen, which claims the rest of the calls that post there.
        Box::new(aws_kms::AwsKms),
        Box::new(pollen::Pollen),
        Box::new(admin::Admin),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{HeaderMap, Method, Uri};
    use std::collections::BTreeSet;

    #[test]
    fn no_path_is_served_twice_and_each_is_found_at_its_own_dialect() {
        let dialects = dialects();
        let endpoints: Vec<_> = dialects.endpoints().collect();
        assert_eq!(endpoints.iter().collect::<BTreeSet<_>>().len(), endpoints.len());
        let labels = dialects.meter_labels();
        let find = |method: Method, path: &str, is_peer| {
            let target: Uri = path.replace(['{', '}'], "").parse().expect("a path");
            dialects.find(&method, &target, &HeaderMap::new(), is_peer)
        };
        for (path, label) in [
            ("/random", "/random"),
            ("/", "/"),
            ("/status", "/status"),
            ("/client/v4/accounts/default/storage/kv/namespaces", "/client/v4"),
            ("/v1/transit/random/32", "/v1"),
            ("/nowhere", "other"),
            ("/random/", "other"),
            ("/?challenge=x", "/pollen"),
        ] {
            assert_eq!(labels[find(Method::GET, path, false).meter.0], label, "{path}");
        }
        assert_eq!(labels[find(Method::POST, "/", false).meter.0], "/pollen");
        let (target, mut headers) = (Uri::from_static("/"), HeaderMap::new());
        headers.insert("x-amz-target", "TrentService.Encrypt".parse().expect("a value"));
        let found = dialects.find(&Method::POST, &target, &headers, false);
        assert_eq!(labels[found.meter.0], "aws-kms");
        assert_eq!(labels[find(Method::GET, "/admin/keys", true).meter.0], "/admin");
        assert_eq!(labels[find(Method::GET, "/admin/keys", false).meter.0], "other");
    }

    #[test]
    fn every_endpoint_is_below_the_prefix_of_its_dialect() {
        let dialects = dialects();
        for path in dialects.endpoints() {
            let target: Uri = path.replace(['{', '}'], "").parse().expect("a path");
            let found = dialects.find(&Method::GET, &target, &HeaderMap::new(), true).dialect;
            assert!(path.starts_with(found.prefix()), "{path}");
            assert!(found.endpoints().contains(&path), "{path}");
        }
    }
}
