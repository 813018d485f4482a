//! The dialect of AWS KMS over the served program. Requests are signed here by the same published rules, by other
//! code; real clients are in `tests/clients`.

use std::borrow::Borrow;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use data_encoding::{BASE64, HEXLOWER};
use ring::{digest, hmac};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::TWO_KINDS;
use crate::clock::shifted;
use crate::running::{Answer, Running, get};

/// An access key of a tenant.
pub(crate) struct AccessKey {
    id: String,
    secret: String,
}

impl AccessKey {
    /// Another one of a tenant that is there.
    pub(crate) fn of(service: &Running, tenant: &str) -> Self {
        Self::of_lines(&service.done(&["tenant", "token", tenant, "--aws"], ""))
    }

    /// That of the two lines that the command prints.
    fn of_lines(text: &str) -> Self {
        let line = |name: &str| {
            let mut values = text.lines().filter_map(|line| line.strip_prefix(name));
            values.next().expect("a line of it").to_owned()
        };
        let key = Self { id: line("AWS_ACCESS_KEY_ID="), secret: line("AWS_SECRET_ACCESS_KEY=") };
        assert_eq!(text.lines().count(), 2);
        key
    }

    /// One of a new tenant that may do this.
    pub(crate) fn of_new(service: &Running, tenant: &str, allow: &[&str]) -> Self {
        let allow: Vec<_> = allow.iter().flat_map(|it| ["--allow", *it]).collect();
        service.done(&[&["tenant", "create", tenant], &allow[..]].concat(), "");
        Self::of(service, tenant)
    }
}

pub(crate) const EVERYTHING: [&str; 3] = ["random", "keys:use:*", "keys:manage:*"];

/// What is signed, and what is sent instead where that is said.
pub(crate) struct Sent<'a> {
    operation: &'a str,
    body: String,
    date: String,
    more_headers: &'a str,
    other_body: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Sent<'a> {
    pub(crate) fn new(operation: &'a str, body: &Value) -> Self {
        let date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        Self {
            operation,
            body: body.to_string(),
            date,
            more_headers: "",
            other_body: None,
            signature: None,
        }
    }

    fn by(&self, service: &Running, key: &AccessKey) -> Answer {
        self.over(service.connect(), key)
    }

    pub(crate) fn over(&self, mut stream: impl Read + Write, key: &AccessKey) -> Answer {
        let (target, date) = (format!("TrentService.{}", self.operation), &self.date);
        let hash =
            |text: &str| HEXLOWER.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        let names = "content-type;host;x-amz-date;x-amz-target";
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:localhost\nx-amz-date:{date}\n\
             x-amz-target:{target}\n\n{names}\n{}",
            hash(&self.body)
        );
        let scope = format!("{}/lavawall/kms/aws4_request", &date[..8]);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(&canonical));
        let mac = |key: &[u8], text: &str| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
        };
        let mut signing = format!("AWS4{}", key.secret).into_bytes();
        for part in scope.split('/') {
            signing = mac(&signing, part);
        }
        let signature = HEXLOWER.encode(&mac(&signing, &text));
        let signature = self.signature.unwrap_or(&signature);
        let body = self.other_body.unwrap_or(&self.body);
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: \
             application/x-amz-json-1.1\r\nx-amz-date: {date}\r\nx-amz-target: {target}\r\n{}authorization: \
             AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}\r\n\
             content-length: {}\r\n\r\n{body}",
            self.more_headers,
            key.id,
            body.len()
        )
        .expect("sent");
        Answer::read(stream)
    }
}

fn parsed(answer: &Answer) -> Value {
    if answer.body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("JSON: {}", answer.text()))
}

/// A call; status and body.
pub(crate) fn call(
    service: &Running,
    key: &AccessKey,
    operation: &str,
    body: impl Borrow<Value>,
) -> (u16, Value) {
    let answer = Sent::new(operation, body.borrow()).by(service, key);
    (answer.status, parsed(&answer))
}

/// A call that succeeds.
pub(crate) fn done(
    service: &Running,
    key: &AccessKey,
    operation: &str,
    body: impl Borrow<Value>,
) -> Value {
    let (status, answer) = call(service, key, operation, body);
    assert_eq!(status, 200, "{operation}: {answer}");
    answer
}

/// The name of the error of a call.
fn refused(
    service: &Running,
    key: &AccessKey,
    operation: &str,
    body: impl Borrow<Value>,
) -> String {
    let (status, answer) = call(service, key, operation, body);
    assert_ne!(status, 200, "{operation}: {answer}");
    answer["__type"].as_str().expect("an error").to_owned()
}

pub(crate) fn new_key(service: &Running, key: &AccessKey) -> String {
    let made = done(service, key, "CreateKey", json!({}));
    made["KeyMetadata"]["KeyId"].as_str().expect("an id").to_owned()
}

fn b64(text: &str) -> String {
    BASE64.encode(text.as_bytes())
}

#[test]
fn only_a_request_that_is_signed_as_it_is_sent_and_now_is_answered() {
    let service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let body = json!({ "NumberOfBytes": 32 });
    let sent = || Sent::new("GenerateRandom", &body);
    let answer = sent().by(&service, &key);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.headers.contains("content-type: application/x-amz-json-1.1"));
    assert!(answer.headers.contains("x-amzn-requestid: "));
    let drawn = parsed(&answer)["Plaintext"].as_str().map(|text| BASE64.decode(text.as_bytes()));
    assert_eq!(drawn.expect("a text").expect("Base64").len(), 32);
    let at = |seconds: i64| {
        let now = jiff::Timestamp::now().as_second() + seconds;
        let now = jiff::Timestamp::from_second(now).expect("a time");
        now.strftime("%Y%m%dT%H%M%SZ").to_string()
    };
    let zeros = "0".repeat(64);
    let stolen = AccessKey { id: key.id.clone(), secret: "x".repeat(40) };
    let unknown = AccessKey { id: "LAVAAAAAAAAAAAAAAAAA".into(), secret: key.secret.clone() };
    let code = |sent: Sent<'_>, key: &AccessKey| {
        let answer = sent.by(&service, key);
        assert_eq!(answer.status, 400, "{}", answer.text());
        parsed(&answer)["__type"].as_str().expect("an error").to_owned()
    };
    let wrong = "InvalidSignatureException";
    assert_eq!(code(Sent { other_body: Some("{\"NumberOfBytes\":33}"), ..sent() }, &key), wrong);
    assert_eq!(code(Sent { signature: Some(&zeros), ..sent() }, &key), wrong);
    assert_eq!(code(sent(), &stolen), wrong);
    assert_eq!(code(Sent { date: at(-330), ..sent() }, &key), wrong);
    assert_eq!(code(Sent { date: at(330), ..sent() }, &key), wrong);
    assert_eq!(code(sent(), &unknown), "UnrecognizedClientException");
    let session = "x-amz-security-token: x\r\n";
    assert_eq!(code(Sent { more_headers: session, ..sent() }, &key), "UnrecognizedClientException");
    let unsigned = "x-amz-meta: x\r\n";
    assert_eq!(
        code(Sent { more_headers: unsigned, ..sent() }, &key),
        "IncompleteSignatureException"
    );
    // The secret is no bearer token, and a token signs nothing.
    for token in [&key.id, &key.secret] {
        let shown = [("authorization", format!("Bearer {token}"))];
        let shown = shown.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(service.get_with("/random", &shown).status, 401);
    }
    // Revoked, it counts no more.
    service.done(&["tenant", "token", "acme", "--revoke", "2"], "");
    assert_eq!(code(sent(), &key), "UnrecognizedClientException");
    let log = fs::read_to_string(service.state_dir().join("audit.log")).expect("a log");
    assert!(log.contains("create-access-key") && !log.contains(&key.secret));
    assert!(!service.log().contains(&key.secret));
}

#[test]
fn a_text_opens_for_its_tenant_with_its_context_and_no_change() {
    let mut service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let other = AccessKey::of_new(&service, "rival", &EVERYTHING);
    let id = new_key(&service, &key);
    let context = json!({ "for": "a test", "and": "more" });
    let sealed = done(
        &service,
        &key,
        "Encrypt",
        json!({ "KeyId": id, "Plaintext": b64("hello"), "EncryptionContext": context }),
    );
    let blob = sealed["CiphertextBlob"].as_str().expect("a text").to_owned();
    let arn = format!("arn:aws:kms:lavawall:000000000000:key/{id}");
    assert_eq!(sealed["KeyId"], arn);
    assert_eq!(sealed["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT");
    let asked = |blob: &str, context: &Value| json!({ "CiphertextBlob": blob, "EncryptionContext": context });
    let opened = done(&service, &key, "Decrypt", asked(&blob, &context));
    assert_eq!(
        (&opened["Plaintext"], &opened["KeyId"]),
        (&b64("hello").into(), &arn.clone().into())
    );
    let bytes = BASE64.decode(blob.as_bytes()).expect("Base64");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let changed = asked(&BASE64.encode(&changed), &context);
        assert_eq!(
            refused(&service, &key, "Decrypt", changed),
            "InvalidCiphertextException",
            "{at}"
        );
    }
    for context in [
        json!({}),
        json!({ "for": "a test" }),
        json!({ "for": "a tesu", "and": "more" }),
        json!({ "fos": "a test", "and": "more" }),
        json!({ "for": "more", "and": "a test" }),
    ] {
        let refused = refused(&service, &key, "Decrypt", asked(&blob, &context));
        assert_eq!(refused, "InvalidCiphertextException", "{context}");
    }
    // Of another tenant nothing is known.
    let code = refused(&service, &other, "Decrypt", asked(&blob, &context));
    assert_eq!(code, "InvalidCiphertextException");
    for named in [id.as_str(), arn.as_str()] {
        let code = refused(&service, &other, "DescribeKey", json!({ "KeyId": named }));
        assert_eq!(code, "NotFoundException");
    }
    assert_eq!(done(&service, &other, "ListKeys", json!({}))["Keys"], json!([]));
    let another = new_key(&service, &key);
    let mut named = asked(&blob, &context);
    named["KeyId"] = another.as_str().into();
    assert_eq!(refused(&service, &key, "Decrypt", named), "IncorrectKeyException");
    let moved = done(
        &service,
        &key,
        "ReEncrypt",
        json!({ "CiphertextBlob": blob, "SourceEncryptionContext": context, "DestinationKeyId": another }),
    );
    let opened = done(
        &service,
        &key,
        "Decrypt",
        asked(moved["CiphertextBlob"].as_str().expect("one"), &json!({})),
    );
    assert_eq!(opened["Plaintext"], b64("hello"));
    // A rotation seals with a new version, and the old one opens; so it is after a kill.
    done(&service, &key, "RotateKeyOnDemand", json!({ "KeyId": id }));
    service.signal(Signal::KILL);
    service.wait();
    service.start_again();
    service.wait_until("the tenants", |service| {
        call(service, &key, "Decrypt", asked(&blob, &context)).0 == 200
    });
}

#[test]
fn keys_have_the_states_aliases_and_permissions_of_their_interface() {
    let service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let id = new_key(&service, &key);
    let encrypt = |named: &str| json!({ "KeyId": named, "Plaintext": b64("x") });
    done(&service, &key, "CreateAlias", json!({ "AliasName": "alias/app", "TargetKeyId": id }));
    let again = json!({ "AliasName": "alias/app", "TargetKeyId": id });
    assert_eq!(refused(&service, &key, "CreateAlias", again), "AlreadyExistsException");
    for named in [
        "alias/app".to_owned(),
        "arn:aws:kms:lavawall:000000000000:alias/app".to_owned(),
        format!("arn:aws:kms:lavawall:000000000000:key/{id}"),
    ] {
        done(&service, &key, "Encrypt", encrypt(&named));
    }
    for named in ["alias/none", "none", "arn:aws:kms:else:000000000000:alias/app"] {
        assert_eq!(
            refused(&service, &key, "Encrypt", encrypt(named)),
            "NotFoundException",
            "{named}"
        );
    }
    let listed = done(&service, &key, "ListAliases", json!({}));
    assert_eq!(listed["Aliases"][0]["AliasName"], "alias/app");
    assert_eq!(listed["Aliases"][0]["TargetKeyId"], id.as_str());
    let other = new_key(&service, &key);
    done(&service, &key, "UpdateAlias", json!({ "AliasName": "alias/app", "TargetKeyId": other }));
    let described = done(&service, &key, "DescribeKey", json!({ "KeyId": "alias/app" }));
    assert_eq!(described["KeyMetadata"]["KeyId"], other.as_str());
    done(&service, &key, "DeleteAlias", json!({ "AliasName": "alias/app" }));
    assert_eq!(refused(&service, &key, "Encrypt", encrypt("alias/app")), "NotFoundException");
    // Pages.
    let first = done(&service, &key, "ListKeys", json!({ "Limit": 1 }));
    assert_eq!(
        (&first["Truncated"], first["Keys"].as_array().map(Vec::len)),
        (&true.into(), Some(1))
    );
    let rest = done(&service, &key, "ListKeys", json!({ "Marker": first["NextMarker"] }));
    assert_eq!(
        (&rest["Truncated"], rest["Keys"].as_array().map(Vec::len)),
        (&false.into(), Some(1))
    );
    // States.
    service.done(&["clock", "--confirm"], "");
    done(&service, &key, "DisableKey", json!({ "KeyId": id }));
    assert_eq!(refused(&service, &key, "Encrypt", encrypt(&id)), "DisabledException");
    done(&service, &key, "EnableKey", json!({ "KeyId": id }));
    done(&service, &key, "Encrypt", encrypt(&id));
    let week = json!({ "KeyId": id, "PendingWindowInDays": 7 });
    let scheduled = done(&service, &key, "ScheduleKeyDeletion", week.clone());
    assert_eq!(scheduled["KeyState"], "PendingDeletion");
    assert_eq!(refused(&service, &key, "Encrypt", encrypt(&id)), "KMSInvalidStateException");
    assert_eq!(
        refused(&service, &key, "EnableKey", json!({ "KeyId": id })),
        "KMSInvalidStateException"
    );
    done(&service, &key, "CancelKeyDeletion", json!({ "KeyId": id }));
    assert_eq!(refused(&service, &key, "Encrypt", encrypt(&id)), "DisabledException");
    let short = json!({ "KeyId": id, "PendingWindowInDays": 6 });
    assert_eq!(refused(&service, &key, "ScheduleKeyDeletion", short), "ValidationException");
    // Rotation by age.
    done(&service, &key, "EnableKeyRotation", json!({ "KeyId": id, "RotationPeriodInDays": 90 }));
    let status = done(&service, &key, "GetKeyRotationStatus", json!({ "KeyId": id }));
    assert_eq!(
        (&status["KeyRotationEnabled"], &status["RotationPeriodInDays"]),
        (&true.into(), &90.into())
    );
    done(&service, &key, "DisableKeyRotation", json!({ "KeyId": id }));
    let status = done(&service, &key, "GetKeyRotationStatus", json!({ "KeyId": id }));
    assert_eq!(status["KeyRotationEnabled"], false);
    // What a tenant may not do.
    service.done(&["tenant", "permit", "acme", "--deny", "keys:manage:*", "--deny", "random"], "");
    for (operation, body) in [
        ("CreateKey", json!({})),
        ("DisableKey", json!({ "KeyId": other })),
        ("ScheduleKeyDeletion", json!({ "KeyId": other })),
        ("CreateAlias", json!({ "AliasName": "alias/b", "TargetKeyId": other })),
        ("EnableKeyRotation", json!({ "KeyId": other })),
        ("RotateKeyOnDemand", json!({ "KeyId": other })),
        ("UpdateKeyDescription", json!({ "KeyId": other, "Description": "x" })),
        ("GenerateRandom", json!({ "NumberOfBytes": 1 })),
    ] {
        assert_eq!(
            refused(&service, &key, operation, body),
            "AccessDeniedException",
            "{operation}"
        );
    }
    let data_key = json!({ "KeyId": other, "KeySpec": "AES_256" });
    done(&service, &key, "GenerateDataKey", data_key.clone());
    service.done(&["tenant", "permit", "acme", "--deny", "keys:use:*"], "");
    for (operation, body) in [
        ("Encrypt", encrypt(&other)),
        ("GenerateDataKey", data_key.clone()),
        ("GenerateDataKeyWithoutPlaintext", data_key),
        ("DescribeKey", json!({ "KeyId": other })),
    ] {
        assert_eq!(
            refused(&service, &key, operation, body),
            "AccessDeniedException",
            "{operation}"
        );
    }
    assert_eq!(done(&service, &key, "ListKeys", json!({}))["Keys"], json!([]));
}

#[test]
fn errors_are_those_of_aws() {
    let service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let id = new_key(&service, &key);
    let hmac = done(
        &service,
        &key,
        "CreateKey",
        json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" }),
    );
    let hmac = hmac["KeyMetadata"]["KeyId"].as_str().expect("an id").to_owned();
    let long = BASE64.encode(&[7; 4097]);
    let context = json!({ "k": "x".repeat(8200) });
    for (operation, body, code, said) in [
        ("GenerateRandom", json!({}), "ValidationException", "NumberOfBytes is required."),
        (
            "GenerateRandom",
            json!({ "NumberOfBytes": 1025 }),
            "ValidationException",
            "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: \
             Member must have value less than or equal to 1024",
        ),
        ("GenerateRandom", json!({ "NumberOfBytes": "x" }), "SerializationException", ""),
        ("GenerateRandom", json!([1]), "SerializationException", ""),
        ("Nothing", json!({}), "UnknownOperationException", ""),
        ("Encrypt", json!({ "KeyId": id, "Plaintext": long }), "ValidationException", "4096"),
        ("Encrypt", json!({ "KeyId": id, "Plaintext": "" }), "ValidationException", "'plaintext'"),
        ("Encrypt", json!({ "KeyId": id }), "ValidationException", "Member must not be null"),
        ("Encrypt", json!({ "Plaintext": "eA==" }), "ValidationException", "'keyId'"),
        ("Encrypt", json!({ "KeyId": hmac, "Plaintext": "eA==" }), "InvalidKeyUsageException", ""),
        (
            "Encrypt",
            json!({ "KeyId": id, "Plaintext": "eA==", "EncryptionContext": context }),
            "ValidationException",
            "'encryptionContext'",
        ),
        (
            "Encrypt",
            json!({ "KeyId": id, "Plaintext": "eA==", "DryRun": true }),
            "DryRunOperationException",
            "DryRun",
        ),
        ("Decrypt", json!({ "CiphertextBlob": "eA==" }), "InvalidCiphertextException", ""),
        ("GenerateDataKey", json!({ "KeyId": id }), "ValidationException", "Please specify either"),
        (
            "GenerateDataKey",
            json!({ "KeyId": id, "KeySpec": "AES_256", "NumberOfBytes": 32 }),
            "ValidationException",
            "Please specify either",
        ),
        (
            "GenerateMac",
            json!({ "KeyId": hmac, "Message": "eA==", "MacAlgorithm": "HMAC_SHA_512" }),
            "ValidationException",
            "HMAC_SHA_256",
        ),
        (
            "GenerateMac",
            json!({ "KeyId": id, "Message": "eA==", "MacAlgorithm": "HMAC_SHA_256" }),
            "InvalidKeyUsageException",
            "",
        ),
        ("CreateKey", json!({ "KeySpec": "RSA_2048" }), "ValidationException", "'RSA_2048'"),
        ("CreateKey", json!({ "KeyUsage": "SIGN_VERIFY" }), "ValidationException", ""),
        ("CreateKey", json!({ "Policy": "{}" }), "UnsupportedOperationException", "Policy"),
        ("CreateKey", json!({ "Tags": [{}] }), "UnsupportedOperationException", "Tags"),
        (
            "CreateAlias",
            json!({ "AliasName": "app", "TargetKeyId": id }),
            "ValidationException",
            "",
        ),
        (
            "CreateAlias",
            json!({ "AliasName": "alias/aws/x", "TargetKeyId": id }),
            "ValidationException",
            "",
        ),
        ("ListKeys", json!({ "Limit": 0 }), "ValidationException", "'limit'"),
    ] {
        let (status, answer) = call(&service, &key, operation, body);
        assert_eq!((status, &answer["__type"]), (400, &code.into()), "{operation}: {answer}");
        let message = answer["message"].as_str().expect("a text");
        assert!(message.contains(said), "{operation}: {message}");
    }
    let asked = json!({ "KeyId": hmac, "Message": b64("m"), "MacAlgorithm": "HMAC_SHA_256" });
    let mac = done(&service, &key, "GenerateMac", asked.clone());
    let verify = |mac: &str, message: &str| json!({ "KeyId": hmac, "Message": b64(message), "MacAlgorithm": "HMAC_SHA_256", "Mac": mac });
    let mac = mac["Mac"].as_str().expect("a text");
    assert_eq!(done(&service, &key, "VerifyMac", verify(mac, "m"))["MacValid"], true);
    assert_eq!(refused(&service, &key, "VerifyMac", verify(mac, "n")), "KMSInvalidMacException");
    // A body that is longer than any operation takes.
    let large = json!({ "Description": "x".repeat(70_000) });
    let (status, answer) = call(&service, &key, "CreateKey", large);
    assert_eq!((status, &answer["__type"]), (413, &"RequestEntityTooLarge".into()));
}

#[test]
fn limits_of_the_tenant_hold_and_its_use_is_counted() {
    let service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let id = new_key(&service, &key);
    let random = |bytes: u32| json!({ "NumberOfBytes": bytes });
    done(&service, &key, "GenerateRandom", random(100));
    done(&service, &key, "Encrypt", json!({ "KeyId": id, "Plaintext": "eA==" }));
    let usage = crate::tenants::usage(&service, "acme");
    let used = &usage["total"]["aws-kms"];
    assert_eq!(
        (&used["requests"], &used["bytes"], &used["key_uses"]),
        (&3.into(), &100.into(), &1.into())
    );
    service.done(&["tenant", "limit", "acme", "--bytes", "150/day", "--key-uses", "1/day"], "");
    assert_eq!(refused(&service, &key, "GenerateRandom", random(51)), "LimitExceededException");
    done(&service, &key, "GenerateRandom", random(50));
    let encrypt = json!({ "KeyId": id, "Plaintext": "eA==" });
    assert_eq!(refused(&service, &key, "Encrypt", encrypt), "LimitExceededException");
    service.done(&["tenant", "limit", "acme", "--rate", "1/h"], "");
    let mut codes = (0..3).map(|_| call(&service, &key, "ListKeys", json!({})));
    let throttled = codes.find(|(status, _)| *status != 200).expect("the second");
    assert_eq!((throttled.0, &throttled.1["__type"]), (400, &"ThrottlingException".into()));
    // A wrong signature is not charged to the tenant whose id it shows.
    service.done(&["tenant", "limit", "acme", "--rate", "1000/h", "--burst", "2"], "");
    let stolen = AccessKey { id: key.id.clone(), secret: "x".repeat(40) };
    for _ in 0..10 {
        assert_eq!(refused(&service, &stolen, "ListKeys", json!({})), "InvalidSignatureException");
    }
    done(&service, &key, "ListKeys", json!({}));
}

#[test]
fn no_body_of_a_stranger_is_waited_for() {
    let service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let unknown = AccessKey { id: "LAVAAAAAAAAAAAAAAAAA".into(), secret: key.secret.clone() };
    // As many as would take all memory for the bodies of calls.
    let streams: Vec<_> = (0..64).map(|_| service.connect()).collect();
    for mut stream in &streams {
        let date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-date: {date}\r\nx-amz-target: \
             TrentService.ListKeys\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={}/{}/lavawall/kms/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target, Signature={}\r\ncontent-length: 65536\r\n\r\n",
            unknown.id,
            &date[..8],
            "0".repeat(64)
        )
        .expect("sent");
    }
    for mut stream in &streams {
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("an answer without its body");
        assert_eq!(&start, b"HTTP/1.1 400");
    }
    done(&service, &key, "CreateKey", json!({}));
}

#[test]
fn the_keys_of_another_interface_are_not_there() {
    let service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let id = new_key(&service, &key);
    let token = service.done(&["tenant", "token", "acme"], "").trim().to_owned();
    let vault = |method: &str, path: &str, body: &str| {
        crate::vault::call(&service, &token, method, path, body).0
    };
    assert_eq!(vault("GET", &format!("transit/keys/{id}"), ""), 404);
    assert_eq!(vault("POST", "transit/keys/mine", "{}"), 200);
    assert_eq!(vault("LIST", "transit/keys", ""), 200);
    let code = refused(&service, &key, "Encrypt", json!({ "KeyId": "mine", "Plaintext": "eA==" }));
    assert_eq!(code, "NotFoundException");
    // One of the same name is another key.
    assert_eq!(vault("POST", &format!("transit/keys/{id}"), "{}"), 200);
    let listed = done(&service, &key, "ListKeys", json!({}));
    assert_eq!(listed["Keys"].as_array().map(Vec::len), Some(1));
    assert!(service.done(&["keys"], "").contains(&format!("aws-kms acme/{id}")));
}

#[test]
fn a_sealed_keyring_is_a_503_and_random_bytes_go_on() {
    let service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let id = new_key(&service, &key);
    service.done(&["seal"], "");
    let answer =
        Sent::new("Encrypt", &json!({ "KeyId": id, "Plaintext": "eA==" })).by(&service, &key);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(parsed(&answer)["__type"], "ServiceUnavailableException");
    assert!(answer.headers.contains("retry-after: "));
    done(&service, &key, "GenerateRandom", json!({ "NumberOfBytes": 16 }));
    assert_eq!(get(&service, "/random").status, 200);
}

#[test]
fn a_key_is_destroyed_once_its_window_is_over_and_not_before() {
    let mut service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let (gone, kept) = (new_key(&service, &key), new_key(&service, &key));
    done(&service, &key, "CreateAlias", json!({ "AliasName": "alias/gone", "TargetKeyId": gone }));
    service.done(&["clock", "--confirm"], "");
    for (id, days) in [(&gone, 7), (&kept, 9)] {
        let body = json!({ "KeyId": id, "PendingWindowInDays": days });
        done(&service, &key, "ScheduleKeyDeletion", body);
    }
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    let shift = service.folder().join("shift");
    fs::write(&shift, "+8d").expect("written");
    service.start_again_with(shifted(&shift));
    // Until then the clock is in doubt: nothing is destroyed, and no time for it is set.
    assert!(!service.log().contains("keys were destroyed"));
    let mut schedule = Sent::new("ScheduleKeyDeletion", &json!({ "KeyId": kept }));
    let then = jiff::Timestamp::now().as_second() + 8 * 24 * 60 * 60;
    let then = jiff::Timestamp::from_second(then).expect("a time");
    schedule.date = then.strftime("%Y%m%dT%H%M%SZ").to_string();
    let refused_now = schedule.by(&service, &key);
    assert_eq!(refused_now.status, 503, "{}", refused_now.text());
    service.done(&["clock", "--confirm"], "");
    service.wait_for_log("1 keys were destroyed that their owners had scheduled");
    service.signal(Signal::TERM);
    assert_eq!(service.wait(), 0);
    service.start_again();
    service.wait_until("the tenants", |service| {
        call(service, &key, "DescribeKey", json!({ "KeyId": kept })).0 == 200
    });
    for named in [gone.as_str(), "alias/gone"] {
        let code = refused(&service, &key, "DescribeKey", json!({ "KeyId": named }));
        assert_eq!(code, "NotFoundException");
    }
    done(&service, &key, "CancelKeyDeletion", json!({ "KeyId": kept }));
    assert_eq!(done(&service, &key, "ListAliases", json!({}))["Aliases"], json!([]));
}

#[test]
fn the_keys_and_aliases_of_a_tenant_go_with_it() {
    let service = Running::start(TWO_KINDS);
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let id = new_key(&service, &key);
    done(&service, &key, "CreateAlias", json!({ "AliasName": "alias/app", "TargetKeyId": id }));
    service.done(&["tenant", "remove", "acme", "--shred"], "");
    let again = AccessKey::of_new(&service, "acme", &EVERYTHING);
    assert_eq!(done(&service, &again, "ListAliases", json!({}))["Aliases"], json!([]));
    assert_eq!(done(&service, &again, "ListKeys", json!({}))["Keys"], json!([]));
    assert_eq!(refused(&service, &key, "ListKeys", json!({})), "UnrecognizedClientException");
}

#[test]
fn a_listener_serves_it_and_the_tenant_or_not_and_its_page_is_another_interface() {
    let listener = |more: &str| format!("[[listen]]\naddress = \"127.0.0.1:0\"\n{more}\n");
    let configuration = [
        "[http]\nlisten = \"127.0.0.1:0\"\n",
        &listener("serves = [\"aws\"]"),
        &listener("serves = [\"random\", \"pages\"]"),
        &listener("tenants = [\"rival\"]"),
        TWO_KINDS,
    ];
    let service = Running::start(&configuration.concat());
    let key = AccessKey::of_new(&service, "acme", &EVERYTHING);
    let status = |number: usize| {
        let address = service.addresses()[number].replace("http://", "");
        let stream = TcpStream::connect(address.trim_end_matches('/')).expect("connected");
        Sent::new("ListKeys", &json!({})).over(stream, &key).status
    };
    assert_eq!([0, 1, 2, 3].map(status), [200, 200, 404, 400]);
    assert_eq!(get(&service, "/").status, 200, "without the header it is the page");
}

#[test]
fn an_access_key_counts_until_it_expires() {
    let service = Running::start(TWO_KINDS);
    service.done(&["tenant", "create", "acme"], "");
    let arguments = ["tenant", "token", "acme", "--aws", "--expires-in", "3s", "--note", "short"];
    let key = AccessKey::of_lines(&service.done(&arguments, ""));
    service.wait_until("the expiry", |service| {
        let (status, answer) = call(service, &key, "ListKeys", json!({}));
        let is_expired = answer["__type"] == "UnrecognizedClientException";
        assert!(is_expired || status == 200, "{answer}");
        is_expired
    });
}
