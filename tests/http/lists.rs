//! `/random/integers`, `uuids`, `strings`, `shuffle`: every item in its range, and none favoured.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::appliance::{Appliance, config};
use crate::client::{Client, get};

fn data(answer: &crate::client::Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("entropy-generation"), Some("1"));
    answer.json()["data"].as_array().expect("a list").clone()
}

#[test]
fn integers_are_in_range_and_both_ends_come() {
    let appliance = Appliance::ready();
    let answer = get(appliance.address, "/random/integers?min=-2&max=2&count=1000");
    let numbers: Vec<_> = data(&answer).iter().map(|item| item.as_i64().expect("whole")).collect();
    assert_eq!(numbers.len(), 1000);
    // That one of five is missing among a thousand: 5 · 0.8¹⁰⁰⁰, less than 2⁻³¹⁹.
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), (-2..=2).collect());
}

#[test]
fn six_thousand_dice_are_fair() {
    let appliance = Appliance::ready();
    let answer = get(appliance.address, "/random/integers?min=1&max=6&count=6000&format=text");
    let mut counts = [0i64; 6];
    for line in answer.text().lines() {
        counts[line.parse::<usize>().expect("a number") - 1] += 1;
    }
    assert_eq!(counts.iter().sum::<i64>(), 6000);
    let square: i64 = counts.iter().map(|count| (count - 1000).pow(2)).sum();
    // χ² with 5 degrees of freedom passes 50 once in 700 million fair runs.
    assert!(square < 50 * 1000, "{counts:?}");
}

#[test]
fn the_widest_range_is_served() {
    let appliance = Appliance::ready();
    let query = format!("/random/integers?min={}&max={}&count=10", i64::MIN, i64::MAX);
    assert_eq!(data(&get(appliance.address, &query)).len(), 10);
}

#[test]
fn uuids_are_of_version_4_and_all_different() {
    let appliance = Appliance::ready();
    let items = data(&get(appliance.address, "/random/uuids?count=1000"));
    let uuids: BTreeSet<_> = items
        .iter()
        .map(|item| uuid::Uuid::parse_str(item.as_str().expect("text")).expect("a UUID"))
        .collect();
    assert_eq!(uuids.len(), 1000);
    assert!(uuids.iter().all(|uuid| uuid.get_version_num() == 4));
    assert!(uuids.iter().all(|uuid| uuid.get_variant() == uuid::Variant::RFC4122));
}

#[test]
fn strings_are_of_the_alphabet_and_the_length() {
    let appliance = Appliance::ready();
    let answer = get(appliance.address, "/random/strings?length=40&count=3&format=text");
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    let lines: Vec<_> = answer.text().lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() == 40));
    assert!(lines.concat().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let awkward = get(appliance.address, "/random/strings?length=200&alphabet=%22%5C%E2%82%AC");
    let string = data(&awkward)[0].as_str().expect("text").to_owned();
    assert_eq!(string.chars().count(), 200);
    assert_eq!(string.chars().collect::<BTreeSet<_>>(), BTreeSet::from(['"', '\\', '€']));
}

#[test]
fn a_shuffle_holds_every_number_once() {
    let appliance = Appliance::ready();
    let mut numbers: Vec<_> = data(&get(appliance.address, "/random/shuffle?n=1000"))
        .iter()
        .map(|item| item.as_u64().expect("whole"))
        .collect();
    // That a thousand come in order: 1 in 1000!.
    assert!(!numbers.is_sorted());
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[test]
fn the_longest_lists_are_served_whole() {
    let appliance = Appliance::ready();
    let mut client = Client::connect(appliance.address);
    for (path, items) in [
        ("/random/uuids?count=100000", 100_000),
        ("/random/shuffle?n=100000", 100_000),
        ("/random/strings?length=4096&count=244", 244),
    ] {
        assert_eq!(data(&client.call("GET", path, &[])).len(), items, "{path}");
    }
}

#[test]
fn what_cannot_be_is_a_problem_with_field_limit_and_value() {
    let appliance = Appliance::ready();
    for (path, field, limit, value) in [
        ("/random/integers?min=1", "max", "1 to 9223372036854775807", ""),
        ("/random/uuids?count=0", "count", "1 to 100000", "0"),
        ("/random/strings?length=0", "length", "1 to 4096", "0"),
        ("/random/shuffle?n=2&seed=7", "seed", "n, format", "7"),
        ("/random/shuffle?n=2&format=xml", "format", "json, text", "xml"),
    ] {
        let answer = get(appliance.address, path);
        assert_eq!(answer.status, 400, "{path}");
        let problem = answer.problem();
        assert_eq!(problem["field"], field, "{path}");
        assert_eq!(problem["limit"], limit, "{path}");
        assert_eq!(problem["value"], value, "{path}");
    }
}

#[test]
fn without_a_seed_there_are_no_lists() {
    let appliance = Appliance::starting(config());
    for path in ["integers?min=0&max=9", "uuids", "strings?length=9", "shuffle?n=9"] {
        let answer = get(appliance.address, &format!("/random/{path}"));
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.header("retry-after").is_some());
        answer.problem();
    }
}
