//! Random operations, against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put { name: usize, value: Vec<u8>, metadata: Option<u8>, expiry: Option<u64> },
    Bulk(Vec<(usize, u8)>),
    Delete(Vec<usize>),
    Tick(u64),
    Sweep,
    Rotate,
    Reseal,
    Reopen,
}

/// Few enough to be met again; prefixes of each other.
const NAMES: [&str; 8] = ["a", "a/", "a/b", "ab", "b", "ä", "a/b/c", "\u{10ffff}"];

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    prop_oneof![
        4 => (
            name(),
            proptest::collection::vec(any::<u8>(), 0..40),
            proptest::option::of(any::<u8>()),
            proptest::option::of(1..20u64),
        )
            .prop_map(|(name, value, metadata, ttl)| Step::Put {
                name,
                value,
                metadata,
                expiry: ttl,
            }),
        2 => proptest::collection::vec((name(), any::<u8>()), 0..6).prop_map(Step::Bulk),
        2 => proptest::collection::vec(name(), 0..4).prop_map(Step::Delete),
        1 => (1..10u64).prop_map(Step::Tick),
        1 => Just(Step::Sweep),
        1 => Just(Step::Rotate),
        1 => Just(Step::Reseal),
        1 => Just(Step::Reopen),
    ]
}

/// Bytes of values that are held opened: most of them, and not all.
const HELD: usize = 1024;

/// Value, metadata, expiry.
type Model = BTreeMap<&'static str, (Vec<u8>, Option<Vec<u8>>, Option<u64>)>;

fn check(store: &Store, id: NamespaceId, model: &Model, now: u64) {
    for name in NAMES {
        let expected = model.get(name).filter(|(_, _, expiry)| expiry.is_none_or(|at| at > now));
        let value = store.get(id, name, now).expect("readable");
        assert_eq!(value.as_ref().map(|it| it.bytes.as_slice()), expected.map(|it| &it.0[..]));
        assert_eq!(value.and_then(|it| it.expiry), expected.and_then(|it| it.2));
        let metadata = store.metadata(id, name, now).expect("readable").and_then(|it| it.json);
        assert_eq!(metadata.map(|it| it.to_vec()), expected.and_then(|it| it.1.clone()));
    }
    for prefix in ["", "a", "a/", "b", "c"] {
        let expected: Vec<_> = model
            .iter()
            .filter(|(name, it)| name.starts_with(prefix) && it.2.is_none_or(|at| at > now))
            .map(|(name, _)| *name)
            .collect();
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().cloned();
            let page = store.list(id, prefix, after.as_deref(), 2, now).expect("readable");
            found.extend(page.records.iter().map(|it| it.name.to_string()));
            if !page.more {
                break;
            }
        }
        assert_eq!(found, expected, "prefix {prefix:?}");
    }
}

fn run(steps: Vec<Step>, open: &dyn Fn() -> Store) {
    let mut store = Some(open());
    let id =
        store.as_ref().expect("open").create_namespace(&Actor::SERVICE, "model").expect("made").id;
    let mut model = Model::new();
    let mut now = 1000;
    for step in steps {
        let open_store = store.as_ref().expect("open");
        match step {
            Step::Put { name, value, metadata, expiry } => {
                let metadata = metadata.map(|number| number.to_string().into_bytes());
                let expiry = expiry.map(|ttl| now + ttl);
                let one =
                    Put { name: NAMES[name], value: &value, metadata: metadata.as_deref(), expiry };
                open_store.put(id, &[one], now).expect("written");
                model.insert(NAMES[name], (value, metadata, expiry));
            }
            Step::Bulk(records) => {
                let values: Vec<_> = records.iter().map(|(_, value)| [*value]).collect();
                let puts: Vec<_> = records
                    .iter()
                    .zip(&values)
                    .map(|((name, _), value)| put(NAMES[*name], value))
                    .collect();
                open_store.put(id, &puts, now).expect("written");
                for (name, value) in records {
                    model.insert(NAMES[name], (vec![value], None, None));
                }
            }
            Step::Delete(names) => {
                let names: Vec<_> = names.into_iter().map(|name| NAMES[name]).collect();
                open_store.delete(id, &names).expect("written");
                for name in names {
                    model.remove(name);
                }
            }
            Step::Tick(seconds) => now += seconds,
            Step::Sweep => {
                open_store.sweep(now).expect("written");
                model.retain(|_, it| it.2.is_none_or(|at| at > now));
            }
            Step::Rotate => drop(open_store.rotate(&Actor::SERVICE, id).expect("rotated")),
            Step::Reseal => {
                while open_store.reseal(id).expect("written") > 0 {}
                open_store.destroy_unneeded(&Actor::SERVICE, id).expect("written");
            }
            Step::Reopen => {
                drop(store.take());
                store = Some(open());
            }
        }
        let open_store = store.as_ref().expect("open");
        check(open_store, id, &model, now);
        assert!(open_store.take_findings().is_empty(), "{:?}", open_store.take_findings());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_store_in_memory_does_what_a_plain_map_does(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let home = Home::new();
        run(steps, &|| home.open().with_value_cache(HELD));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_store_in_a_file_does_what_a_plain_map_does(
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let home = Home::new();
        run(steps, &|| home.open_file().with_value_cache(HELD));
    }
}
