//! A new source is one file and one line of the registry: nothing else in the program names a
//! type of source.

use std::fs;
use std::path::{Path, PathBuf};

const REGISTRY: &str = "src/source/registry.rs";

/// The places outside `src/source/` that may name a type of source, with the module they name.
const ALLOWED: [(&str, &str); 1] = [
    // `lavawall cameras` lists devices, before there is any configuration.
    ("src/cli/cameras.rs", "camera"),
];

/// One line of the registry.
#[derive(Debug)]
struct Registered {
    name: String,
    variant: String,
    module: String,
    config: String,
}

/// Reads `"camera" => Camera(crate::source::camera::CameraConfig);`.
fn registered() -> Vec<Registered> {
    let text = fs::read_to_string(root().join(REGISTRY)).expect("the registry");
    let lines = text.lines().filter_map(|line| {
        let (name, rest) = line.trim().strip_prefix('"')?.split_once("\" => ")?;
        let (variant, rest) = rest.split_once("(crate::source::")?;
        let (module, config) = rest.strip_suffix(");")?.split_once("::")?;
        let [name, variant, module, config] = [name, variant, module, config].map(str::to_owned);
        Some(Registered { name, variant, module, config })
    });
    lines.collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, relative to the repository.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
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

/// The modules of source types that this code names: by path, in an import list, by variant or by
/// configuration type.
fn named<'a>(code: &str, types: &'a [Registered]) -> Vec<&'a str> {
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let paths: Vec<&str> = code.split("source::").skip(1).map(first_path).collect();
    let is_named = |it: &&Registered| {
        let by_path = paths.iter().any(|path| words(path).any(|word| word == it.module));
        let by_variant = code.contains(&format!("SourceSpec::{}", it.variant));
        by_path || by_variant || words(&code).any(|word| word == it.config)
    };
    types.iter().filter(is_named).map(|it| it.module.as_str()).collect()
}

/// The rest of a path: one name, or a whole list in braces.
fn first_path(rest: &str) -> &str {
    let end = if rest.starts_with('{') {
        rest.find('}')
    } else {
        rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_')
    };
    &rest[..end.unwrap_or(rest.len())]
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

#[test]
fn the_registry_lists_every_type() {
    let types = registered();
    let names: Vec<_> = types.iter().map(|it| it.name.as_str()).collect();
    let known: Vec<_> = lavawall::SOURCE_TYPES.iter().map(|entry| entry.name).collect();
    assert_eq!(names, known);
}

#[test]
fn nothing_outside_the_sources_names_a_type_of_source() {
    let types = registered();
    let mut places = Vec::new();
    for file in files("src").iter().filter(|file| !file.starts_with("src/source")) {
        let code = fs::read_to_string(root().join(file)).expect("a source file");
        for module in named(&code, &types) {
            places.push((file.display().to_string(), module.to_owned()));
        }
    }
    let allowed = ALLOWED.map(|(file, module)| (file.to_owned(), module.to_owned()));
    assert_eq!(places, allowed, "only these may name a type of source");
}

#[test]
fn sources_do_not_name_each_other() {
    let types = registered();
    for it in &types {
        let own = Path::new("src/source").join(&it.module);
        for file in files("src/source") {
            let is_own = file.starts_with(&own) || file == own.with_extension("rs");
            let is_test = file.iter().any(|part| part == "tests" || part == "tests.rs");
            if !is_own || is_test {
                continue;
            }
            let code = fs::read_to_string(root().join(&file)).expect("a source file");
            let code = code.split("#[cfg(test)]").next().expect("one part at least");
            let others: Vec<_> =
                named(code, &types).into_iter().filter(|other| *other != it.module).collect();
            assert!(others.is_empty(), "{} names {others:?}", file.display());
        }
    }
}

#[test]
fn a_planted_name_is_found_however_it_is_written() {
    let types = registered();
    for (code, expected) in [
        ("use crate::source::camera;", vec!["camera"]),
        ("let it = crate::source::tpm::TpmConfig::default();", vec!["tpm"]),
        ("use crate::source::{\n    Facts,\n    jitter,\n};", vec!["jitter"]),
        ("matches!(spec, SourceSpec::Replay(_))", vec!["replay"]),
        ("fn of(it: &SerialConfig) {}", vec!["serial"]),
        ("use crate::source::{Facts, SourceSpec};", vec![]),
        ("// as in source::camera", vec![]),
        ("let cpu = sample();", vec![]),
    ] {
        assert_eq!(named(code, &types), expected, "{code}");
    }
}
