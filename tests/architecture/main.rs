//! The structure of the code, held per file: no circles, imports only go down, one word one meaning.

mod graph;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use graph::{Graph, ModulePath};

/// The crates with their source folders. The service is the one that has rooms.
const CRATES: [&str; 3] = ["src", "crates/entropy/src", "crates/assess/src"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in CRATES {
        let circles: Vec<_> = Graph::of_folder(&root().join(folder))
            .circles()
            .iter()
            .map(|circle| circle.iter().map(name).collect::<Vec<_>>().join(" "))
            .collect();
        assert!(circles.is_empty(), "{folder}: circles of files:\n{}", circles.join("\n"));
    }
}

#[test]
fn imports_only_go_down_the_rooms_of_the_table() {
    let table = fs::read_to_string(root().join("src/README.md")).expect("the table of rooms");
    let wrong = climbing(&Graph::of_folder(&root().join("src")), &layers(&table));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_name_is_one_type() {
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in CRATES {
        for (type_name, file) in Graph::of_folder(&root().join(folder)).types {
            owners.entry(type_name).or_default().push(format!("{folder}/{}", name(&file)));
        }
    }
    let shared: Vec<_> = owners.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(shared.is_empty(), "types of one name: {shared:#?}");
}

#[test]
fn every_file_is_named_by_a_term_of_the_glossary() {
    let glossary = fs::read_to_string(root().join("docs/glossary.md")).expect("the glossary");
    let terms = terms(&glossary);
    let mut missing: Vec<_> = CRATES
        .iter()
        .flat_map(|folder| sources(Path::new(folder)))
        .filter(|file| !file.iter().any(|part| part == "tests"))
        .filter_map(|file| Some(file.file_stem()?.to_str()?.replace('_', " ")))
        .filter(|stem| !["lib", "main", "tests"].contains(&stem.as_str()) && !terms.contains(stem))
        .collect();
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "no line in docs/glossary.md for: {}", missing.join(", "));
}

#[test]
fn the_glossary_has_one_line_for_each_term_in_order() {
    let glossary = fs::read_to_string(root().join("docs/glossary.md")).expect("the glossary");
    for table in glossary.split("\n## ") {
        assert!(terms(table).is_sorted(), "not in alphabetical order:\n{table}");
    }
    let mut all = terms(&glossary);
    let listed = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), listed, "each term once");
}

#[test]
fn a_planted_circle_is_found_however_it_is_written() {
    for (parent, child) in [
        ("mod b;\nuse b::B;\npub struct A;", "use super::A;\npub struct B;"),
        ("mod b;\nfn f() { b::g(); }\npub struct A;", "pub fn g() { let _ = crate::a::A; }"),
        ("mod b;\nuse self::b::B;\npub struct A;", "use crate::{a::A};\npub struct B;"),
        (
            "mod b;\nfn f() { println!(\"{}\", b::X); }\npub struct A;",
            "type Y = super::A;\npub const X: u8 = 1;",
        ),
    ] {
        let graph = planted(&[("lib.rs", "mod a;"), ("a.rs", parent), ("a/b.rs", child)]);
        assert_eq!(graph.circles().len(), 1, "{parent} / {child}: {:?}", graph.uses);
    }
    let graph = planted(&[
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b;\nmod c;\npub use b::B;\npub use c::C;"),
        ("a/b.rs", "pub struct B;"),
        ("a/c.rs", "use super::B;\npub struct C;\n#[cfg(test)]\nmod tests { use crate::a::C; }"),
    ]);
    assert!(graph.circles().is_empty(), "a surface is no circle: {:?}", graph.circles());
}

#[test]
fn a_planted_upward_import_is_found() {
    let table = "| 0 | `low` | |\n| 1 | `high` | |";
    let files =
        |low| [("lib.rs", ""), ("low.rs", low), ("high.rs", "use crate::low::L;\npub struct H;")];
    let climbs = planted(&files("use crate::high::H;\npub struct L;"));
    assert_eq!(climbing(&climbs, &layers(table)).len(), 1);
    let falls = planted(&files("pub struct L;"));
    assert!(climbing(&falls, &layers(table)).is_empty());
}

#[test]
fn a_planted_wrong_row_of_the_table_is_found() {
    let graph = planted(&[("lib.rs", ""), ("low.rs", ""), ("high.rs", "use crate::low::L;")]);
    for (table, expected) in [
        ("| 1 | `low` | |\n| 0 | `high` | |", "high climbs to low"),
        ("| 0 | `low` | |", "no row for high"),
        ("| 0 | `low` | |\n| 1 | `high` | |\n| 2 | `gone` | |", "no files of gone"),
    ] {
        assert_eq!(climbing(&graph, &layers(table)), [expected], "{table}");
    }
}

#[test]
fn logic_does_no_input_or_output() {
    // Assessment has one entry point with threads, in a file of its own.
    let threads = Path::new("crates/assess/src/parallel.rs");
    let edges =
        ["std::fs", "std::net", "std::thread::", "std::env", "Instant::now", "getrandom::fill"];
    for folder in ["crates/assess/src", "crates/entropy/src", "src/report"] {
        for file in sources(Path::new(folder)).iter().filter(|file| *file != threads) {
            refuse_words(file, &edges);
        }
    }
}

#[test]
fn keys_and_nonces_come_from_the_generator_alone() {
    let others = ["getrandom", "rand::rng", "OsRng", "generate_key", "generate_nonce", "/dev/"];
    for folder in ["src/crypto", "src/keyring", "src/kv"] {
        for file in sources(Path::new(folder)) {
            refuse_words(&file, &others);
        }
    }
}

/// The imports that break the table: to a room that is not lower, or between two dialects.
fn climbing(graph: &Graph, layers: &BTreeMap<String, u8>) -> Vec<String> {
    let mut wrong = Vec::new();
    let rooms: Vec<_> = graph.uses.keys().filter_map(|file| file.first()).collect();
    for room in rooms.iter().filter(|room| !layers.contains_key(**room)) {
        wrong.push(format!("no row for {room}"));
    }
    for room in layers.keys().filter(|room| !rooms.contains(room)) {
        wrong.push(format!("no files of {room}"));
    }
    for (file, used) in &graph.uses {
        let Some(room) = file.first() else { continue };
        for other in used {
            let climbs = match other.first() {
                // The crate root holds a list of modules and exports alone.
                None => true,
                Some(lower) if lower == room => is_another_dialect(file, other),
                Some(lower) => match (layers.get(lower), layers.get(room)) {
                    (Some(low), Some(high)) => low >= high,
                    _ => false,
                },
            };
            if climbs {
                wrong.push(format!("{} climbs to {}", name(file), name(other)));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

/// Dialects are independent of each other: what two of them need is in `http`.
fn is_another_dialect(file: &ModulePath, other: &ModulePath) -> bool {
    file[0] == "dialect" && file.len() > 1 && other.len() > 1 && file[1] != other[1]
}

/// The rows `| layer | room … |` of a table: each room named in backticks, with its layer.
fn layers(table: &str) -> BTreeMap<String, u8> {
    let mut layers = BTreeMap::new();
    for line in table.lines() {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Some(Ok(layer)) = cells.first().map(|cell| cell.parse()) else { continue };
        for part in cells[1].split('`').skip(1).step_by(2) {
            layers.insert(part.to_owned(), layer);
        }
    }
    assert!(!layers.is_empty(), "a table of rooms");
    layers
}

/// The terms of the glossary's table, in lower case, hyphens as spaces.
fn terms(glossary: &str) -> Vec<String> {
    let rows =
        glossary.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| term"));
    rows.filter_map(|row| Some(row.split('|').nth(1)?.trim().to_lowercase().replace('-', " ")))
        .collect()
}

fn planted(files: &[(&str, &str)]) -> Graph {
    Graph::of(files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect())
}

fn name(file: &ModulePath) -> String {
    if file.is_empty() { "lib".into() } else { file.join("/") }
}

/// Fails when the code of a file, tests left out, has one of these words.
fn refuse_words(file: &Path, words: &[&str]) {
    let is_test =
        file.iter().any(|part| part == "tests" || part == "tests.rs" || part == "test_support.rs");
    if is_test {
        return;
    }
    let text = fs::read_to_string(root().join(file)).expect("a source file");
    let code = text.split("#[cfg(test)]\nmod tests").next().expect("one part at least");
    for word in words {
        let used =
            code.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(word));
        assert!(!used, "{}: {word}", file.display());
    }
}

/// Every Rust file below a folder, and `folder.rs` beside it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    let beside = folder.with_extension("rs");
    if root().join(&beside).exists() {
        found.push(beside);
    }
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).expect("below the root").to_owned());
            }
        }
    }
    found.sort();
    found
}
