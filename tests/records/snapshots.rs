//! Bulk gets, lists and exports of the served program show whole bulk writes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::running::Running;
use crate::{TWO_KINDS, namespace};

/// Records in each bulk write: as many as a bulk get may name.
const RECORDS: usize = 100;

/// Bulk writes of each writer.
const ROUNDS: usize = 150;

/// One bulk write; its number is each value and each metadata.
fn bulk(text: &str) -> String {
    let pairs: Vec<_> = (0..RECORDS)
        .map(|number| {
            format!(r#"{{"key":"name-{number:03}","value":"{text}","metadata":"{text}"}}"#)
        })
        .collect();
    format!("[{}]", pairs.join(","))
}

fn result(service: &Running, method: &str, path: &str, body: &str) -> serde_json::Value {
    let (status, answer) = service.namespaces(method, path, body);
    assert_eq!(status, 200, "{answer}");
    let mut answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    answer["result"].take()
}

#[test]
fn bulk_gets_and_lists_never_mix_two_bulk_writes() {
    let service = Running::start(TWO_KINDS);
    let id = namespace(&service, "first");
    let path = format!("{id}/bulk");
    result(&service, "PUT", &path, &bulk("first"));
    let names: Vec<_> = (0..RECORDS).map(|number| format!("\"name-{number:03}\"")).collect();
    let plain = format!(r#"{{"keys":[{}]}}"#, names.join(","));
    let full = format!(r#"{{"keys":[{}],"withMetadata":true}}"#, names.join(","));
    let writing = AtomicUsize::new(2);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (service, path, writing) = (&service, &path, &writing);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    result(service, "PUT", path, &bulk(&format!("{writer} {round}")));
                }
                writing.fetch_sub(1, Ordering::Release);
            });
        }
        while writing.load(Ordering::Acquire) > 0 {
            let answer = result(&service, "POST", &format!("{path}/get"), &plain);
            let values = answer["values"].as_object().expect("values");
            let texts: BTreeSet<_> = values.values().map(ToString::to_string).collect();
            assert_eq!((values.len(), texts.len()), (RECORDS, 1), "{texts:?}");
            let answer = result(&service, "POST", &format!("{path}/get"), &full);
            let records = answer["values"].as_object().expect("values").values();
            let texts: BTreeSet<_> = records
                .flat_map(|record| [record["value"].to_string(), record["metadata"].to_string()])
                .collect();
            assert_eq!(texts.len(), 1, "{texts:?}");
            let page = result(&service, "GET", &format!("{id}/keys"), "");
            let listed = page.as_array().expect("names");
            let texts: BTreeSet<_> =
                listed.iter().map(|listed| listed["metadata"].to_string()).collect();
            assert_eq!((listed.len(), texts.len()), (RECORDS, 1), "{texts:?}");
        }
    });
}
