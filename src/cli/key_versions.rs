//! The key versions of the service, and the namespaces they belong to.

use crate::api::keys::{KeyEntry, KeyList};
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::print;

/// The purposes of keys that callers use by name.
pub(crate) const PURPOSES: [&str; 5] = ["transit", "kms", "aws-kms", "sign", "mac"];

/// The purposes of keys whose versions can be revoked.
pub(crate) const REVOCABLE: [&str; 6] = ["namespace", "transit", "kms", "aws-kms", "sign", "mac"];

/// What has versions that can be revoked.
pub(crate) enum Revocable {
    /// A namespace, by its id.
    Namespace(String),
    /// A key that callers use by name.
    Key { id: String, purpose: String },
}

/// All keys, the root key first.
pub(crate) fn all(operator: &Operator) -> Result<Vec<KeyEntry>, CommandError> {
    Ok(operator.get::<KeyList>("/admin/keys")?.keys)
}

/// The id of the key that callers use by name with this name or id.
pub(crate) fn find_named(
    keys: &[KeyEntry],
    wanted: &str,
    purpose: Option<&str>,
    owner: Option<&str>,
) -> Result<String, CommandError> {
    match ids_named(keys, wanted, purpose, owner).as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(CommandError::failure(format!(
            "there is no key {}; list them with: lavawall keys",
            print::shown(wanted)
        ))),
        several => Err(CommandError::usage(format!(
            "there are several keys {}: give --purpose, or the id, {}",
            print::shown(wanted),
            several.join(" or ")
        ))),
    }
}

/// The ids of the keys that callers use by name with this name or id.
fn ids_named(
    keys: &[KeyEntry],
    wanted: &str,
    purpose: Option<&str>,
    owner: Option<&str>,
) -> Vec<String> {
    let is_named = |key: &KeyEntry| {
        key.name.as_deref() == Some(wanted)
            && key.owner.as_deref() == owner
            && purpose.is_none_or(|purpose| key.purpose == purpose)
    };
    let is_it = |key: &&KeyEntry| key.id.as_deref() == Some(wanted) || is_named(key);
    let mut found: Vec<_> = keys.iter().filter(is_it).filter_map(|key| key.id.clone()).collect();
    found.dedup();
    found
}

/// The namespace or key of this title, name or id.
pub(crate) fn find_revocable(
    keys: &[KeyEntry],
    wanted: &str,
    purpose: Option<&str>,
    owner: Option<&str>,
) -> Result<Revocable, CommandError> {
    let of_key = |purpose| {
        let id = find_named(keys, wanted, purpose, owner)?;
        let key = keys.iter().find(|key| key.id.as_ref() == Some(&id));
        let purpose = key.map(|key| key.purpose.clone()).unwrap_or_default();
        Ok(Revocable::Key { id, purpose })
    };
    let of_namespace = || find_namespace(keys, wanted).map(Revocable::Namespace);
    match (purpose, owner) {
        (Some("namespace"), _) => of_namespace(),
        (purpose @ Some(_), _) | (purpose @ None, Some(_)) => of_key(purpose),
        (None, None) => match (of_namespace(), ids_named(keys, wanted, None, None).len()) {
            // Of several it says that they are several.
            (_, 2..) | (Err(_), 1) => of_key(None),
            (Ok(_), 1) => Err(CommandError::usage(format!(
                "{} is a namespace and a key: give --purpose",
                print::shown(wanted)
            ))),
            (namespace @ Ok(_), 0) => namespace,
            (Err(_), 0) => Err(CommandError::failure(format!(
                "there is no one namespace or key {}; list them with: lavawall keys",
                print::shown(wanted)
            ))),
        },
    }
}

/// The id of the namespace with this title or id.
pub(crate) fn find_namespace(keys: &[KeyEntry], wanted: &str) -> Result<String, CommandError> {
    let is_it = |key: &&KeyEntry| {
        key.namespace.as_deref() == Some(wanted) || key.title.as_deref() == Some(wanted)
    };
    let mut found: Vec<_> =
        keys.iter().filter(is_it).filter_map(|key| key.namespace.clone()).collect();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(CommandError::failure(format!(
            "there is no namespace {}; list them with: lavawall kv namespaces",
            print::shown(wanted)
        ))),
        _ => Err(CommandError::usage(format!(
            "{} is the title of one namespace and the id of another: use the id, {}",
            print::shown(wanted),
            found.join(" or ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that callers use by name, or a namespace of this title.
    fn key(purpose: &str, name: &str, id: &str) -> KeyEntry {
        let of = |is_it: bool, text: &str| is_it.then(|| text.to_owned());
        let is_namespace = purpose == "namespace";
        KeyEntry {
            purpose: purpose.to_owned(),
            namespace: of(is_namespace, id),
            title: of(is_namespace, name),
            id: of(!is_namespace, id),
            owner: None,
            name: of(!is_namespace, name),
            min_decryption_version: None,
            min_encryption_version: None,
            version: 1,
            state: "retired".to_owned(),
            made_at: 0,
            generation: 1,
            made_while: "ready".to_owned(),
            kinds: Vec::new(),
            records: None,
        }
    }

    fn found(keys: &[KeyEntry], purpose: Option<&str>) -> Result<String, String> {
        match find_revocable(keys, "a", purpose, None) {
            Ok(Revocable::Namespace(id) | Revocable::Key { id, .. }) => Ok(id),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_name_of_several_keys_revokes_none_also_beside_a_namespace() {
        let namespace = || key("namespace", "a", "00");
        let (transit, kms) = (|| key("transit", "a", "01"), || key("kms", "a", "02"));
        assert_eq!(found(&[namespace()], None), Ok("00".to_owned()));
        assert_eq!(found(&[kms()], None), Ok("02".to_owned()));
        for keys in [vec![transit(), kms()], vec![namespace(), transit(), kms()]] {
            let refused = found(&keys, None).expect_err("several");
            assert!(refused.contains("several keys"), "{refused}");
            assert_eq!(found(&keys, Some("kms")), Ok("02".to_owned()));
        }
        assert!(found(&[], None).expect_err("none").contains("no one namespace or key"));
        let both = [namespace(), transit()];
        assert!(found(&both, None).expect_err("both").contains("a namespace and a key"));
    }
}
