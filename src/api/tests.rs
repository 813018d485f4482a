//! Every answer is read, and written back byte for byte.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::keys::{
    CompactionAnswer, KeyList, KeyringAnswer, SealAnswer, SealRequest, VersionAnswer,
};
use crate::api::problem::ProblemDocument;
use crate::api::schema::schemas;
use crate::api::status::Status;
use crate::api::store::{
    BulkCount, BulkGet, BulkPut, BulkRecord, BulkValues, Envelope, Failure, ListedRecord,
    NamespaceEntry,
};

/// Compares with an answer of the service as it was before these types were shared.
#[track_caller]
fn golden<T: Serialize + DeserializeOwned>(text: &str) -> T {
    let read: T = serde_json::from_str(text).expect("the answer is read");
    assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
    read
}

const STATUS: &str = concat!(
    r#"{"state":"degraded","reason":"1 of 2","version":"0.1.0","generation":7,"#,
    r#""seed_age_seconds":12,"uptime_seconds":3600,"quorum":{"needed":2,"#,
    r#""present":["operating-system"],"missing_required":["camera"],"overdue":true},"#,
    r#""memory_locked":true,"tls":false,"log_lines_lost":0,"log_lines_suppressed":0,"#,
    r#""keyring":{"state":"open","seal":"file","namespaces":1,"#,
    r#""records":4,"damaged":0,"clock_doubt":null,"read_only":null,"scrubbed":3,"#,
    r#""scrub_completed_at":"2026-01-31T08:00:04Z","#,
    r#""rotations":[{"namespace":"00112233445566778899aabbccddeeff","#,
    r#""version":3,"done":10,"left":5,"dependents":{"1":2,"2":3}}],"#,
    r#""store":{"live_bytes":900,"file_bytes":4096}},"picture":"wall","#,
    r#""sources":[{"id":"camera","type":"camera","kind":"physical-camera","state":"alarmed","#,
    r#""required":true,"credit_bits_per_second":12.5,"credited_bits":4096,"#,
    r#""credit_basis":"assessed","assessed":{"min_entropy":0.75,"credited":0.5,"samples":1000000,"#,
    r#""estimator":"lag","at":"2026-01-31T08:00:00Z"},"live":{"min_entropy":0.7,"estimator":"mcv","#,
    r#""samples":65536,"at":"2026-01-31T08:00:01Z","age_seconds":9},"in_last_seed":false,"virtual":true,"#,
    r#""identity":"usb:1","samples":77,"alarms":2,"last_alarm":{"test":"frozen","#,
    r#""severity":"intermittent","detail":"3 frames","at":"2026-01-31T08:00:02Z"},"#,
    r#""notes":["a note"]}],"incidents":[{"source":null,"text":"look","at":"2026-01-31T08:00:03Z"}]}"#,
);

#[test]
fn the_status_is_read_and_written_to_the_byte() {
    let status: Status = golden(STATUS);
    assert_eq!(status.sources[0].last_alarm.as_ref().expect("one").test, "frozen");
    let text = STATUS.replace("\"physical-camera\"", "\"quantum\"");
    assert_eq!(golden::<Status>(&text).sources[0].kind, "quantum", "a newer service's kind");
}

#[test]
fn the_operators_answers_are_read_and_written_to_the_byte() {
    golden::<KeyringAnswer>(r#"{"state":"sealed","seal":"shares","have":1,"need":2}"#);
    golden::<KeyringAnswer>(r#"{"state":"absent","seal":null,"have":null,"need":null}"#);
    golden::<SealAnswer>(r#"{"prepared":"0011","shares":["lava1:AA","lava1:BB"]}"#);
    golden::<SealAnswer>(r#"{"prepared":null,"shares":[]}"#);
    golden::<VersionAnswer>(r#"{"version":2}"#);
    golden::<CompactionAnswer>(concat!(
        r#"{"before":{"live_bytes":2,"file_bytes":9},"#,
        r#""after":{"live_bytes":2,"file_bytes":3}}"#,
    ));
    // The service sorts members, `lavawall keys --json` does not.
    let sorted = concat!(
        r#"{"keys":[{"generation":1,"#,
        r#""id":null,"kinds":["cpu-timing"],"made_at":1700000000,"made_while":"ready","#,
        r#""min_decryption_version":null,"min_encryption_version":null,"#,
        r#""name":null,"namespace":null,"owner":null,"purpose":"root","records":null,"#,
        r#""state":"active","title":null,"version":0}]}"#,
    );
    let list: KeyList = serde_json::from_str(sorted).expect("the answer is read");
    assert_eq!(serde_json::json!(list).to_string(), sorted);
    golden::<KeyList>(concat!(
        r#"{"keys":[{"purpose":"namespace","namespace":"00","title":"one","id":null,"#,
        r#""owner":null,"name":null,"min_decryption_version":null,"#,
        r#""min_encryption_version":null,"version":1,"state":"retired","#,
        r#""made_at":1700000000,"generation":1,"made_while":"ready","kinds":["cpu-timing"],"#,
        r#""records":3}]}"#,
    ));
    golden::<SealRequest>(r#"{"seal":{"shares":{"threshold":2,"count":3}},"proof":["a"]}"#);
    golden::<SealRequest>(r#"{"seal":{"passphrase":"p"},"proof":[]}"#);
    golden::<SealRequest>(r#"{"seal":"file","proof":[]}"#);
}

#[test]
fn the_stores_answers_are_read_and_written_to_the_byte() {
    golden::<Envelope<()>>(r#"{"success":true,"errors":[],"messages":[],"result":null}"#);
    golden::<Envelope<Vec<NamespaceEntry>>>(concat!(
        r#"{"success":true,"errors":[],"messages":[],"result":[{"id":"00","#,
        r#""supports_url_encoding":true,"title":"one"}],"result_info":{"count":1,"page":1,"#,
        r#""per_page":20,"total_count":1,"total_pages":1}}"#,
    ));
    golden::<Envelope<Vec<ListedRecord>>>(concat!(
        r#"{"success":true,"errors":[],"messages":[],"result":[{"name":"a","expiration":19},"#,
        r#"{"name":"b","metadata":{"x":[1,2.50]}}],"result_info":{"count":2,"cursor":""}}"#,
    ));
    golden::<Envelope<BulkValues<Option<BulkRecord<String>>>>>(concat!(
        r#"{"success":true,"errors":[],"messages":[],"result":{"values":{"a":{"value":"aGk=","#,
        r#""metadata":null,"expiration":19},"b":{"value":"","metadata":{"x":2.50}},"c":null}}}"#,
    ));
    golden::<BulkCount>(r#"{"successful_key_count":2,"unsuccessful_keys":[]}"#);
    golden::<BulkGet>(r#"{"keys":["a"],"type":"base64","withMetadata":true}"#);
    golden::<Failure>(concat!(
        r#"{"errors":[{"code":10009,"message":"key not found"}],"messages":[],"result":null,"#,
        r#""success":false}"#,
    ));
}

#[test]
fn a_bulk_write_may_have_members_that_are_not_known() {
    let text = r#"{"key":"a","value":"1","metadata":{"x":1.0},"expiration":60.0,"more":1}"#;
    let put: BulkPut = serde_json::from_str(text).expect("a record");
    assert_eq!(put.metadata.expect("some").text(), r#"{"x":1.0}"#);
    assert_eq!((put.expiration, put.expiration_ttl, put.base64), (Some(60.0), None, false));
}

#[test]
fn a_problem_is_read_and_written_to_the_byte() {
    golden::<ProblemDocument>(concat!(
        r#"{"type":"/docs#problem-invalid-parameter","title":"Invalid parameter","status":400,"#,
        r#""detail":"out of range","field":"bytes","limit":"1 to 2","value":"0"}"#,
    ));
    golden::<ProblemDocument>(concat!(
        r#"{"type":"/docs#problem-not-ready","title":"Not enough","status":503,"detail":"1 of 2","#,
        r#""present":["operating-system"],"needed":2}"#,
    ));
    let foreign: ProblemDocument = serde_json::from_str(r#"{"detail":"no"}"#).expect("RFC 9457");
    assert_eq!(foreign.detail, "no");
}

#[test]
fn names_in_schemas_are_those_of_the_enumerations() {
    let schemas = schemas();
    let kinds = schemas["Kind"]["enum"].as_array().expect("names");
    for kind in [lavawall_entropy::Kind::PhysicalCamera, lavawall_entropy::Kind::None] {
        assert!(kinds.contains(&kind.name().into()), "{kinds:?}");
    }
    assert_eq!(schemas["State"]["enum"].as_array().expect("names").len(), 4);
}

#[test]
fn every_member_of_the_status_is_required_by_its_schema() {
    let schemas = schemas();
    let status: Value = serde_json::from_str(STATUS).expect("JSON");
    let parts: BTreeMap<_, _> = [
        ("Status", &status),
        ("Quorum", &status["quorum"]),
        ("Keyring", &status["keyring"]),
        ("Rotation", &status["keyring"]["rotations"][0]),
        ("Source", &status["sources"][0]),
        ("Assessed", &status["sources"][0]["assessed"]),
        ("Live", &status["sources"][0]["live"]),
        ("Alarm", &status["sources"][0]["last_alarm"]),
        ("Incident", &status["incidents"][0]),
    ]
    .into();
    for (name, part) in parts {
        let members = part.as_object().expect("an object");
        let required = schemas[name]["required"].as_array().expect("a list");
        assert_eq!(required.len(), members.len(), "{name}");
        for member in required {
            assert!(members.contains_key(member.as_str().expect("a name")), "{name}: {member}");
        }
    }
}

#[test]
fn a_member_that_an_answer_leaves_out_is_never_null() {
    let schemas = schemas();
    let problem = &schemas["Problem"];
    assert_eq!(problem["required"], serde_json::json!(["type", "title", "status", "detail"]));
    for (name, member) in problem["properties"].as_object().expect("members") {
        assert!(member["type"].is_string() && member.get("default").is_none(), "{name}: {member}");
    }
    let info = &schemas["Result_of_null"]["properties"]["result_info"];
    assert_eq!(info["$ref"], "#/components/schemas/PageInfo");
}
