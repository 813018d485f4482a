//! What people open in a browser: their policy, their text, and who may see them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use data_encoding::BASE64;
use lavawall::hash_token;
use lavawall::{FreshError, FreshSeed, HttpConfig};
use lavawall_entropy::{Kind, PixelFormat};
use sha2::{Digest, Sha256};

use crate::appliance::{Appliance, config, quorum, seed};
use crate::board::{frame, show};
use crate::client::{Answer, Client, get};

/// The pages for people.
const PAGES: [&str; 2] = ["/", "/docs"];

const TOKEN: &str = "lw_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

#[test]
fn pages_run_only_the_style_and_the_script_they_were_written_with() {
    let appliance = Appliance::ready();
    for path in PAGES {
        let answer = get(appliance.address, path);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").expect("a policy");
        let directives: BTreeSet<_> = policy.split("; ").collect();
        assert!(directives.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for (directive, open, close) in
            [("style-src", "<style>", "</style>"), ("script-src", "<script>", "</script>")]
        {
            let hash = BASE64.encode(&Sha256::digest(between(answer.text(), open, close)));
            assert!(
                directives.contains(format!("{directive} 'sha256-{hash}'").as_str()),
                "{policy}"
            );
        }
        assert!(!answer.text().contains("{{"), "a mark is left");
    }
}

#[test]
fn the_dashboard_says_the_essentials_without_its_script() {
    let appliance = Appliance::starting(config());
    let mut lost = quorum(vec![Kind::OperatingSystem]);
    lost.missing_required = vec!["<script>alert(1)</script>".to_owned()];
    appliance.generator.report_quorum(lost, Instant::now());
    let answer = get(appliance.address, "/");
    let body = between(answer.text(), "<body", "<script>");
    assert!(body.contains("data-state=\"starting\""));
    assert!(body.contains("1 of 2 independent kinds"));
    assert!(body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "and as text only");
    seed(&appliance.generator, 41);
    let answer = get(appliance.address, "/");
    assert!(answer.text().contains("data-state=\"ready\""));
    assert!(answer.text().contains("<dd>41</dd>"));
}

#[test]
fn every_problem_leads_to_its_paragraph() {
    let one_connection = HttpConfig { max_connections: 1, ..config() };
    let appliance = Appliance::starting(one_connection);
    let mut client = Client::connect(appliance.address);
    let mut problems = vec![
        client.call("GET", "/nowhere", &[]),
        client.call("POST", "/status", &[]),
        client.call("GET", "/random", &[("Accept", "text/html")]),
        client.call("GET", "/random?bytes=0", &[]),
        client.call("GET", "/random", &[]),
        get(appliance.address, "/"),
    ];
    let docs = client.call("GET", "/docs", &[]);
    let no_more = || -> FreshSeed { Box::pin(async { Err(FreshError::Stopped) }) };
    let stopped = Appliance::with_fresh(config(), Arc::new(no_more));
    seed(&stopped.generator, 1);
    problems.push(get(stopped.address, "/random?fresh=true"));
    let (guarded, _tokens) = guarded();
    problems.push(get(guarded.address, "/random"));
    problems.push(Client::connect(guarded.address).call("GET", "/", &[("Host", "another")]));
    let kinds: BTreeSet<_> = problems.iter().map(kind_of).collect();
    assert_eq!(kinds.len(), problems.len(), "one of each: {kinds:?}");
    for kind in kinds {
        let name = kind.strip_prefix("/docs#").expect("a place in the documentation");
        assert!(docs.text().contains(&format!("id=\"{name}\"")), "{name}");
    }
}

#[test]
fn tokens_guard_the_pages_too() {
    let (appliance, _file) = guarded();
    show(&appliance, "replay", Kind::None, frame(PixelFormat::Grey, 8, 8), vec![90; 64]);
    let authorization = format!("Bearer {TOKEN}");
    let mut client = Client::connect(appliance.address);
    for path in ["/", "/docs", "/openapi.json", "/metrics", "/wall.png", "/status"] {
        assert_eq!(client.call("GET", path, &[]).problem()["status"], 401, "{path}");
        let wrong = client.call("GET", path, &[("Authorization", "Bearer wrong")]);
        assert_eq!(wrong.status, 401, "{path}");
        let right = client.call("GET", path, &[("Authorization", &authorization)]);
        assert_eq!(right.status, 200, "{path}");
    }
}

#[test]
fn a_token_that_is_taken_away_opens_nothing_any_more() {
    let (appliance, file) = guarded();
    let authorization = format!("Bearer {TOKEN}");
    let mut client = Client::connect(appliance.address);
    assert_eq!(client.call("GET", "/", &[("Authorization", &authorization)]).status, 200);
    let other = format!("other {}\n", hash_token("another token"));
    std::fs::write(file.path(), other).expect("written");
    appliance.access.reload().expect("a good file");
    assert_eq!(client.call("GET", "/", &[("Authorization", &authorization)]).status, 401);
}

/// A server that knows one token, and the file it is in.
fn guarded() -> (Appliance, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let line = format!("tester {}\n", hash_token(TOKEN));
    std::fs::write(file.path(), line).expect("written");
    let config = HttpConfig { tokens: Some(file.path().to_owned()), ..config() };
    let appliance = Appliance::starting(config);
    seed(&appliance.generator, 1);
    (appliance, file)
}

/// A page's text between two tags.
fn between<'p>(page: &'p str, open: &str, close: &str) -> &'p str {
    page.split_once(open).and_then(|(_, rest)| rest.split_once(close)).expect("both tags").0
}

fn kind_of(answer: &Answer) -> String {
    answer.json()["type"].as_str().expect("a type").to_owned()
}
