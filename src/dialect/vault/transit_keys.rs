//! Keys by name: `transit/keys/…` and `transit/export/…`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use data_encoding::BASE64;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::audit::Actor;
use crate::caller::permission::Needed;
use crate::crypto::key::Key;
use crate::crypto::signing::{ExportedKey, SignatureScheme};
use crate::dialect::vault::envelope;
use crate::dialect::vault::fields::{Fields, SETTINGS};
use crate::dialect::vault::owner::{Owner, check};
use crate::dialect::vault::path::KeyPath;
use crate::http::body::Body;
use crate::http::call::OwnedCall;
use crate::http::refusal::Refusal;
use crate::http::respond::ok_of;
use crate::keyring::transit::{
    KeyPurpose, MAC_KEY_SIZES, ROTATION_LEAST, TransitChange, TransitFault, TransitKey,
    TransitSettings, TransitType, TransitWork,
};
use crate::keyring::{KeyVersion, Keyring, KeyringError};
use crate::machine::rfc3339;

type Outcome = Result<Response<Body>, Refusal>;

/// The members of a body that makes a key.
const NEW: [&str; 7] = [
    "type",
    "key_size",
    "derived",
    "exportable",
    "allow_plaintext_backup",
    "convergent_encryption",
    "auto_rotate_period",
];

/// The members of a body that changes one.
const CHANGED: [&str; 6] = [
    "min_decryption_version",
    "min_encryption_version",
    "deletion_allowed",
    "exportable",
    "allow_plaintext_backup",
    "auto_rotate_period",
];

pub(crate) async fn list(call: &mut OwnedCall, owner: Owner) -> Outcome {
    let caller = call.caller.clone();
    let names = call
        .on_store(move |store| {
            Ok(store.keyring().transit_names(KeyPurpose::Transit, &owner.name)?)
        })
        .await?
        .into_iter()
        .filter(|name| caller.may(Needed::KeysUse(name)) || caller.may(Needed::KeysManage(name)));
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return Err(Refusal::not_found(""));
    }
    Ok(envelope::data(&call.id, json!({ "keys": names })))
}

pub(crate) async fn create(call: &mut OwnedCall, owner: Owner, path: KeyPath) -> Outcome {
    let body = call.receive(SETTINGS).await?;
    let fields = Fields::read(&body.bytes, &NEW)?;
    let (kind, settings) = new_key(&fields)?;
    change(call, owner, path, move |keyring, actor, path| {
        Ok(keyring.create_transit_key(actor, &path.name, kind, &settings)?)
    })
    .await
}

/// The type and the settings of a new key, as a body asks for them.
pub(crate) fn new_key(fields: &Fields<'_>) -> Result<(TransitType, TransitSettings), Refusal> {
    let kind = match fields.text("type")?.as_deref() {
        None | Some("") => TransitType::Aes256Gcm96,
        Some(name) => TransitType::named(name).ok_or_else(|| {
            let name: String = name.chars().take(64).collect();
            Refusal::invalid(format!("unknown key type {name}"))
        })?,
    };
    let name = kind.name();
    let invalid = |message: String| Err(Refusal::invalid(message));
    let switch = |name| Ok::<_, Refusal>(fields.switch(name)?.unwrap_or_default());
    let (derived, convergent) = (switch("derived")?, switch("convergent_encryption")?);
    if convergent && !derived {
        return invalid("convergent encryption requires derivation to be enabled".to_owned());
    }
    if derived && !kind.supports_derivation() {
        return invalid(format!(
            "key derivation and convergent encryption not supported for keys of type {name}"
        ));
    }
    if convergent && kind.scheme().is_some() {
        return invalid(format!("convergent encryption not supported for keys of type {name}"));
    }
    if convergent {
        return invalid("convergent encryption is not supported".to_owned());
    }
    let settings = TransitSettings {
        derived,
        exportable: switch("exportable")?,
        allow_plaintext_backup: switch("allow_plaintext_backup")?,
        auto_rotate_seconds: rotation(fields)?.unwrap_or_default(),
        mac_key_bytes: mac_key_bytes(fields, kind)?,
        ..TransitSettings::default()
    };
    Ok((kind, settings))
}

/// The size of a key for HMAC alone; other types take none.
fn mac_key_bytes(fields: &Fields<'_>, kind: TransitType) -> Result<u16, Refusal> {
    let size = fields.number("key_size")?.unwrap_or_default();
    let fault = match (kind, size) {
        (TransitType::Hmac, 0) => {
            let (least, most) = (MAC_KEY_SIZES.start(), MAC_KEY_SIZES.end());
            format!("invalid key size for HMAC key, must be between {least} and {most} bytes")
        }
        (TransitType::Hmac, size) => {
            match u16::try_from(size).ok().filter(|size| MAC_KEY_SIZES.contains(size)) {
                Some(size) => return Ok(size),
                None => format!("invalid key_size {size}"),
            }
        }
        (_, 0) => return Ok(0),
        _ => format!("key_size is not valid for algorithm {}", kind.name()),
    };
    Err(Refusal::invalid(fault))
}

pub(crate) async fn read(call: &mut OwnedCall, path: KeyPath) -> Outcome {
    let (use_it, manage) = (Needed::KeysUse(&path.name.name), Needed::KeysManage(&path.name.name));
    if !call.caller.may(use_it) {
        check(&call.app, &call.caller, manage)?;
    }
    let shown = call
        .on_store(move |store| {
            let key = store.keyring().transit_key(&path.name)?;
            let key = key.ok_or_else(|| Refusal::not_found(""))?;
            Ok(shown(&path.name.name, &key))
        })
        .await?;
    Ok(envelope::data(&call.id, shown))
}

pub(crate) async fn rotate(call: &mut OwnedCall, owner: Owner, path: KeyPath) -> Outcome {
    call.receive(SETTINGS).await?;
    change(call, owner, path, |keyring, actor, path| {
        Ok(keyring.rotate_transit_key(actor, &path.name)?)
    })
    .await
}

pub(crate) async fn configure(call: &mut OwnedCall, owner: Owner, path: KeyPath) -> Outcome {
    let body = call.receive(SETTINGS).await?;
    let fields = Fields::read(&body.bytes, &CHANGED)?;
    let version = |field, name: &str| match fields.number(field)? {
        None => Ok(None),
        Some(number) if number < 0 => {
            Err(Refusal::invalid(format!("min {name} version cannot be negative")))
        }
        // No key has as many versions.
        Some(number) => Ok(Some(u32::try_from(number).unwrap_or(u32::MAX))),
    };
    let wanted = TransitChange {
        min_decryption: version("min_decryption_version", "decryption")?,
        min_encryption: version("min_encryption_version", "encryption")?,
        deletion_allowed: fields.switch("deletion_allowed")?,
        exportable: fields.switch("exportable")?.unwrap_or_default(),
        allow_plaintext_backup: fields.switch("allow_plaintext_backup")?.unwrap_or_default(),
        auto_rotate_seconds: rotation(&fields)?,
    };
    change(call, owner, path, move |keyring, actor, path| {
        keyring.configure_transit_key(actor, &path.name, &wanted).map_err(|error| match error {
            KeyringError::Transit(TransitFault::Unknown) => {
                let name = &path.name.name;
                Refusal::invalid(format!("no existing key named {name} could be found"))
            }
            error => error.into(),
        })
    })
    .await
}

pub(crate) async fn trim(call: &mut OwnedCall, owner: Owner, path: KeyPath) -> Outcome {
    let body = call.receive(SETTINGS).await?;
    let fields = Fields::read(&body.bytes, &["min_available_version"])?;
    let number = fields.number("min_available_version")?;
    let number = number.ok_or_else(|| Refusal::invalid("missing min_available_version"))?;
    if number < 1 {
        return Err(Refusal::invalid("minimum available version should be positive"));
    }
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    change(call, owner, path, move |keyring, actor, path| {
        keyring.trim_transit_key(actor, &path.name, number).map_err(|error| match error {
            KeyringError::Transit(TransitFault::Unknown) => Refusal::invalid("invalid key name"),
            error => error.into(),
        })
    })
    .await
}

pub(crate) async fn delete(call: &mut OwnedCall, path: KeyPath) -> Outcome {
    check(&call.app, &call.caller, Needed::KeysManage(&path.name.name))?;
    call.operate(move |store, actor| {
        let name = &path.name.name;
        store.keyring().delete_transit_key(actor, &path.name).map_err(|error| match error {
            KeyringError::Transit(TransitFault::Unknown) => Refusal::invalid(format!(
                "error deleting policy {name}: could not delete key; not found"
            )),
            KeyringError::Transit(fault) => {
                Refusal::invalid(format!("error deleting policy {name}: {fault}"))
            }
            error => error.into(),
        })
    })
    .await?;
    Ok(nothing())
}

/// What a call asks to read of the versions of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExportKind {
    Encryption,
    Hmac,
    Signing,
    Public,
}

/// What it gets of a key that has this.
enum Export {
    Secret,
    Mac,
    Private(SignatureScheme),
    Public(SignatureScheme),
}

impl ExportKind {
    fn named(name: &str) -> Result<Self, Refusal> {
        match name {
            "encryption-key" => Ok(Self::Encryption),
            "hmac-key" => Ok(Self::Hmac),
            "signing-key" => Ok(Self::Signing),
            "public-key" => Ok(Self::Public),
            other => {
                let other: String = other.chars().take(64).collect();
                Err(Refusal::invalid(format!("invalid export type: {other}")))
            }
        }
    }
}

impl Export {
    fn of(kind: ExportKind, key: &TransitKey) -> Result<Self, Refusal> {
        let fault = match (kind, key.kind.work()) {
            (ExportKind::Hmac, _) => return Ok(Self::Mac),
            (ExportKind::Encryption, TransitWork::Seal(_)) => return Ok(Self::Secret),
            (ExportKind::Signing, TransitWork::Sign(scheme)) => return Ok(Self::Private(scheme)),
            (ExportKind::Public, TransitWork::Sign(scheme)) => return Ok(Self::Public(scheme)),
            (ExportKind::Encryption, _) => "encryption not supported for the key".to_owned(),
            (ExportKind::Signing, _) => "signing not supported for the key".to_owned(),
            (ExportKind::Public, _) => {
                format!("unknown key type {} for export type public-key", key.kind.name())
            }
        };
        Err(Refusal::invalid(fault))
    }

    /// The text of one version.
    fn text(&self, key: &TransitKey, secret: &Key) -> Zeroizing<String> {
        let encoded = |bytes: &[u8]| Zeroizing::new(BASE64.encode(bytes));
        match self {
            Self::Secret => encoded(secret.expose()),
            Self::Mac => encoded(&key.mac_key(secret)),
            Self::Private(scheme) => match scheme.exported(secret) {
                ExportedKey::Bytes(bytes) => encoded(&bytes),
                ExportedKey::Pem(pem) => pem,
            },
            Self::Public(scheme) => Zeroizing::new(scheme.public_key(secret).text()),
        }
    }
}

/// What a call reads of a key that may be exported, or of the public key of any that signs.
pub(crate) async fn export(
    call: &mut OwnedCall,
    path: KeyPath,
    kind: String,
    version: Option<String>,
) -> Outcome {
    check(&call.app, &call.caller, Needed::KeysManage(&path.name.name))?;
    let kind = ExportKind::named(&kind)?;
    let exported = call
        .operate(move |store, actor| {
            let keyring = store.keyring();
            let key = keyring.transit_key(&path.name)?.ok_or_else(|| Refusal::not_found(""))?;
            if kind != ExportKind::Public {
                keyring.export_transit_key(actor, &key)?;
            }
            let export = Export::of(kind, &key)?;
            let wanted = match version.as_deref() {
                None | Some("") => None,
                Some("latest") => Some(key.latest()),
                Some(number) => {
                    let message = "version does not exist or cannot be found";
                    Some(number.parse().map_err(|_| Refusal::invalid(message))?)
                }
            };
            let mut keys = BTreeMap::new();
            for version in &key.versions {
                let is_wanted = wanted.is_none_or(|number| number == version.number);
                // A version that opens and verifies nothing is not given away either.
                let Some(secret) = key.usable(version.number).filter(|_| is_wanted) else {
                    continue;
                };
                keys.insert(version.number, export.text(&key, secret));
            }
            if keys.is_empty() {
                return Err(Refusal::invalid("version does not exist or cannot be found"));
            }
            let keys: BTreeMap<_, _> = keys.iter().map(|(at, key)| (at, key.as_str())).collect();
            Ok(json!({ "keys": keys, "name": path.name.name, "type": key.kind.name() }))
        })
        .await?;
    Ok(envelope::data(&call.id, exported))
}

/// Changes a key, and shows it as it is then.
async fn change(
    call: &mut OwnedCall,
    owner: Owner,
    path: KeyPath,
    work: impl FnOnce(&Keyring, &Actor, &KeyPath) -> Result<Arc<TransitKey>, Refusal> + Send + 'static,
) -> Outcome {
    check(&call.app, &call.caller, Needed::KeysManage(&path.name.name))?;
    let app = Arc::clone(&call.app);
    let shown = call
        .operate(move |store, actor| {
            let key = owner.while_known(&app, || work(store.keyring(), actor, &path))?;
            // Without the lock of all changes: a public key for each version takes its time.
            Ok(shown(&path.name.name, &key))
        })
        .await?;
    Ok(envelope::data(&call.id, shown))
}

/// The answer to what leaves nothing to show.
fn nothing() -> Response<Body> {
    let mut response = ok_of("application/json", "");
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A period of rotation in seconds: 0, or at least an hour.
fn rotation(fields: &Fields<'_>) -> Result<Option<u64>, Refusal> {
    let seconds = fields.seconds("auto_rotate_period")?;
    if seconds.is_some_and(|seconds| (1..ROTATION_LEAST).contains(&seconds)) {
        let message = "auto rotate period must be 0 to disable or at least an hour";
        return Err(Refusal::invalid(message));
    }
    Ok(seconds)
}

/// A key as its users see it: everything except the key. A version that opens and verifies nothing is left out.
fn shown(name: &str, key: &TransitKey) -> Value {
    let it = &key.settings;
    let work = key.kind.work();
    let seals = matches!(work, TransitWork::Seal(_));
    let mut shown = json!({
        "allow_plaintext_backup": it.allow_plaintext_backup,
        "auto_rotate_period": it.auto_rotate_seconds,
        "deletion_allowed": it.deletion_allowed,
        "derived": it.derived,
        "exportable": it.exportable,
        "imported_key": false,
        "latest_version": key.latest(),
        "min_available_version": key.min_available,
        "min_decryption_version": it.min_decryption,
        "min_encryption_version": it.min_encryption,
        "name": name,
        "soft_deleted": false,
        "supports_decryption": seals,
        "supports_derivation": key.kind.supports_derivation(),
        "supports_encryption": seals,
        "supports_signing": matches!(work, TransitWork::Sign(_)),
        "type": key.kind.name(),
    });
    let usable = key.versions.iter().filter_map(|it| Some((it, key.usable(it.number)?)));
    match work {
        TransitWork::Mac => shown["key_size"] = it.mac_key_bytes.into(),
        TransitWork::Seal(_) => {
            let made = usable.map(|(it, _)| (it.number, it.provenance.made_at));
            shown["keys"] = json!(made.collect::<BTreeMap<_, _>>());
        }
        TransitWork::Sign(scheme) => {
            let public = usable.map(|(version, secret)| {
                (version.number, public_version(scheme, it.derived, version, secret))
            });
            shown["keys"] = json!(public.collect::<BTreeMap<_, _>>());
        }
    }
    if it.derived {
        shown["convergent_encryption"] = false.into();
        shown["kdf"] = "hkdf_sha256".into();
    }
    shown
}

/// A version of a key that signs. One that is derived has a public key for each context, and shows none here.
fn public_version(
    scheme: SignatureScheme,
    is_derived: bool,
    version: &KeyVersion,
    secret: &Key,
) -> Value {
    let (name, end) = match scheme {
        SignatureScheme::Ed25519 => ("ed25519", ""),
        SignatureScheme::EcdsaP256 => ("P-256", "\n"),
    };
    let public_key =
        if is_derived { String::new() } else { scheme.public_key(secret).text() + end };
    let made_at = UNIX_EPOCH + Duration::from_secs(version.provenance.made_at);
    json!({
        "certificate_chain": "",
        "creation_time": rfc3339(made_at),
        "name": name,
        "public_key": public_key,
    })
}
