//! The SDK of AWS against a service of this program: the operations of AWS KMS, and its errors as variants.

use std::error::Error;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, KeySpec, KeyState, KeyUsageType, MacAlgorithmSpec};

/// Calls until a limit of one call a second is exceeded: they take a few milliseconds each.
const CALLS_MOST: usize = 1000;

/// Tries of a call that is throttled: far more than it takes at one call a second.
const TRIES_MOST: u32 = 10;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, id, secret, slow_id, slow_secret] = arguments.as_slice() else {
        panic!("URL ID SECRET SLOW-ID SLOW-SECRET")
    };
    let once = RetryConfig::disabled();
    let client = client(url, id, secret, once.clone());
    random(&client).await?;
    let key = keys(&client).await?;
    texts(&client, &key).await?;
    data_keys(&client, &key).await?;
    macs(&client).await?;
    rotation(&client, &key).await?;
    states(&client).await?;
    let wrong = self::client(url, id, &"x".repeat(40), once.clone());
    has_code("InvalidSignatureException", wrong.list_keys().send().await);
    let slow = self::client(url, slow_id, slow_secret, once);
    throttled(&slow).await;
    let patient = RetryConfig::standard().with_max_attempts(TRIES_MOST);
    let patient = self::client(url, slow_id, slow_secret, patient);
    patient.generate_random().number_of_bytes(32).send().await?;
    Ok(())
}

fn client(url: &str, id: &str, secret: &str, retries: RetryConfig) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("lavawall"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new(id, secret, None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(retries);
    Client::from_conf(config.build())
}

async fn random(client: &Client) -> Outcome {
    let made = client.generate_random().number_of_bytes(1024).send().await?;
    assert_eq!(made.plaintext().map(|bytes| bytes.as_ref().len()), Some(1024));
    let refused = client.generate_random().number_of_bytes(1025).send().await;
    has_code("ValidationException", refused);
    Ok(())
}

/// Makes a key that seals, with an alias; gives its id.
async fn keys(client: &Client) -> Result<String, Box<dyn Error>> {
    let made = client.create_key().description("a test").send().await?;
    let made = made.key_metadata.expect("the key");
    assert_eq!(made.key_state, Some(KeyState::Enabled));
    assert_eq!(made.key_usage, Some(KeyUsageType::EncryptDecrypt));
    assert_eq!(made.key_spec, Some(KeySpec::SymmetricDefault));
    assert!(made.creation_date.is_some());
    let (id, arn) = (made.key_id, made.arn.expect("a name"));
    client.update_key_description().key_id(&id).description("another").send().await?;
    let shown = client.describe_key().key_id(&arn).send().await?;
    assert_eq!(shown.key_metadata.and_then(|it| it.description).as_deref(), Some("another"));
    let pages = client.list_keys().into_paginator().items().send().collect::<Result<Vec<_>, _>>();
    let listed: Vec<_> = pages.await?.into_iter().filter_map(|key| key.key_id).collect();
    assert_eq!(listed, [id.as_str()]);

    let alias = || client.create_alias().alias_name("alias/app").target_key_id(&id);
    alias().send().await?;
    let error = failure(alias().send().await);
    assert!(error.is_already_exists_exception(), "{error:?}");
    let listed = client.list_aliases().key_id(&id).send().await?;
    assert_eq!(listed.aliases()[0].alias_name(), Some("alias/app"));
    Ok(id)
}

async fn texts(client: &Client, key: &str) -> Outcome {
    let seal = client.encrypt().key_id("alias/app").plaintext(Blob::new("hello"));
    let sealed = seal.encryption_context("for", "a test").send().await?.ciphertext_blob;
    let sealed = sealed.expect("a text");
    let open = || client.decrypt().ciphertext_blob(sealed.clone());
    let opened = open().encryption_context("for", "a test").send().await?;
    assert_eq!(opened.plaintext().map(AsRef::as_ref), Some(&b"hello"[..]));
    let error = failure(open().encryption_context("for", "another").send().await);
    assert!(error.is_invalid_ciphertext_exception(), "{error:?}");

    let other = client.create_key().send().await?.key_metadata.expect("the key").key_id;
    let moved = client
        .re_encrypt()
        .ciphertext_blob(sealed.clone())
        .source_encryption_context("for", "a test")
        .destination_key_id(&other)
        .destination_encryption_context("now", "moved");
    let moved = moved.send().await?.ciphertext_blob.expect("a text");
    let open = |key: &str| {
        let call = client.decrypt().ciphertext_blob(moved.clone()).key_id(key);
        call.encryption_context("now", "moved")
    };
    let opened = open(&other).send().await?;
    assert_eq!(opened.plaintext().map(AsRef::as_ref), Some(&b"hello"[..]));
    let error = failure(open(key).send().await);
    assert!(error.is_incorrect_key_exception(), "{error:?}");
    let error = failure(client.encrypt().key_id("missing").plaintext(Blob::new("x")).send().await);
    assert!(error.is_not_found_exception(), "{error:?}");
    Ok(())
}

async fn data_keys(client: &Client, key: &str) -> Outcome {
    let made = client.generate_data_key().key_id(key).key_spec(DataKeySpec::Aes256).send().await?;
    let shown = made.plaintext.expect("a key");
    assert_eq!(shown.as_ref().len(), 32);
    let sealed = made.ciphertext_blob.expect("a text");
    let opened = client.decrypt().ciphertext_blob(sealed).send().await?;
    assert_eq!(opened.plaintext, Some(shown));
    let made = client.generate_data_key().key_id(key).number_of_bytes(64).send().await?;
    assert_eq!(made.plaintext().map(|bytes| bytes.as_ref().len()), Some(64));
    let made = client.generate_data_key_without_plaintext().key_id(key);
    let made = made.key_spec(DataKeySpec::Aes128).send().await?;
    let opened = client.decrypt().ciphertext_blob(made.ciphertext_blob.expect("a text"));
    assert_eq!(opened.send().await?.plaintext().map(|bytes| bytes.as_ref().len()), Some(16));
    Ok(())
}

async fn macs(client: &Client) -> Outcome {
    for (spec, algorithm, bytes) in [
        (KeySpec::Hmac224, MacAlgorithmSpec::HmacSha224, 28),
        (KeySpec::Hmac256, MacAlgorithmSpec::HmacSha256, 32),
        (KeySpec::Hmac384, MacAlgorithmSpec::HmacSha384, 48),
        (KeySpec::Hmac512, MacAlgorithmSpec::HmacSha512, 64),
    ] {
        let made = client.create_key().key_spec(spec).key_usage(KeyUsageType::GenerateVerifyMac);
        let key = made.send().await?.key_metadata.expect("the key").key_id;
        let message = Blob::new("message");
        let made = client.generate_mac().key_id(&key).message(message.clone());
        let mac = made.mac_algorithm(algorithm.clone()).send().await?.mac.expect("a code");
        assert_eq!(mac.as_ref().len(), bytes);
        let verify = |mac| {
            let call = client.verify_mac().key_id(&key).message(message.clone());
            call.mac_algorithm(algorithm.clone()).mac(mac)
        };
        assert!(verify(mac.clone()).send().await?.mac_valid);
        let mut wrong = mac.into_inner();
        wrong[0] ^= 1;
        let error = failure(verify(Blob::new(wrong)).send().await);
        assert!(error.is_kms_invalid_mac_exception(), "{error:?}");
        let seal = client.encrypt().key_id(&key).plaintext(Blob::new("x")).send().await;
        let error = failure(seal);
        assert!(error.is_invalid_key_usage_exception(), "{error:?}");
    }
    Ok(())
}

async fn rotation(client: &Client, key: &str) -> Outcome {
    let seal = client.encrypt().key_id(key).plaintext(Blob::new("before")).send().await?;
    client.enable_key_rotation().key_id(key).rotation_period_in_days(90).send().await?;
    let state = client.get_key_rotation_status().key_id(key).send().await?;
    assert!(state.key_rotation_enabled);
    assert_eq!(state.rotation_period_in_days, Some(90));
    client.rotate_key_on_demand().key_id(key).send().await?;
    let opened = client.decrypt().ciphertext_blob(seal.ciphertext_blob.expect("a text"));
    assert_eq!(opened.send().await?.plaintext().map(AsRef::as_ref), Some(&b"before"[..]));
    client.disable_key_rotation().key_id(key).send().await?;
    assert!(!client.get_key_rotation_status().key_id(key).send().await?.key_rotation_enabled);
    Ok(())
}

async fn states(client: &Client) -> Outcome {
    let key = client.create_key().send().await?.key_metadata.expect("the key").key_id;
    let seal = || client.encrypt().key_id(&key).plaintext(Blob::new("x")).send();
    client.disable_key().key_id(&key).send().await?;
    let error = failure(seal().await);
    assert!(error.is_disabled_exception(), "{error:?}");
    client.enable_key().key_id(&key).send().await?;
    client.update_alias().alias_name("alias/app").target_key_id(&key).send().await?;
    let asked = client.schedule_key_deletion().key_id(&key).pending_window_in_days(7);
    let asked = asked.send().await?;
    assert_eq!(asked.key_state, Some(KeyState::PendingDeletion));
    assert!(asked.deletion_date.is_some());
    let error = failure(seal().await);
    assert!(error.is_kms_invalid_state_exception(), "{error:?}");
    client.cancel_key_deletion().key_id(&key).send().await?;
    client.delete_alias().alias_name("alias/app").send().await?;
    let error = failure(client.describe_key().key_id("alias/app").send().await);
    assert!(error.is_not_found_exception(), "{error:?}");
    Ok(())
}

/// Calls until one call a second is exceeded.
async fn throttled(client: &Client) {
    for _ in 0..CALLS_MOST {
        let made = client.generate_random().number_of_bytes(32).send().await;
        if made.is_err() {
            return has_code("ThrottlingException", made);
        }
    }
    panic!("no limit after {CALLS_MOST} calls");
}

/// The error of the operation itself.
fn failure<T: std::fmt::Debug, E: Error + Send + Sync + 'static, R>(
    outcome: Result<T, SdkError<E, R>>,
) -> E {
    match outcome.expect_err("refused") {
        SdkError::ServiceError(error) => error.into_err(),
        error => panic!("no answer: {error}"),
    }
}

/// Checks the name of an error.
fn has_code<T: std::fmt::Debug, E: ProvideErrorMetadata, R>(
    code: &str,
    outcome: Result<T, SdkError<E, R>>,
) {
    let Err(error) = outcome else { panic!("not refused with {code}") };
    assert_eq!(error.code(), Some(code), "{:?}", error.message());
}
