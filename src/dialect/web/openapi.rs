//! `/openapi.json`: the interface in `OpenAPI` 3.1. Paths are written, schemas come from the wire types.

use std::sync::LazyLock;

use hyper::Response;
use serde_json::{Map, Value, from_str, json, to_vec_pretty};

use crate::api::schema;
use crate::dialect::web::page::headers;
use crate::http::body::Body;
use crate::http::respond::ok;

/// Everything but paths and schemas.
const DOCUMENT: &str = include_str!("openapi/document.json");

/// The paths: the generator's and the pages', Vault's, the store's, the operator's.
const PATHS: [&str; 4] = [
    include_str!("openapi/native.json"),
    include_str!("openapi/vault.json"),
    include_str!("openapi/store.json"),
    include_str!("openapi/operator.json"),
];

static TEXT: LazyLock<Vec<u8>> =
    LazyLock::new(|| to_vec_pretty(&document()).expect("names are strings"));

/// The answer of `/openapi.json`.
pub(crate) fn openapi() -> Response<Body> {
    ok(headers("application/json"), Body::whole(TEXT.as_slice()))
}

fn document() -> Value {
    let mut document: Value = from_str(DOCUMENT).expect("our own JSON");
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["components"]["schemas"] = json!(schema::schemas());
    let mut paths = Map::new();
    for text in PATHS {
        paths.extend(from_str::<Map<_, _>>(text).expect("our own JSON"));
    }
    document["paths"] = paths.into();
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_description_names_every_path_that_is_served_and_no_other() {
        let document = document();
        // The store and the operator do not list their paths: their tests call the service.
        let is_listed =
            |path: &&str| !["/client/", "/admin/"].iter().any(|prefix| path.starts_with(prefix));
        let paths = document["paths"].as_object().expect("paths").keys().map(String::as_str);
        let described: BTreeSet<_> = paths.filter(is_listed).collect();
        let dialects = crate::dialect::dialects();
        let served: BTreeSet<_> = dialects.endpoints().filter(is_listed).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn the_description_is_of_this_version() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn every_reference_resolves_and_every_part_is_referred_to() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for section in ["parameters", "headers", "responses", "schemas"] {
            for name in document["components"][section].as_object().expect("parts").keys() {
                let reference = format!("#/components/{section}/{name}");
                assert!(found.contains(&reference), "{reference} is not used");
            }
        }
    }

    #[test]
    fn every_schema_in_use_is_derived_from_a_wire_type() {
        let written: Value = from_str(DOCUMENT).expect("JSON");
        assert!(written["components"].get("schemas").is_none());
        let mut found = BTreeSet::new();
        references(&document(), &mut found);
        let derived = schema::schemas();
        let names = found.iter().filter_map(|it| it.strip_prefix("#/components/schemas/"));
        assert!(names.clone().count() > 20);
        for name in names {
            assert!(derived.contains_key(name), "{name}");
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for item in document()["paths"].as_object().expect("paths").values() {
            for operation in item.as_object().expect("an item").values() {
                if let Some(name) = operation["operationId"].as_str() {
                    assert!(names.insert(name.to_owned()), "{name} is there twice");
                }
            }
        }
    }

    /// Every `$ref` in a document.
    fn references(node: &Value, found: &mut BTreeSet<String>) {
        match node {
            Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str().filter(|_| name == "$ref") {
                        Some(reference) => drop(found.insert(reference.to_owned())),
                        None => references(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
}
