//! The audit log's lines about a keyring, and operations without the log.

use super::*;
use serde_json::Value;

fn lines(home: &Home) -> Vec<Value> {
    let text = std::fs::read_to_string(home.path("audit.log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

/// Operation and outcome of every line.
fn told(home: &Home) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines(home).iter().map(|line| (text(&line["operation"]), text(&line["outcome"]))).collect()
}

fn as_text(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

/// A folder where the log should be: it cannot be opened.
fn take_log_away(home: &Home) {
    let path = home.path("audit.log");
    std::fs::rename(&path, home.path("audit.old")).expect("it was there");
    std::fs::create_dir(&path).expect("a directory in the way");
}

#[test]
fn every_key_operation_has_its_line() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    keyring.rename_namespace(&Actor::SERVICE, id, "other").expect("renamed");
    keyring.rotate(&Actor::SERVICE, id).expect("rotated");
    keyring.revoke(&Actor::SERVICE, id, 1).expect("revoked");
    keyring.destroy(&Actor::SERVICE, id, 1).expect("destroyed");
    keyring.rotate_root(&Actor::SERVICE, &[]).expect("rotated");
    keyring.rekey(&[], &SealChoice::Shares { threshold: 2, count: 3 }).expect("shares");
    keyring.seal(&Actor::SERVICE).expect("sealed");
    let expected = as_text(&[
        ("init", "done"),
        ("create-namespace", "done"),
        ("rename-namespace", "done"),
        ("rotate", "done"),
        ("revoke", "done"),
        ("destroy", "done"),
        ("rotate-root", "done"),
        ("rekey", "done"),
        ("seal", "done"),
    ]);
    assert_eq!(told(&home), expected);
    let lines = lines(&home);
    assert_eq!(lines[3]["version"], 2);
    assert_eq!(lines[7]["detail"], "shares, 2 of 3");
    assert!(lines[1..6].iter().all(|line| line["namespace"] == id.to_string()));
}

#[test]
fn every_refused_operation_has_its_line_with_the_reason() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let refused: [(&str, Result<(), KeyringError>); 7] = [
        ("init", keyring.init(&Actor::SERVICE, &SealChoice::File).map(drop)),
        ("create-namespace", keyring.create_namespace(&Actor::SERVICE, "first").map(drop)),
        ("rename-namespace", keyring.rename_namespace(&Actor::SERVICE, id, "")),
        ("rotate", keyring.rotate(&Actor::SERVICE, NamespaceId([0; 16])).map(drop)),
        ("revoke", keyring.revoke(&Actor::SERVICE, id, 1)),
        ("destroy", keyring.destroy(&Actor::SERVICE, id, 9)),
        ("unseal", keyring.unseal(&Actor::SERVICE, b"anything").map(drop)),
    ];
    let lines = &lines(&home)[2..];
    assert_eq!(lines.len(), refused.len());
    for ((operation, result), line) in refused.iter().zip(lines) {
        let error = result.as_ref().expect_err("it cannot be");
        assert_eq!(
            (&line["operation"], &line["outcome"]),
            (&(*operation).into(), &"refused".into())
        );
        assert_eq!(line["reason"], error.to_string());
    }
}

#[test]
fn what_the_generator_refuses_is_never_said_to_be_done() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    home.generator.halt("a test".into());
    keyring.delete_namespace(&Actor::SERVICE, id).expect_err("it needs a nonce");
    assert_eq!(told(&home)[2..], as_text(&[("delete-namespace", "refused")]));
}

#[test]
fn nothing_secret_and_no_title_is_in_the_log() {
    let home = Home::new();
    let keyring = home.load().expect("nothing there");
    let shares = keyring
        .init(&Actor::SERVICE, &SealChoice::Shares { threshold: 2, count: 2 })
        .expect("made");
    keyring.create_namespace(&Actor::SERVICE, "a telling title").expect("made");
    keyring.create_namespace(&Actor::SERVICE, "a telling title").expect_err("taken");
    keyring.seal(&Actor::SERVICE).expect("sealed");
    let texts: Vec<_> = shares.iter().map(|share| share.text().to_string()).collect();
    for text in &texts {
        keyring.unseal(&Actor::SERVICE, text.as_bytes()).expect("a share");
    }
    keyring.rekey(&[], &SealChoice::File).expect_err("no proof");
    let log = std::fs::read_to_string(home.path("audit.log")).expect("the log");
    assert!(!log.contains("telling"));
    assert!(texts.iter().all(|text| !log.contains(text.as_str())));
    assert!(log.contains("share 1 of 2"), "{log}");
}

#[test]
fn without_the_log_no_keyring_is_made_or_opened() {
    let home = Home::new();
    let log = home.path("audit.log");
    let keyring = home.load().expect("nothing there");
    std::fs::create_dir(&log).expect("a directory in the way");
    let error =
        keyring.init(&Actor::SERVICE, &SealChoice::File).expect_err("the log cannot be opened");
    assert!(matches!(error, KeyringError::Audit(_)) && error.to_string().contains("audit.log"));
    assert!(!home.path("keyring").exists(), "nothing was made");
    std::fs::remove_dir(&log).expect("out of the way");
    home.init();
    take_log_away(&home);
    let keyring = home.load().expect("a keyring");
    assert!(matches!(keyring.unseal_stored(&Actor::SERVICE), Err(KeyringError::Audit(_))));
    assert_eq!(keyring.condition(), Condition::Sealed(SealKind::File));
    std::fs::remove_dir(&log).expect("out of the way");
    assert!(keyring.unseal_stored(&Actor::SERVICE).expect("the log can be written again"));
}

#[test]
fn without_the_log_shares_open_nothing() {
    let home = Home::new();
    let keyring = home.load().expect("nothing there");
    let shares = keyring
        .init(&Actor::SERVICE, &SealChoice::Shares { threshold: 2, count: 2 })
        .expect("made");
    keyring.seal(&Actor::SERVICE).expect("sealed");
    keyring.unseal(&Actor::SERVICE, shares[0].text().as_bytes()).expect("a share");
    take_log_away(&home);
    let result = keyring.unseal(&Actor::SERVICE, shares[1].text().as_bytes());
    assert!(matches!(result, Err(KeyringError::Audit(_))), "{result:?}");
    assert_eq!(keyring.condition(), Condition::Sealed(SealKind::Shares));
}

/// The results of every change of an unsealed keyring that has this namespace.
fn changes(keyring: &Keyring, id: NamespaceId) -> [Result<(), KeyringError>; 5] {
    [
        keyring.rotate(&Actor::SERVICE, id).map(drop),
        keyring.create_namespace(&Actor::SERVICE, "second").map(drop),
        keyring.delete_namespace(&Actor::SERVICE, id),
        keyring.rotate_root(&Actor::SERVICE, &[]),
        keyring.rekey(&[], &SealChoice::File).map(drop),
    ]
}

#[test]
fn an_open_keyring_changes_nothing_without_the_log_and_can_still_be_sealed() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let before = home.file();
    take_log_away(&home);
    for result in changes(&keyring, id) {
        assert!(matches!(result, Err(KeyringError::Audit(_))), "{result:?}");
    }
    assert_eq!(home.file(), before);
    assert!(keyring.namespace_keys(id).is_ok(), "what is open stays open");
    assert!(matches!(keyring.seal(&Actor::SERVICE), Err(KeyringError::Audit(_))));
    assert_eq!(keyring.condition(), Condition::Sealed(SealKind::File), "sealed all the same");
}

#[test]
fn an_operation_that_fails_after_its_line_has_another_line() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    // A draft that cannot be opened simulates a full disk.
    std::fs::create_dir(home.path("keyring.new")).expect("a directory in the way");
    keyring.rotate(&Actor::SERVICE, id).expect_err("it cannot be written");
    assert_eq!(told(&home)[2..], as_text(&[("rotate", "done"), ("rotate", "failed")]));
}

#[test]
fn without_its_anchor_no_key_is_changed_and_what_failed_in_between_is_told_as_incomplete() {
    let (generator, hook) = hooked();
    let home = Home { generator: Arc::new(generator), ..Home::anchored() };
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let (file, in_the_way) = (home.file(), home.path("anchor.new"));
    std::fs::create_dir(&in_the_way).expect("a directory in the way");
    for result in changes(&keyring, id) {
        assert!(matches!(result, Err(KeyringError::Anchor(_))), "{result:?}");
    }
    assert_eq!(home.file(), file);
    std::fs::remove_dir(&in_the_way).expect("out of the way");
    // Now it fails after the keyring's last draw, and before the anchor is written.
    let path = in_the_way.clone();
    let fail = move || std::fs::create_dir(path).expect("a directory in the way");
    *hook.lock() = Some(Box::new(fail));
    let renamed = keyring.rename_namespace(&Actor::SERVICE, id, "other");
    assert!(matches!(renamed, Err(KeyringError::Incomplete(_))), "{renamed:?}");
    assert_eq!(told(&home).last().expect("a line").1, "incomplete");
    assert_eq!(keyring.namespaces().expect("open")[0].title, "other", "it is done all the same");
    assert!(keyring.anchor_commits(0).is_err(), "it is tried again");
    std::fs::remove_dir(&in_the_way).expect("out of the way");
    keyring.anchor_commits(0).expect("written");
    std::fs::write(home.path("keyring"), file).expect("put back");
    let opened = home.load().expect("a keyring").unseal_stored(&Actor::SERVICE);
    assert!(matches!(opened, Err(KeyringError::Anchor(AnchorError::RolledBack { .. }))));
}

/// Takes this many lines from the end of the log.
fn cut(home: &Home, lines: usize) {
    let text = std::fs::read_to_string(home.path("audit.log")).expect("the log");
    let kept = text.lines().count() - lines;
    let kept: String = text.split_inclusive('\n').take(kept).collect();
    std::fs::write(home.path("audit.log"), kept).expect("written");
}

fn findings(keyring: &Keyring) -> String {
    keyring.audit_findings().expect("the log").join("\n")
}

#[test]
fn a_log_that_lacks_the_line_of_the_last_change_is_noticed_when_the_keyring_is_opened() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    keyring.rotate(&Actor::SERVICE, id).expect("rotated");
    assert_eq!(findings(&home.reopen()), "", "three lines, and that of this opening");
    cut(&home, 2);
    let again = home.reopen();
    let said = findings(&again);
    assert!(said.contains("line 3, with head") && said.contains("missing"), "{said}");
    assert!(again.namespace_keys(id).is_ok(), "nobody is locked out");
    let expected = as_text(&[("audit-log", "missing"), ("unseal", "done")]);
    assert_eq!(told(&home)[2..], expected);
    assert!(findings(&home.reopen()).contains("missing"), "as long as no key was changed since");
    home.reopen().rotate(&Actor::SERVICE, id).expect("rotated");
    assert_eq!(findings(&home.reopen()), "");
}

#[test]
fn a_log_that_was_written_anew_or_moved_away_is_noticed_too() {
    let home = Home::new();
    let keyring = home.init();
    keyring.create_namespace(&Actor::SERVICE, "first").expect("made");
    let text = std::fs::read_to_string(home.path("audit.log")).expect("the log");
    // Another last line, bound to the one before as it should be.
    let other = text.replace("create-namespace", "delete-namespace");
    std::fs::write(home.path("audit.log"), other).expect("written");
    assert!(findings(&home.reopen()).contains("line 2"));
    std::fs::remove_file(home.path("audit.log")).expect("removed");
    assert!(findings(&home.reopen()).contains("line 2"));
    assert_eq!(lines(&home)[0]["sequence"], 1);
    std::fs::write(home.path("audit.log"), text).expect("put back");
    assert_eq!(findings(&home.reopen()), "");
}

#[test]
fn a_log_that_knows_more_than_the_keyring_raises_no_alarm() {
    let home = Home::new();
    let keyring = home.init();
    let before = home.file();
    keyring.create_namespace(&Actor::SERVICE, "first").expect("made");
    // As after a crash between the line and the keyring.
    std::fs::write(home.path("keyring"), before).expect("put back");
    assert_eq!(findings(&home.reopen()), "");
}

#[test]
fn a_keyring_of_format_1_opens_and_is_bound_to_the_log_with_its_next_change() {
    let home = Home::new();
    let keyring = home.init();
    let id = keyring.create_namespace(&Actor::SERVICE, "first").expect("made").id;
    let old = match &*keyring.state.read() {
        KeyringState::Unsealed(open) => {
            let keyset = Keyset { logged: None, ..open.keyset.clone() };
            let head = KeyringHeader { format: 1, ..open.head.clone() };
            head.seal_keyset(&keyset.write(), &open.root, &home.generator).expect("seeded").0
        }
        _ => panic!("it is open"),
    };
    std::fs::write(home.path("keyring"), old).expect("written");
    cut(&home, 1);
    let again = home.reopen();
    assert_eq!(findings(&again), "", "it does not know");
    again.rotate(&Actor::SERVICE, id).expect("rotated");
    cut(&home, 1);
    let again = home.reopen();
    assert!(findings(&again).contains("missing"));
    assert_eq!(key_of(&again, id, 1), key_of(&keyring, id, 1));
}
