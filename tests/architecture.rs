//! The layers: a module imports only from below itself, and every module has its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every top-level module and its layer. A module may import from strictly lower layers only.
const LAYERS: [(&str, u8); 26] = [
    ("durable", 0),
    ("exitcode", 0),
    ("machine", 0),
    ("size", 0),
    ("audit", 1),
    ("crypto", 1),
    ("source", 1),
    ("report", 1),
    ("collector", 2),
    ("keyring", 2),
    ("kv", 3),
    ("caller", 4),
    ("api", 5),
    ("net", 6),
    ("http", 6),
    ("dialect", 6),
    ("config", 7),
    ("state", 8),
    ("calibrate", 9),
    ("plan", 10),
    ("upkeep", 11),
    ("daemon", 12),
    ("client", 13),
    ("cli", 13),
    ("main", 14),
    ("lib", 15),
];

/// Modules of the `source` layer know nothing of each other but the contract.
#[test]
fn imports_only_go_down() {
    let layers: BTreeMap<_, _> = LAYERS.into_iter().collect();
    let mut wrong = Vec::new();
    for file in sources(Path::new("src")) {
        let module = module_of(&file);
        let Some(&layer) = layers.get(module.as_str()) else {
            wrong.push(format!("{}: module {module} has no layer", file.display()));
            continue;
        };
        for imported in imports(&fs::read_to_string(&file).expect("a source file")) {
            match layers.get(imported.as_str()) {
                _ if imported == module => {}
                None => wrong.push(format!("{}: crate::{imported} has no layer", file.display())),
                Some(&below) if below < layer => {}
                Some(_) => wrong.push(format!("{}: crate::{imported} climbs", file.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_upward_import_is_seen_however_it_is_written() {
    for (text, expected) in [
        ("use crate::http::Config;", vec!["http"]),
        ("use crate::{http, pool::Pool};", vec!["http", "pool"]),
        (
            "use crate::{\n    config::Config,\n    http::{self, Access},\n};",
            vec!["config", "http"],
        ),
        ("let x = crate::daemon::run();", vec!["daemon"]),
        ("// crate::http is not imported here", vec![]),
    ] {
        assert_eq!(imports(text), expected, "{text}");
    }
}

#[test]
fn logic_does_no_input_or_output() {
    // What decides about entropy takes bytes and time as arguments.
    // Assessment has one entry point with threads, in a file of its own.
    let threads = Path::new("crates/assess/src/parallel.rs");
    for folder in ["crates/assess/src", "crates/entropy/src", "src/report"] {
        for file in &sources(Path::new(folder)) {
            let is_test = file.iter().any(|part| part == "tests" || part == "tests.rs");
            if is_test || *file == threads {
                continue;
            }
            let text = fs::read_to_string(file).expect("a source file");
            let code = text.split("#[cfg(test)]").next().expect("split gives one at least");
            for edge in [
                "std::fs",
                "std::net",
                "std::thread::",
                "std::env",
                "Instant::now",
                "getrandom::fill",
            ] {
                let used = code.lines().any(|line| !is_comment(line) && line.contains(edge));
                assert!(!used, "{}: {edge}", file.display());
            }
        }
    }
}

#[test]
fn keys_and_nonces_come_from_the_generator_alone() {
    for module in ["keyring", "kv"] {
        for file in sources(Path::new("src")).iter().filter(|file| module_of(file) == module) {
            let is_test = file
                .iter()
                .any(|part| part == "tests" || part == "tests.rs" || part == "doubles.rs");
            if is_test {
                continue;
            }
            let text = fs::read_to_string(file).expect("a source file");
            let code = text.split("#[cfg(test)]\nmod tests").next().expect("one part at least");
            for other in
                ["getrandom", "rand::rng", "OsRng", "generate_key", "generate_nonce", "/dev/"]
            {
                let used = code.lines().any(|line| !is_comment(line) && line.contains(other));
                assert!(!used, "{}: {other}", file.display());
            }
        }
    }
}

#[test]
fn a_source_imports_only_the_contract() {
    for file in sources(Path::new("src/source")) {
        let text = fs::read_to_string(&file).expect("a source file");
        for imported in imports(&text) {
            let allowed = imported == "source";
            assert!(allowed, "{}: crate::{imported}", file.display());
        }
    }
}

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open = vec![root.join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root).expect("below the root").to_owned());
            }
        }
    }
    found.retain(|file| !file.ends_with("main.rs"));
    found.sort();
    found
}

/// The top-level module a file belongs to.
fn module_of(file: &Path) -> String {
    let below = file.strip_prefix("src").expect("below src");
    let first = below.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The modules named directly after `crate::`, in the code of a file.
fn imports(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|line| !is_comment(line)).flat_map(|line| [line, "\n"]).collect();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(names_in_braces(list)),
            None => found.push(name_at(rest)),
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The first name of each item of `a, b::{c, d}, e}`.
fn names_in_braces(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut at_start = true;
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return names,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            letter if at_start && !letter.is_whitespace() => {
                names.push(name_at(&list[at..]));
                at_start = false;
            }
            _ => {}
        }
    }
    panic!("a brace is not closed: {list}");
}

fn name_at(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}
