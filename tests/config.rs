//! Every configuration we ship works, and every wrong one is refused with its place and reason.
//! The first line of a wrong file says what the error must contain.

use std::fs;
use std::path::{Path, PathBuf};

use lavawall::Config;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("a fixture").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn load(file: &Path) -> Result<Config, String> {
    Config::load(Some(file), std::iter::empty()).map_err(|error| error.to_string())
}

#[test]
fn every_valid_configuration_loads() {
    let ours = ["fixtures/config/valid", "hardware/lab/configurations"];
    // A back end that is not built in cannot be configured.
    let is_known = |file: &PathBuf| cfg!(feature = "nokhwa") || !file.ends_with("nokhwa.toml");
    for file in ours.into_iter().flat_map(files).filter(is_known) {
        if let Err(error) = load(&file) {
            panic!("{error}");
        }
    }
}

#[test]
fn every_invalid_configuration_is_refused_with_file_line_key_and_reason() {
    for file in files("fixtures/config/invalid") {
        let text = fs::read_to_string(&file).expect("a fixture");
        let first = text.lines().next().expect("a first line");
        let expected = first.strip_prefix("# expect: ").expect("the expectation in line 1");
        let error = load(&file).expect_err(&format!("{} loads", file.display()));
        assert!(
            error.contains(expected),
            "{}\n  got      {error}\n  expected {expected}",
            file.display()
        );
        assert!(error.starts_with(&file.display().to_string()), "{error}");
    }
}

#[test]
fn the_examples_in_the_documents_are_valid() {
    for document in ["docs/operating.md", "README.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
        let text = fs::read_to_string(path).expect("a document");
        for block in text.split("```toml\n").skip(1) {
            let example = block.split("```").next().expect("split gives one at least");
            if let Err(error) = Config::parse(document, example, std::iter::empty()) {
                panic!("{error} in\n{example}");
            }
        }
    }
}

fn with_environment(variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Config::parse("lavawall.toml", "[pool]\nquorum = 3\n", variables).map_err(|e| e.to_string())
}

#[test]
fn the_environment_overrides_the_file() {
    let config = with_environment(&[
        ("LAVAWALL_POOL_QUORUM", "1"),
        ("LAVAWALL_HTTP_LISTEN", "127.0.0.1:9090"),
        ("LAVAWALL_POOL_RESEED_INTERVAL", "5s"),
        ("HOME", "/nowhere"),
    ])
    .expect("valid");
    assert_eq!(config.pool.quorum, 1);
    assert_eq!(config.http.listen.expect("one").port(), 9090);
    assert_eq!(config.pool.reseed_interval.as_secs(), 5);
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value, expected) in [
        ("LAVAWALL_POOL_QUORUM", "0", "environment variable LAVAWALL_POOL_QUORUM: pool.quorum"),
        ("LAVAWALL_POOL_QOURUM", "2", "LAVAWALL_POOL_QOURUM"),
        ("LAVAWALL_NONSENSE", "2", "LAVAWALL_NONSENSE"),
    ] {
        let error = with_environment(&[(name, value)]).expect_err(name);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_empty_file_means_defaults() {
    let config = Config::parse("empty", "", std::iter::empty()).expect("valid");
    assert_eq!(config, Config::default());
    assert_eq!(config.pool.quorum, 2);
    assert!(config.http.listen.expect("one").ip().is_loopback());
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let config = Config::parse("f", "\u{feff}[pool]\nquorum = 3\n", std::iter::empty());
    assert_eq!(config.expect("valid").pool.quorum, 3);
}

#[test]
fn variables_of_the_command_line_and_of_kubernetes_are_no_keys() {
    let names = [
        "LAVAWALL_CA_FILE",
        "LAVAWALL_TOKEN_FILE",
        "LAVAWALL_PORT",
        "LAVAWALL_PORT_8080_TCP_ADDR",
        "LAVAWALL_SERVICE_HOST",
    ];
    let variables = names.map(|name| (name.to_owned(), "x".to_owned()));
    assert_eq!(Config::parse("f", "", variables.into_iter()).expect("valid"), Config::default());
    // A service named lavawall-metrics.
    let links = [
        ("LAVAWALL_METRICS_SERVICE_HOST", "10.0.0.11"),
        ("LAVAWALL_METRICS_SERVICE_PORT", "9100"),
        ("LAVAWALL_METRICS_PORT", "tcp://10.0.0.11:9100"),
        ("LAVAWALL_METRICS_PORT_9100_TCP", "tcp://10.0.0.11:9100"),
        ("LAVAWALL_METRICS_PORT_9100_TCP_PROTO", "tcp"),
    ];
    let links = links.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(Config::parse("f", "", links.into_iter()).expect("valid"), Config::default());
    let typed_wrong = [("LAVAWALL_POOL_QUORUMS".to_owned(), "2".to_owned())];
    let error = Config::parse("f", "", typed_wrong.into_iter()).expect_err("unknown");
    assert!(error.to_string().contains("LAVAWALL_POOL_QUORUMS"), "{error}");
}
