//! Exports and imports: what is in the file, who can open it, and what a damaged one does.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519::Identity;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::NAMES;
use crate::command::Kv;

/// A name, a value, a title and metadata that stand out.
const MARK: &str = "xylophone";

/// A key, and the file that holds it.
fn key(kv: &Kv, name: &str) -> (Identity, String) {
    let identity = Identity::generate();
    let path = kv.path(name);
    fs::write(&path, format!("# a key\n{}\n", identity.to_string().expose_secret()))
        .expect("written");
    (identity, path)
}

/// The records of an export, opened without any code of ours.
fn opened(file: &str, identity: &Identity) -> Vec<Value> {
    let bytes = fs::read(file).expect("an export");
    let text = age::decrypt(identity, &bytes).expect("it opens");
    let text = String::from_utf8(text).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Records of all kinds, in the namespace `from`.
fn fill(kv: &Kv) {
    kv.ok(&["namespaces", "create", "from"]);
    let bytes: Vec<u8> = (0..=255).collect();
    for name in NAMES {
        kv.ok_with(&["put", "from", name], &bytes);
    }
    kv.ok_with(&["put", "from", "empty"], b"");
    let metadata = format!(r#"{{"mark":"{MARK}"}}"#);
    kv.ok_with(&["put", "from", MARK, "--metadata", &metadata], MARK.as_bytes());
    kv.ok(&["put", "from", "later", "v", "--expires", "2099-01-01T00:00:00Z"]);
    kv.ok_with(&["put", "from", "large"], &vec![7; 3 << 20]);
}

/// All there is to see of a namespace.
fn contents(kv: &Kv, namespace: &str) -> Vec<(Value, Vec<u8>)> {
    let listed = kv.ok(&["list", namespace, "--json"]);
    let listed = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    listed
        .map(|record| {
            let value = kv.bytes(&["get", namespace, record["name"].as_str().expect("a name")]);
            (record, value)
        })
        .collect()
}

#[test]
fn an_export_goes_through_a_pipe_and_leaves_no_file_of_that_name() {
    let kv = Kv::start();
    fill(&kv);
    let (identity, key) = key(&kv, "key");
    let piped = kv.bytes(&["export", "from", "-o", "-", "--to", &identity.to_public().to_string()]);
    assert!(!std::path::Path::new("-").exists());
    kv.ok(&["namespaces", "create", "to"]);
    kv.ok_with(&["import", "to", "-", "-i", &key], &piped);
    assert_eq!(contents(&kv, "from"), contents(&kv, "to"));
    let (code, _) = kv.fails(&["import", "to", "-", "-i", &key], &piped[..piped.len() - 1]);
    assert_eq!(code, 65);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("the device");
    let recipient = identity.to_public().to_string();
    let mut export = kv.command(&["export", "from", "-o", "-", "--to", &recipient]);
    let lost = export.stdout(full).output().expect("the program");
    let said = String::from_utf8_lossy(&lost.stderr);
    assert_eq!(lost.status.code(), Some(74), "{said}");
    assert!(said.contains("No space left") && said.contains("the export is incomplete"), "{said}");
}

#[test]
fn values_that_are_too_much_for_one_answer_are_exported_in_several() {
    let kv = Kv::start();
    kv.ok(&["namespaces", "create", "from"]);
    // Three of them are more than the 25 MiB that a bulk get gives, and so are two.
    for (name, byte) in [("a", 1), ("b", 2), ("c", 3)] {
        kv.ok_with(&["put", "from", name], &vec![byte; 13 << 20]);
    }
    kv.ok(&["put", "from", "d", "small"]);
    let (identity, _) = key(&kv, "key");
    let file = kv.path("export");
    kv.ok(&["export", "from", "-o", &file, "--to", &identity.to_public().to_string()]);
    let records = opened(&file, &identity);
    let value = |record: &Value| {
        BASE64.decode(record["value"].as_str().expect("text").as_bytes()).expect("base64")
    };
    let found: Vec<_> = records.iter().map(|it| (it["key"].clone(), value(it))).collect();
    let large = |byte| vec![byte; 13 << 20];
    let expected = [("a", large(1)), ("b", large(2)), ("c", large(3)), ("d", b"small".to_vec())];
    assert!(found == expected.map(|(name, value)| (json!(name), value)), "not what was put");
}

#[test]
fn an_export_holds_everything_and_shows_nothing() {
    let kv = Kv::start();
    fill(&kv);
    let ((one, one_file), (other, _), (third, _)) =
        (key(&kv, "one"), key(&kv, "other"), key(&kv, "third"));
    let list = kv.path("recipients");
    fs::write(&list, format!("# more\n\n{}\n", other.to_public())).expect("written");
    let file = kv.path("export");
    let to = one.to_public().to_string();
    kv.ok(&["export", "from", "-o", &file, "--to", &to, "--to-file", &list]);
    let mode = fs::metadata(&file).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let bytes = fs::read(&file).expect("there");
    let text = String::from_utf8_lossy(&bytes);
    // In clear, and in base64 however it falls.
    for mark in [MARK, "eHlsb3Bob25l", "h5bG9waG9uZ", "4eWxvcGhvbm"] {
        assert!(!text.contains(mark), "{mark}");
    }
    assert_eq!(opened(&file, &one), opened(&file, &other));
    assert_eq!(opened(&file, &one).len(), NAMES.len() + 4);
    assert!(age::decrypt(&third, &bytes).is_err());

    // There and back, twice.
    kv.ok(&["namespaces", "create", "to"]);
    for _ in 0..2 {
        kv.ok(&["import", "to", &file, "--identity", &one_file]);
        assert!(contents(&kv, "to") == contents(&kv, "from"));
    }
    // What was decrypted is what a bulk write takes.
    let clear = age::decrypt(&one, &bytes).expect("it opens");
    kv.ok(&["namespaces", "create", "bulk"]);
    kv.ok_with(&["bulk", "bulk", "put", "-"], &clear);
    assert!(contents(&kv, "bulk") == contents(&kv, "from"));
}

#[test]
fn numbers_keep_their_digits_on_every_way_in_and_out() {
    let kv = Kv::start();
    for namespace in ["n", "to"] {
        kv.ok(&["namespaces", "create", namespace]);
    }
    let numbers = r#"{"z":18446744073709551617,"d":0.1000000000000000055511151231257827}"#;
    kv.ok(&["put", "n", "put", numbers, "--metadata", &numbers.replace(',', " , ")]);
    let pairs = format!("[{{\"key\":\"bulk\",\"value\":\"1\",\"metadata\":{numbers}}}]");
    kv.ok_with(&["bulk", "n", "put", "-"], pairs.as_bytes());
    let (identity, key) = key(&kv, "key");
    let file = kv.path("export");
    kv.ok(&["export", "n", "-o", &file, "--to", &identity.to_public().to_string()]);
    kv.ok(&["import", "to", &file, "-i", &key]);
    for namespace in ["n", "to"] {
        for name in ["put", "bulk"] {
            assert_eq!(kv.ok(&["get", namespace, name, "--metadata"]), format!("{numbers}\n"));
        }
        let listed = kv.ok(&["list", namespace, "--json"]);
        assert_eq!(listed.matches(&format!(",\"metadata\":{numbers}}}\n")).count(), 2, "{listed}");
        let ask = br#"{"keys":["put"],"type":"json"}"#;
        let read = kv.ok_with(&["bulk", namespace, "get", "-"], ask);
        assert_eq!(read, format!("{{\"values\":{{\"put\":{numbers}}}}}\n"));
    }
}

#[test]
fn an_export_replaces_nothing_unasked_and_leaves_nothing_when_it_fails() {
    let kv = Kv::start();
    kv.ok(&["namespaces", "create", "from"]);
    let (identity, _) = key(&kv, "key");
    let to = identity.to_public().to_string();
    let file = kv.path("export");
    fs::write(&file, "old").expect("written");
    let (code, said) = kv.fails(&["export", "from", "-o", &file, "--to", &to], b"");
    assert_eq!(code, 73);
    assert!(said.contains("--force"), "{said}");
    assert_eq!(fs::read(&file).expect("there"), b"old");
    kv.ok(&["export", "from", "-o", &file, "--to", &to, "--force"]);
    assert!(opened(&file, &identity).is_empty());
    let new = kv.path("new");
    let secret = identity.to_string();
    for to in ["age1nobody", secret.expose_secret()] {
        let (code, said) = kv.fails(&["export", "from", "-o", &new, "--to", to], b"");
        assert_eq!(code, 64);
        assert!(!said.contains(to), "{said}");
    }
    assert_eq!(kv.fails(&["export", "from", "-o", &new], b"").0, 64, "to nobody");
    assert_eq!(kv.fails(&["export", "absent", "-o", &new, "--to", &to], b"").0, 1);
    assert!(!fs::exists(&new).expect("a folder"));
}

#[test]
fn of_a_damaged_export_only_what_stands_before_is_imported() {
    let kv = Kv::start();
    kv.ok(&["namespaces", "create", "from"]);
    let pairs = (0..20).map(|n| json!({ "key": n.to_string(), "value": "v".repeat(20_000) }));
    let pairs = Value::from(pairs.collect::<Vec<_>>()).to_string();
    kv.ok_with(&["bulk", "from", "put", "-"], pairs.as_bytes());
    let (identity, key_file) = key(&kv, "key");
    let (_, wrong_key) = key(&kv, "wrong");
    let file = kv.path("export");
    kv.ok(&["export", "from", "-o", &file, "--to", &identity.to_public().to_string()]);
    let whole = fs::read(&file).expect("there");
    let damaged = kv.path("damaged");
    let import = |namespace: &str, bytes: &[u8], key: &str| {
        kv.ok(&["namespaces", "create", namespace]);
        fs::write(&damaged, bytes).expect("written");
        let (code, said) = kv.fails(&["import", namespace, &damaged, "--identity", key], b"");
        assert_eq!(code, 65, "{said}");
        (said, kv.ok(&["list", namespace]).lines().count())
    };
    let (said, count) = import("wrong-key", &whole, &wrong_key);
    assert!(said.contains("does not open it"), "{said}");
    assert_eq!(count, 0);

    // Lines are some 26 KB and pieces 64 KiB: a change in the third piece leaves two whole ones.
    let mut flipped = whole.clone();
    flipped[3 * 65_536 - 1000] ^= 1;
    let (said, count) = import("flipped", &flipped, &key_file);
    assert_eq!(count, 4, "{said}");
    assert!(said.contains("4 records imported") && said.contains("record 5"), "{said}");

    let mut header = whole.clone();
    header[100] ^= 1;
    assert_eq!(import("header", &header, &key_file).1, 0);

    // Cut within a piece, and between two of them: the header is what comes before whole pieces.
    let stream: usize = whole.len() - header_length(&whole);
    for (namespace, left) in
        [("cut", whole.len() - 1), ("cut-between", header_length(&whole) + 16 + 2 * (65_536 + 16))]
    {
        assert!(left < header_length(&whole) + stream);
        let (said, count) = import(namespace, &whole[..left], &key_file);
        assert!(said.contains("truncated or was changed"), "{said}");
        assert!(count < 20 && said.contains(&format!("{count} records imported")), "{said}");
    }
    assert_eq!(import("text", b"no export", &key_file).1, 0);
}

/// Where the header of an age file ends: behind the line that begins with `---`.
fn header_length(file: &[u8]) -> usize {
    let mac = file.windows(5).position(|five| five == b"\n--- ").expect("a header") + 1;
    mac + file[mac..].iter().position(|byte| *byte == b'\n').expect("a line") + 1
}

#[test]
fn what_has_expired_is_skipped_and_what_is_no_record_is_refused() {
    let kv = Kv::start();
    kv.ok(&["namespaces", "create", "to"]);
    let (identity, key_file) = key(&kv, "key");
    let file = kv.path("export");
    let write = |lines: &[Value]| {
        let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
        let text = lines.join("\n") + "\n";
        let clear = age::encrypt(&identity.to_public(), text.as_bytes()).expect("encrypted");
        fs::write(&file, clear).expect("written");
    };
    write(&[
        json!({ "key": "old", "value": "", "expiration": 1000 }),
        json!({ "key": "kept", "value": "v", "expiration": 4_070_908_800_u64 }),
        json!({ "key": "plain", "value": "v" }),
    ]);
    let output = kv.run(&["import", "to", &file, "--identity", &key_file], b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("2 records imported") && said.contains("1 skipped"), "{said}");
    assert_eq!(kv.ok(&["list", "to"]), "kept\nplain\n");
    for bad in [json!({ "key": "", "value": "" }), json!({ "key": "a" }), json!("a")] {
        write(&[bad]);
        let (code, said) = kv.fails(&["import", "to", &file, "--identity", &key_file], b"");
        assert_eq!(code, 65, "{said}");
        assert!(said.contains("record 1") && said.contains("0 records imported"), "{said}");
    }
    let (code, said) = kv.fails(&["import", "to", &file, "--identity", &file], b"");
    assert_eq!(code, 64);
    assert!(said.contains("holds no age identity"), "{said}");
}

#[test]
fn an_encrypted_identity_opens_with_its_passphrase_in_armour_or_not() {
    let kv = Kv::start();
    fill(&kv);
    let (one, one_file) = key(&kv, "one");
    let (file, armoured_file) = (kv.path("export"), kv.path("export.asc"));
    kv.ok(&["export", "from", "-o", &file, "--to", &one.to_public().to_string()]);
    let mut recipient = age::scrypt::Recipient::new(SecretString::from("correct horse"));
    recipient.set_work_factor(4);
    let text = fs::read(&one_file).expect("there");
    let binary = age::encrypt(&recipient, &text).expect("encrypted");
    let armoured = age::encrypt_and_armor(&recipient, &text).expect("encrypted");
    kv.ok(&["namespaces", "create", "to"]);
    for (name, bytes) in [("binary", binary.as_slice()), ("armoured", armoured.as_bytes())] {
        let path = kv.path(name);
        fs::write(&path, bytes).expect("written");
        let import = ["import", "to", &file, "-i", &path];
        let (code, err) = kv.fails(&import, b"incorrect horse\n");
        assert_eq!(code, 65, "{err}");
        assert!(err.contains("the passphrase does not open it"), "{err}");
        kv.ok_with(&import, b"correct horse\n");
        assert!(contents(&kv, "to") == contents(&kv, "from"), "{name}");
        fs::write(&path, &bytes[..bytes.len() - 20]).expect("written");
        let (code, err) = kv.fails(&import, b"correct horse\n");
        assert_eq!(code, 65, "{err}");
        assert!(err.contains("truncated or changed"), "{err}");
    }
    // Below blank lines.
    let path = kv.path("below");
    fs::write(&path, format!("\r\n\n  {armoured}")).expect("written");
    kv.ok_with(&["import", "to", &file, "-i", &path], b"correct horse\n");
    // As an editor leaves it that begins files with a byte order mark, and beside an identity of a plugin.
    let plugin = b"AGE-PLUGIN-YUBIKEY-1XYLOPHONE\n";
    fs::write(&one_file, ["\u{feff}".as_bytes(), plugin, &text].concat()).expect("written");
    // The export itself in armour.
    let mut out = age::armor::ArmoredWriter::wrap_output(
        fs::File::create(&armoured_file).expect("a file"),
        age::armor::Format::AsciiArmor,
    )
    .expect("armour");
    std::io::Write::write_all(&mut out, &fs::read(&file).expect("there")).expect("written");
    out.finish().expect("written");
    kv.ok(&["namespaces", "create", "again"]);
    kv.ok(&["import", "again", &armoured_file, "-i", &one_file]);
    assert!(contents(&kv, "again") == contents(&kv, "from"));
}

#[test]
fn an_identity_or_a_recipient_of_another_kind_is_refused_by_name() {
    let kv = Kv::start();
    fill(&kv);
    let (one, _) = key(&kv, "one");
    let (file, path) = (kv.path("export"), kv.path("other"));
    kv.ok(&["export", "from", "-o", &file, "--to", &one.to_public().to_string()]);
    let encrypted_to_a_key = age::encrypt_and_armor(&one.to_public(), b"x").expect("encrypted");
    for (content, expected) in [
        ("AGE-PLUGIN-YUBIKEY-1XYLOPHONE", "an identity of a plugin"),
        ("AGE-SECRET-KEY-PQ-1XYLOPHONE", "a post-quantum identity"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nxylophone", "SSH"),
        (one.to_public().to_string().as_str(), "a recipient (public key)"),
        (encrypted_to_a_key.as_str(), "encrypted to a key, not to a passphrase"),
        ("", "neither an identity nor a recipient"),
    ] {
        fs::write(&path, content).expect("written");
        let (_, err) = kv.fails(&["import", "from", &file, "-i", &path], b"");
        assert!(err.contains(expected), "{content}: {err}");
        assert!(!err.to_lowercase().contains(MARK), "{err}");
    }
    for (text, expected) in [
        ("age1pq1xylophone", "a post-quantum recipient"),
        ("ssh-ed25519 xylophone", "an SSH public key"),
        ("age1yubikey1xylophone", "perhaps of a plugin"),
        (one.to_string().expose_secret(), "an identity (secret key)"),
    ] {
        let (code, err) = kv.fails(&["export", "from", "-o", "-", "--to", text], b"");
        assert_eq!(code, 64, "{err}");
        assert!(err.contains(expected) && !err.to_lowercase().contains(MARK), "{err}");
        fs::write(&path, text).expect("written");
        let (_, err) = kv.fails(&["export", "from", "-o", "-", "--to-file", &path], b"");
        assert!(err.contains(expected), "{err}");
    }
}
