//! `/openapi.json`: what it says is what the service does.

use std::collections::BTreeSet;

use lavawall::{Integers, RandomBytes, Texts};
use lavawall_entropy::{Kind, PixelFormat};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::appliance::Appliance;
use crate::board::{frame, report, show};
use crate::client::{Answer, Client, get};

#[test]
fn every_described_path_answers_as_described() {
    let appliance = Appliance::ready();
    show(&appliance, "replay", Kind::None, frame(PixelFormat::Grey, 8, 8), vec![90; 64]);
    let description = get(appliance.address, "/openapi.json");
    assert_eq!(description.header("content-type"), Some("application/json"));
    let description = description.json();
    for path in description["paths"].as_object().expect("paths").keys() {
        // Lists need parameters; the store, seeds, the operator's socket, tenants and keys have tests of their own.
        if ["/random/", "/client/", "/admin/", "/tenants/", "/seed", "/v1/"]
            .iter()
            .any(|prefix| path.starts_with(prefix))
        {
            continue;
        }
        let target = if path == "/pollen" { "/pollen?challenge=x" } else { path };
        let answer = get(appliance.address, target);
        assert_eq!(answer.status, 200, "{path}");
        let media_type = answer.header("content-type").expect("a type");
        let media_type = media_type.split(';').next().expect("split gives one at least");
        let described = &description["paths"][path]["get"]["responses"]["200"]["content"];
        assert!(described.get(media_type).is_some(), "{path} gives {media_type}");
        let head = Client::connect(appliance.address).call("HEAD", target, &[]);
        assert_eq!(head.status, 200, "{path}");
        let wrong = Client::connect(appliance.address).call("DELETE", path, &[]);
        assert_eq!(wrong.status, 405, "{path}");
    }
}

#[test]
fn random_answers_are_the_wire_types_that_are_described() {
    let appliance = Appliance::ready();
    let address = appliance.address;
    let bytes: RandomBytes = read(&get(address, "/random?bytes=4&format=json"));
    assert_eq!((bytes.format.as_str(), bytes.bytes, bytes.data.len()), ("hex", 4, 8));
    let integers: Integers = read(&get(address, "/random/integers?min=-3&max=-3&format=json"));
    assert_eq!(integers.data, [-3]);
    let texts: Texts = read(&get(address, "/random/uuids?count=2&format=json"));
    assert_eq!(texts.data.len(), 2);
}

/// Reads an answer that has no member but those of the wire type.
fn read<T: Serialize + DeserializeOwned>(answer: &Answer) -> T {
    let read: T = serde_json::from_value(answer.json()).expect("the wire type");
    assert_eq!(serde_json::json!(read), answer.json());
    read
}

#[test]
fn the_description_refers_to_what_it_has() {
    let appliance = Appliance::ready();
    let description = get(appliance.address, "/openapi.json").json();
    let mut found = BTreeSet::new();
    references(&description, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn the_status_is_described_member_by_member() {
    let appliance = Appliance::ready();
    appliance.board.set_sources(vec![report("os", Kind::OperatingSystem)]);
    appliance.incidents.open(None, "a test".to_owned());
    let description = get(appliance.address, "/openapi.json").json();
    let status = get(appliance.address, "/status").json();
    for (schema, value) in [
        ("Status", &status),
        ("Quorum", &status["quorum"]),
        ("Source", &status["sources"][0]),
        ("Incident", &status["incidents"][0]),
    ] {
        let schema = &description["components"]["schemas"][schema];
        let described: BTreeSet<_> =
            schema["properties"].as_object().expect("members").keys().collect();
        let given: BTreeSet<_> = value.as_object().expect("an object").keys().collect();
        assert_eq!(described, given);
        let required = schema["required"].as_array().expect("a list");
        assert_eq!(required.len(), given.len(), "members are there even when they are null");
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
