//! vaultrs against a service of this program: random bytes and the transit engine.

use std::error::Error;

use vaultrs::api::sys::requests::RandomRequest;
use vaultrs::api::transit::requests::{
    CreateKeyRequest, DataKeyType, DecryptDataRequest, EncryptDataRequest, ExportKeyType,
    ExportVersion, GenerateDataKeyRequest, GenerateHmacRequest, GenerateRandomBytesRequest,
    HashDataRequest, RandomBytesSource, RewrapDataRequest, UpdateKeyConfigurationRequest,
    VerifySignedDataRequest,
};
use vaultrs::api::transit::responses::ReadKeyData;
use vaultrs::api::transit::{HashAlgorithm, KeyType, OutputFormat};
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;
use vaultrs::sys::ServerStatus;
use vaultrs::transit::{data, generate, key};
use vaultrs::{sys, token};

const MOUNT: &str = "transit";

/// `hello`, `data` and `context` in Base64.
const HELLO: &str = "aGVsbG8=";
const DATA: &str = "ZGF0YQ==";
const CONTEXT: &str = "Y29udGV4dA==";

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    rustls::crypto::ring::default_provider().install_default().expect("the first");
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, token_file] = arguments.as_slice() else { panic!("URL TOKEN-FILE") };
    let token = std::fs::read_to_string(token_file)?;
    let client = client(url, token.trim());

    state(&client).await?;
    random(&client).await?;
    for kind in [KeyType::Aes256Gcm96, KeyType::Chacha20Poly1305] {
        texts(&client, kind).await?;
    }
    versions(&client).await?;
    derived(&client).await?;
    for kind in [KeyType::Ed25519, KeyType::EcdsaP256] {
        signatures(&client, kind).await?;
    }
    refusals(&client, url).await
}

fn client(url: &str, token: &str) -> VaultClient {
    let settings = VaultClientSettingsBuilder::default().address(url).token(token).build();
    VaultClient::new(settings.expect("settings")).expect("a client")
}

async fn state(client: &VaultClient) -> Outcome {
    assert!(matches!(sys::status(client).await?, ServerStatus::OK));
    let health = sys::health(client).await?;
    assert!(health.initialized && !health.sealed);
    assert_eq!(token::lookup_self(client).await?.policies, ["operator"]);
    Ok(())
}

async fn random(client: &VaultClient) -> Outcome {
    let (format, source) = (OutputFormat::Hex, RandomBytesSource::All);
    let mut asked = GenerateRandomBytesRequest::builder();
    let asked = Some(asked.bytes(9u32));
    let made = generate::random_bytes(client, MOUNT, format, source, asked).await?;
    assert_eq!(made.random_bytes.len(), 18);
    let mut asked = RandomRequest::builder();
    let made = sys::tools::random(client, Some(asked.bytes(32u64))).await?;
    assert_eq!(made.random_bytes.len(), 44, "Base64 of 32 bytes");

    let mut asked = HashDataRequest::builder();
    asked.algorithm(HashAlgorithm::Sha2_256).format(OutputFormat::Hex);
    let made = generate::hash(client, MOUNT, HELLO, Some(&mut asked)).await?;
    // FIPS 180-4 of "hello", as sha256sum gives it.
    assert_eq!(made.sum, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    Ok(())
}

async fn texts(client: &VaultClient, kind: KeyType) -> Outcome {
    let name = "texts";
    let mut asked = CreateKeyRequest::builder();
    key::create(client, MOUNT, name, Some(asked.key_type(kind))).await?;
    let shown = key::read(client, MOUNT, name).await?;
    assert_eq!(std::mem::discriminant(&shown.key_type), std::mem::discriminant(&kind));
    assert!(shown.supports_encryption && !shown.exportable && !shown.deletion_allowed);

    let mut asked = EncryptDataRequest::builder();
    let sealed = data::encrypt(client, MOUNT, name, HELLO, Some(asked.associated_data(DATA)));
    let sealed = sealed.await?.ciphertext;
    assert!(sealed.starts_with("vault:v1:"), "{sealed}");
    let mut asked = DecryptDataRequest::builder();
    let opened = data::decrypt(client, MOUNT, name, &sealed, Some(asked.associated_data(DATA)));
    assert_eq!(opened.await?.plaintext, HELLO);
    let refused = data::decrypt(client, MOUNT, name, &sealed, None).await;
    is_refused(400, "message authentication failed", refused);

    let first = data::encrypt(client, MOUNT, name, HELLO, None).await?.ciphertext;
    key::rotate(client, MOUNT, name).await?;
    let second = data::rewrap(client, MOUNT, name, &first, None).await?.ciphertext;
    assert!(second.starts_with("vault:v2:"), "{second}");
    let mut asked = RewrapDataRequest::builder();
    let third = data::rewrap(client, MOUNT, name, &second, Some(asked.key_version(1u64))).await;
    assert!(third?.ciphertext.starts_with("vault:v1:"));
    for sealed in [first, second] {
        assert_eq!(data::decrypt(client, MOUNT, name, &sealed, None).await?.plaintext, HELLO);
    }

    let mut asked = GenerateDataKeyRequest::builder();
    let made =
        generate::data_key(client, MOUNT, name, DataKeyType::Plaintext, Some(asked.bits(512u16)));
    let made = made.await?;
    let opened = data::decrypt(client, MOUNT, name, &made.ciphertext, None).await?.plaintext;
    assert_eq!((made.plaintext, opened.len()), (Some(opened.clone()), 88), "Base64 of 64 bytes");
    let made = generate::data_key(client, MOUNT, name, DataKeyType::Wrapped, None).await?;
    assert_eq!(made.plaintext, None);

    let mac = || async {
        let mut asked = GenerateHmacRequest::builder();
        asked.algorithm(HashAlgorithm::Sha2_512).key_version(1u64);
        generate::hmac(client, MOUNT, name, HELLO, Some(&mut asked)).await
    };
    assert_eq!(mac().await?.hmac, mac().await?.hmac);

    let mut asked = UpdateKeyConfigurationRequest::builder();
    key::update(client, MOUNT, name, Some(asked.deletion_allowed(true))).await?;
    key::delete(client, MOUNT, name).await?;
    is_refused(404, "", key::read(client, MOUNT, name).await);
    Ok(())
}

async fn versions(client: &VaultClient) -> Outcome {
    let name = "versions";
    let mut asked = CreateKeyRequest::builder();
    asked.exportable(true).allow_plaintext_backup(true).auto_rotate_period("720h");
    key::create(client, MOUNT, name, Some(&mut asked)).await?;
    for _ in 0..2 {
        key::rotate(client, MOUNT, name).await?;
    }
    assert_eq!(key::list(client, MOUNT).await?.keys, [name]);
    for kind in [ExportKeyType::EncryptionKey, ExportKeyType::HmacKey] {
        for (version, count) in
            [(ExportVersion::All, 3), (ExportVersion::Latest, 1), (ExportVersion::Version(2), 1)]
        {
            let exported = key::export(client, MOUNT, name, kind, version).await?;
            assert_eq!((exported.name.as_str(), exported.keys.len()), (name, count));
        }
    }
    let mut asked = UpdateKeyConfigurationRequest::builder();
    asked.min_decryption_version(2).min_encryption_version(3);
    key::update(client, MOUNT, name, Some(&mut asked)).await?;
    key::trim(client, MOUNT, name, 2).await?;
    let shown = key::read(client, MOUNT, name).await?;
    let ReadKeyData::Symmetric(keys) = shown.keys else { panic!("{:?}", shown.keys) };
    let mut numbers: Vec<_> = keys.keys().map(String::as_str).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, ["2", "3"]);
    is_refused(400, "deletion is not allowed", key::delete(client, MOUNT, name).await);
    Ok(())
}

async fn derived(client: &VaultClient) -> Outcome {
    let name = "derived";
    let mut asked = CreateKeyRequest::builder();
    key::create(client, MOUNT, name, Some(asked.derived(true))).await?;
    let mut asked = EncryptDataRequest::builder();
    let sealed = data::encrypt(client, MOUNT, name, HELLO, Some(asked.context(CONTEXT))).await?;
    let mut asked = DecryptDataRequest::builder();
    let sealed = sealed.ciphertext;
    let opened = data::decrypt(client, MOUNT, name, &sealed, Some(asked.context(CONTEXT)));
    assert_eq!(opened.await?.plaintext, HELLO);
    is_refused(400, "context", data::decrypt(client, MOUNT, name, &sealed, None).await);
    Ok(())
}

async fn signatures(client: &VaultClient, kind: KeyType) -> Outcome {
    let name = "signatures";
    let mut asked = CreateKeyRequest::builder();
    key::create(client, MOUNT, name, Some(asked.key_type(kind))).await?;
    let first = data::sign(client, MOUNT, name, HELLO, None).await?.signature;
    key::rotate(client, MOUNT, name).await?;
    let second = data::sign(client, MOUNT, name, HELLO, None).await?.signature;
    assert!(first.starts_with("vault:v1:") && second.starts_with("vault:v2:"), "{second}");
    for (input, signature, is_valid) in
        [(HELLO, &first, true), (HELLO, &second, true), (DATA, &second, false)]
    {
        let mut asked = VerifySignedDataRequest::builder();
        let asked = asked.signature(signature.as_str());
        assert_eq!(data::verify(client, MOUNT, name, input, Some(asked)).await?.valid, is_valid);
    }
    let shown = key::read(client, MOUNT, name).await?;
    assert!(matches!(shown.keys, ReadKeyData::Asymmetric(keys) if keys.len() == 2));
    let mut asked = UpdateKeyConfigurationRequest::builder();
    key::update(client, MOUNT, name, Some(asked.deletion_allowed(true))).await?;
    key::delete(client, MOUNT, name).await?;
    Ok(())
}

async fn refusals(client: &VaultClient, url: &str) -> Outcome {
    is_refused(404, "", key::read(client, MOUNT, "missing").await);
    let mut asked = CreateKeyRequest::builder();
    asked.key_type(KeyType::Aes128Gcm96);
    is_refused(400, "aes128-gcm96", key::create(client, MOUNT, "k", Some(&mut asked)).await);
    // It would be the operating system's alone.
    let source = RandomBytesSource::Platform;
    let made = generate::random_bytes(client, MOUNT, OutputFormat::Hex, source, None).await;
    is_refused(400, "platform", made);
    let stranger = self::client(url, "unknown");
    is_refused(403, "permission denied", key::read(&stranger, MOUNT, "derived").await);
    Ok(())
}

/// Checks the code of a refusal, and that its text has this part.
fn is_refused<T>(code: u16, part: &str, outcome: Result<T, ClientError>) {
    match outcome.map(|_| "done") {
        Err(ClientError::APIError { code: got, errors }) => {
            assert_eq!(got, code, "{errors:?}");
            assert!(part.is_empty() || errors.concat().contains(part), "{errors:?}");
        }
        other => panic!("{other:?}"),
    }
}
