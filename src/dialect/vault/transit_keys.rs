//! Keys by name: `transit/keys/…` and `transit/export/…`.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::audit::Actor;
use crate::caller::permission::Needed;
use crate::crypto::transit::mac_key;
use crate::dialect::vault::envelope;
use crate::dialect::vault::fields::{Fields, SETTINGS};
use crate::dialect::vault::owner::{Owner, check};
use crate::dialect::vault::path::KeyPath;
use crate::http::body::Body;
use crate::http::call::OwnedCall;
use crate::http::refusal::Refusal;
use crate::http::respond::ok_of;
use crate::keyring::transit::{
    KeyPurpose, ROTATION_LEAST, TransitChange, TransitFault, TransitKey, TransitSettings,
    TransitType,
};
use crate::keyring::{Keyring, KeyringError};

type Outcome = Result<Response<Body>, Refusal>;

/// The members of a body that makes a key.
const NEW: [&str; 6] = [
    "type",
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
    let switch = |name| Ok::<_, Refusal>(fields.switch(name)?.unwrap_or_default());
    let derived = switch("derived")?;
    match (switch("convergent_encryption")?, derived) {
        (true, false) => {
            let message = "convergent encryption requires derivation to be enabled";
            return Err(Refusal::invalid(message));
        }
        (true, true) => return Err(Refusal::invalid("convergent encryption is not supported")),
        (false, _) => {}
    }
    let settings = TransitSettings {
        derived,
        exportable: switch("exportable")?,
        allow_plaintext_backup: switch("allow_plaintext_backup")?,
        auto_rotate_seconds: rotation(fields)?.unwrap_or_default(),
        ..TransitSettings::default()
    };
    Ok((kind, settings))
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

/// What a call reads of a key that may be exported.
pub(crate) async fn export(
    call: &mut OwnedCall,
    path: KeyPath,
    kind: String,
    version: Option<String>,
) -> Outcome {
    check(&call.app, &call.caller, Needed::KeysManage(&path.name.name))?;
    let is_mac = match kind.as_str() {
        "encryption-key" => false,
        "hmac-key" => true,
        "signing-key" => return Err(Refusal::invalid("signing not supported for the key")),
        other => {
            let other: String = other.chars().take(64).collect();
            return Err(Refusal::invalid(format!("invalid export type: {other}")));
        }
    };
    let exported = call
        .operate(move |store, actor| {
            let keyring = store.keyring();
            let key = keyring.transit_key(&path.name)?.ok_or_else(|| Refusal::not_found(""))?;
            keyring.export_transit_key(actor, &key)?;
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
                let Some(bytes) = version.key.as_ref().filter(|_| is_wanted) else { continue };
                if version.number < key.settings.min_decryption {
                    continue;
                }
                let mac = is_mac.then(|| mac_key(bytes));
                let shown = mac.as_ref().unwrap_or(bytes).expose();
                keys.insert(version.number, Zeroizing::new(BASE64.encode(shown)));
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
            owner.while_known(&app, || {
                let key = work(store.keyring(), actor, &path)?;
                Ok(shown(&path.name.name, &key))
            })
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

/// A key as its users see it: everything except the key.
fn shown(name: &str, key: &TransitKey) -> Value {
    let it = &key.settings;
    let open = key.versions.iter().filter(|version| version.number >= it.min_decryption);
    let made: BTreeMap<u32, u64> =
        open.map(|version| (version.number, version.provenance.made_at)).collect();
    let mut shown = json!({
        "allow_plaintext_backup": it.allow_plaintext_backup,
        "auto_rotate_period": it.auto_rotate_seconds,
        "deletion_allowed": it.deletion_allowed,
        "derived": it.derived,
        "exportable": it.exportable,
        "imported_key": false,
        "keys": made,
        "latest_version": key.latest(),
        "min_available_version": key.min_available,
        "min_decryption_version": it.min_decryption,
        "min_encryption_version": it.min_encryption,
        "name": name,
        "soft_deleted": false,
        "supports_decryption": true,
        "supports_derivation": true,
        "supports_encryption": true,
        "supports_signing": false,
        "type": key.kind.name(),
    });
    if it.derived {
        shown["convergent_encryption"] = false.into();
        shown["kdf"] = "hkdf_sha256".into();
    }
    shown
}
