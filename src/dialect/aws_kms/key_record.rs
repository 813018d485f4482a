//! What this interface keeps of a key besides the key, and the aliases: records of the tenant.
//!
//! ```text
//! aws/key/ID         JSON
//! aws/alias/NAME     the id of a key
//! ```

use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::caller::tenants::Tenants;
use crate::crypto::transit::Sha2;
use crate::dialect::aws_kms::fault::Fault;
use crate::keyring::transit::{
    KeyPurpose, MAC_KEY_SIZES, TransitKey, TransitName, TransitSettings, TransitType,
};
use crate::kv::Store;

/// The start of the names of keys and aliases.
const KEYS: &str = "aws/key/";
const ALIASES: &str = "aws/alias/";

/// The start of an alias as callers write it.
pub(crate) const ALIAS: &str = "alias/";

/// The account in names of keys: each tenant has one of its own, and all the same number.
pub(crate) const ACCOUNT: &str = "000000000000";

/// The longest name of a key or alias, in bytes: that of AWS.
const NAME_MOST: usize = 2048;

/// What a key may be used for, by the words of AWS.
pub(crate) const ENCRYPT_DECRYPT: &str = "ENCRYPT_DECRYPT";
pub(crate) const GENERATE_VERIFY_MAC: &str = "GENERATE_VERIFY_MAC";

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub(crate) enum KeySpec {
    /// Sealing.
    Symmetric,
    /// HMAC by one hash.
    Hmac224,
    Hmac256,
    Hmac384,
    Hmac512,
}

/// The algorithm of HMAC by its name, and its hash.
type MacAlgorithm = (&'static str, Sha2);

/// Every spec: its name; for HMAC the algorithm.
const SPECS: [(KeySpec, &str, Option<MacAlgorithm>); 5] = [
    (KeySpec::Symmetric, "SYMMETRIC_DEFAULT", None),
    (KeySpec::Hmac224, "HMAC_224", Some(("HMAC_SHA_224", Sha2::Sha224))),
    (KeySpec::Hmac256, "HMAC_256", Some(("HMAC_SHA_256", Sha2::Sha256))),
    (KeySpec::Hmac384, "HMAC_384", Some(("HMAC_SHA_384", Sha2::Sha384))),
    (KeySpec::Hmac512, "HMAC_512", Some(("HMAC_SHA_512", Sha2::Sha512))),
];

/// A key as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct KeyRecord {
    pub(crate) spec: KeySpec,
    /// What its maker wrote about it.
    pub(crate) description: String,
    /// In seconds since 1970.
    pub(crate) created_at: u64,
    pub(crate) is_enabled: bool,
    /// When it is destroyed, in seconds since 1970.
    #[serde(default)]
    pub(crate) deletion_at: Option<u64>,
}

/// An alias as it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct AliasRecord {
    /// The id of its key.
    pub(crate) key: Uuid,
    /// In seconds since 1970.
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
}

/// A key that a call names.
pub(crate) struct FoundKey {
    pub(crate) id: Uuid,
    pub(crate) arn: String,
    pub(crate) record: KeyRecord,
    pub(crate) key: Arc<TransitKey>,
}

/// The keys of one tenant, as a client in one region sees them.
#[derive(Clone, Copy)]
pub(crate) struct TenantKeys<'a> {
    pub(crate) store: &'a Store,
    pub(crate) tenant: &'a str,
    pub(crate) region: &'a str,
}

impl KeySpec {
    /// The spec of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        SPECS.iter().find(|(_, known, _)| *known == name).map(|(spec, ..)| *spec)
    }

    pub(crate) fn name(self) -> &'static str {
        SPECS.iter().find(|(spec, ..)| *spec == self).map_or("", |(_, name, _)| name)
    }

    /// The usage of such keys.
    pub(crate) fn usage(self) -> &'static str {
        if self == Self::Symmetric { ENCRYPT_DECRYPT } else { GENERATE_VERIFY_MAC }
    }

    /// The type of such keys in the keyring, and their settings. Keys for HMAC of before format 6 have the type
    /// of those that seal, and the same formula.
    pub(crate) fn transit(self) -> (TransitType, TransitSettings) {
        let settings = TransitSettings::default();
        if self == Self::Symmetric {
            return (TransitType::Aes256Gcm96, settings);
        }
        (TransitType::Hmac, TransitSettings { mac_key_bytes: *MAC_KEY_SIZES.start(), ..settings })
    }

    /// The algorithm of HMAC; `None` for a key that seals.
    pub(crate) fn mac(self) -> Option<MacAlgorithm> {
        SPECS.iter().find(|(spec, ..)| *spec == self).and_then(|(.., mac)| *mac)
    }
}

impl From<KeySpec> for &'static str {
    fn from(spec: KeySpec) -> Self {
        spec.name()
    }
}

impl TryFrom<String> for KeySpec {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::named(&name).ok_or("is no spec of a key")
    }
}

impl KeyRecord {
    /// Its state, by the words of AWS.
    pub(crate) fn state(&self) -> &'static str {
        match (self.deletion_at, self.is_enabled) {
            (Some(_), _) => "PendingDeletion",
            (None, true) => "Enabled",
            (None, false) => "Disabled",
        }
    }
}

impl FoundKey {
    /// The key in the audit log: by the id that it has there, as in the lines of the keyring.
    pub(crate) fn audited_as(&self) -> String {
        format!("key {}", HEXLOWER.encode(&self.key.id))
    }

    /// The key, if it is for this and may be used now.
    ///
    /// # Errors
    /// The state that does not allow it.
    pub(crate) fn usable(self, usage: &str) -> Result<Self, Fault> {
        if self.record.spec.usage() != usage {
            return Err(Fault::usage(&self.arn, self.record.spec.usage()));
        }
        match self.record.state() {
            "Enabled" => Ok(self),
            "Disabled" => Err(Fault::disabled(&self.arn)),
            _ => Err(Fault::state(&self.arn, "pending deletion")),
        }
    }

    /// The key, unless it is to be destroyed.
    ///
    /// # Errors
    /// When it is.
    pub(crate) fn kept(self) -> Result<Self, Fault> {
        match self.record.deletion_at {
            Some(_) => Err(Fault::state(&self.arn, "pending deletion")),
            None => Ok(self),
        }
    }
}

impl TenantKeys<'_> {
    /// The name of a key among those of the keyring.
    pub(crate) fn transit_name(&self, id: Uuid) -> TransitName {
        let (purpose, owner) = (KeyPurpose::AwsKms, self.tenant.to_owned());
        TransitName { purpose, owner, name: id.to_string() }
    }

    pub(crate) fn arn(&self, id: Uuid) -> String {
        format!("arn:aws:kms:{}:{ACCOUNT}:key/{id}", self.region)
    }

    pub(crate) fn alias_arn(&self, alias: &str) -> String {
        format!("arn:aws:kms:{}:{ACCOUNT}:{alias}", self.region)
    }

    /// The key that a text names: an id, an alias, or the ARN of one of them.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn find(&self, named: &str) -> Result<FoundKey, Fault> {
        if named.is_empty() || named.len() > NAME_MOST {
            let most = "Member must have length between 1 and 2048";
            return Err(Fault::constraint(format!("{} bytes", named.len()), "keyId", most));
        }
        let id = match self.local(named) {
            Some(alias) if alias.starts_with(ALIAS) => self.alias(alias)?.map(|record| record.key),
            Some(key) => Uuid::try_parse(key).ok().filter(|id| id.to_string() == key),
            None => None,
        };
        let found = id.map(|id| self.get(id)).transpose()?.flatten();
        found.ok_or_else(|| {
            let shown: String = named.chars().take(256).collect();
            Fault::not_found(format!("Key '{shown}'"))
        })
    }

    /// The key of this id.
    pub(crate) fn get(&self, id: Uuid) -> Result<Option<FoundKey>, Fault> {
        let record = self.record(id)?;
        let key = self.store.keyring().transit_key(&self.transit_name(id))?;
        let both = record.zip(key);
        Ok(both.map(|(record, key)| FoundKey { id, arn: self.arn(id), record, key }))
    }

    /// What is kept of a key besides the key.
    pub(crate) fn record(&self, id: Uuid) -> Result<Option<KeyRecord>, Fault> {
        Ok(Tenants::dialect_record(self.store, self.tenant, &format!("{KEYS}{id}"))?)
    }

    /// The part of a name within the account; `None` when it is of another one.
    fn local<'n>(&self, named: &'n str) -> Option<&'n str> {
        if !named.starts_with("arn:") {
            return Some(named);
        }
        let mut parts = named.splitn(6, ':');
        let is_ours = [Some("arn"), Some("aws"), Some("kms"), Some(self.region), Some(ACCOUNT)]
            .into_iter()
            .all(|part| parts.next() == part);
        let local = parts.next().filter(|_| is_ours)?;
        Some(local.strip_prefix("key/").unwrap_or(local))
    }

    pub(crate) fn put(&self, id: Uuid, record: &KeyRecord) -> Result<(), Fault> {
        let name = format!("{KEYS}{id}");
        Ok(Tenants::put_dialect_record(self.store, self.tenant, &name, record)?)
    }

    /// The ids of all keys, sorted.
    pub(crate) fn ids(&self) -> Result<Vec<Uuid>, Fault> {
        let names = self.store.keyring().transit_names(KeyPurpose::AwsKms, self.tenant)?;
        Ok(names.iter().filter_map(|name| Uuid::try_parse(name).ok()).collect())
    }

    /// The number of all records of keys. A crash while a key is made leaves one without a key.
    pub(crate) fn record_count(&self) -> Result<usize, Fault> {
        Ok(Tenants::dialect_records(self.store, self.tenant, KEYS)?.len())
    }

    /// Every record of a key: its tenant and its id.
    pub(crate) fn of_all_tenants(store: &Store) -> Result<Vec<(String, Uuid)>, Fault> {
        let records = Tenants::all_dialect_records(store)?.into_iter();
        let keys = records.filter_map(|(tenant, name)| {
            let id = Uuid::try_parse(name.strip_prefix(KEYS)?).ok()?;
            Some((tenant, id))
        });
        Ok(keys.collect())
    }

    /// An alias, with its start.
    pub(crate) fn alias(&self, alias: &str) -> Result<Option<AliasRecord>, Fault> {
        Ok(Tenants::dialect_record(self.store, self.tenant, &of_alias(alias))?)
    }

    pub(crate) fn put_alias(&self, alias: &str, record: &AliasRecord) -> Result<(), Fault> {
        Ok(Tenants::put_dialect_record(self.store, self.tenant, &of_alias(alias), record)?)
    }

    pub(crate) fn delete_alias(&self, alias: &str) -> Result<(), Fault> {
        Ok(Tenants::delete_dialect_records(self.store, self.tenant, &[of_alias(alias)])?)
    }

    /// All aliases, each with its start, sorted.
    pub(crate) fn aliases(&self) -> Result<Vec<String>, Fault> {
        let names = Tenants::dialect_records(self.store, self.tenant, ALIASES)?;
        Ok(names.iter().map(|name| format!("{ALIAS}{name}")).collect())
    }

    /// Removes the record of a key, and its aliases.
    pub(crate) fn forget(&self, id: Uuid) -> Result<(), Fault> {
        for alias in self.aliases()? {
            if self.alias(&alias)?.is_some_and(|record| record.key == id) {
                self.delete_alias(&alias)?;
            }
        }
        Ok(Tenants::delete_dialect_records(self.store, self.tenant, &[format!("{KEYS}{id}")])?)
    }
}

fn of_alias(alias: &str) -> String {
    format!("{ALIASES}{}", alias.strip_prefix(ALIAS).unwrap_or(alias))
}
