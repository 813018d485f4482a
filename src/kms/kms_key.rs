//! The key of a socket: who may use it, and what is sealed and opened with it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::audit::Actor;
use crate::caller::permission::Needed;
use crate::caller::tenant::Tenant;
use crate::caller::tenants::Tenants;
use crate::caller::usage::Protocol;
use crate::crypto::aead::OVERHEAD_BYTES;
use crate::crypto::kms;
use crate::crypto::kms::Annotations;
use crate::keyring::Keyring;
use crate::keyring::transit::{KeyPurpose, TransitKey, TransitName, TransitSettings, TransitType};
use crate::kms::annotations;
use crate::kms::fault::KmsFault;
use crate::kms::key_ids::KeyIds;
use lavawall_entropy::Generator;

/// The most bytes of a sealed text, and of a key id (k8s.io/apiserver, kmsv2).
const SEALED_MOST: usize = 1024;

/// The most bytes of a text: sealing adds to them.
const TEXT_MOST: usize = SEALED_MOST - OVERHEAD_BYTES;

/// The key of one socket.
pub(crate) struct KmsKey {
    /// `None` when it could not be read at the start.
    keyring: Option<Arc<Keyring>>,
    generator: Arc<Generator>,
    tenants: Arc<Tenants>,
    name: TransitName,
    ids: KeyIds,
    /// One call makes the key, and the others wait for it.
    making: Mutex<()>,
}

/// A sealed text.
#[derive(Debug)]
pub(crate) struct SealedText {
    pub(crate) sealed: Vec<u8>,
    pub(crate) key_id: String,
    pub(crate) annotations: Annotations,
}

/// Whether the key can be used now, and the id of the version that seals.
#[derive(Debug)]
pub(crate) struct KeyState {
    pub(crate) usable: Result<(), KmsFault>,
    /// Empty before the first is known.
    pub(crate) key_id: String,
}

impl KmsKey {
    /// The key of this name, of a tenant or of the operator.
    pub(crate) fn new(
        keyring: Option<Arc<Keyring>>,
        generator: Arc<Generator>,
        tenants: Arc<Tenants>,
        tenant: Option<&str>,
        name: &str,
    ) -> Self {
        let owner = tenant.unwrap_or_default().to_owned();
        let name = TransitName { purpose: KeyPurpose::Kms, owner, name: name.to_owned() };
        let (ids, making) = (KeyIds::default(), Mutex::default());
        Self { keyring, generator, tenants, name, ids, making }
    }

    /// Its state, from memory; only the first time the key is made.
    pub(crate) async fn state(self: &Arc<Self>) -> KeyState {
        match self.usable().await {
            Ok(key_id) => KeyState { usable: Ok(()), key_id },
            Err(fault) => KeyState { usable: Err(fault), key_id: self.ids.last() },
        }
    }

    /// Seals a text under the last version.
    ///
    /// # Errors
    /// Why it is not sealed.
    pub(crate) async fn seal(self: &Arc<Self>, text: &[u8]) -> Result<SealedText, KmsFault> {
        let tenant = self.admit()?;
        check_length("plaintext", text, TEXT_MOST)?;
        let key = self.current().await?;
        let last = key.versions.last().ok_or(KmsFault::UnknownKeyId)?;
        let secret = last.key.as_ref().ok_or(KmsFault::UnknownKeyId)?;
        let annotations = annotations::of(last);
        let key_id = self.ids.of(&key).last().to_owned();
        let sealed = kms::seal(&self.generator, secret, &key_id, &annotations, text)
            .map_err(|error| KmsFault::Refusing(error.to_string()))?;
        charge(tenant.as_deref(), sealed.len())?;
        Ok(SealedText { sealed, key_id, annotations })
    }

    /// Opens a text with all that was answered when it was sealed.
    ///
    /// # Errors
    /// Why it is not opened.
    pub(crate) async fn open(
        self: &Arc<Self>,
        text: &SealedText,
    ) -> Result<Zeroizing<Vec<u8>>, KmsFault> {
        let tenant = self.admit()?;
        check_length("ciphertext", &text.sealed, SEALED_MOST)?;
        check_length("key_id", text.key_id.as_bytes(), SEALED_MOST)?;
        // No key of before can be known where there is none.
        let key = self.known().await?.ok_or(KmsFault::UnknownKeyId)?;
        let ids = self.ids.of(&key);
        if ids.is_revoked(&text.key_id) {
            return Err(KmsFault::Revoked);
        }
        let number = ids.number(&text.key_id).ok_or(KmsFault::UnknownKeyId)?;
        let version = key.version(number).and_then(|version| version.key.as_ref());
        let secret = version.ok_or(KmsFault::UnknownKeyId)?;
        let opened = kms::open(secret, &text.key_id, &text.annotations, &text.sealed)
            .map_err(|_| KmsFault::DoesNotOpen)?;
        charge(tenant.as_deref(), opened.len())?;
        Ok(opened)
    }

    /// The id of the version that seals, if a text could be sealed now.
    async fn usable(self: &Arc<Self>) -> Result<String, KmsFault> {
        if let Some(tenant) = self.account()? {
            tenant.check_key_use()?;
        }
        let key = self.current().await?;
        let id = self.ids.of(&key).last().to_owned();
        self.generator
            .check(Instant::now())
            .map_err(|error| KmsFault::Refusing(error.to_string()))?;
        Ok(id)
    }

    /// Whose use it is; `None` for the operator, who has no limits.
    fn account(&self) -> Result<Option<Arc<Tenant>>, KmsFault> {
        if self.name.owner.is_empty() {
            return Ok(None);
        }
        let tenant = self.tenants.find(&self.name.owner)?.tenant;
        if tenant.may(Needed::KeysUse(&self.name.name)) {
            Ok(Some(tenant))
        } else {
            Err(KmsFault::NotPermitted)
        }
    }

    /// Admits a call that uses the key.
    fn admit(&self) -> Result<Option<Arc<Tenant>>, KmsFault> {
        let tenant = self.account()?;
        if let Some(tenant) = &tenant {
            tenant.admit(Instant::now())?;
            tenant.check_bytes(1)?;
            tenant.use_key(Protocol::Kms)?;
            tenant.count_request(Protocol::Kms);
        }
        Ok(tenant)
    }

    /// The key, which is made when there is none.
    async fn current(self: &Arc<Self>) -> Result<Arc<TransitKey>, KmsFault> {
        if let Some(key) = self.known().await? {
            return Ok(key);
        }
        let _turn = self.making.lock().await;
        if self.known().await?.is_none() {
            self.on_thread(Self::make).await?;
        }
        // Another version may be there by now.
        self.known().await?.ok_or(KmsFault::Unusable)
    }

    /// The key, if there is one. Without waiting, unless the keyring is being changed.
    async fn known(self: &Arc<Self>) -> Result<Option<Arc<TransitKey>>, KmsFault> {
        match self.keyring()?.try_transit_key(&self.name) {
            Some(known) => Ok(known?),
            None => self.on_thread(|it| Ok(it.keyring()?.transit_key(&it.name)?)).await,
        }
    }

    /// Makes the key. That of a tenant is destroyed with it.
    fn make(&self) -> Result<(), KmsFault> {
        let (keyring, name) = (self.keyring()?, &self.name);
        let (kind, settings) = (TransitType::Aes256Gcm96, TransitSettings::default());
        let make = |actor: &Actor| {
            keyring.create_transit_key(actor, name, kind, &settings)?;
            Ok(())
        };
        if name.owner.is_empty() {
            return make(&Actor::SERVICE);
        }
        let actor = Actor::named(format!("tenant {}", name.owner));
        self.tenants.while_known(&name.owner, || make(&actor))
    }

    fn keyring(&self) -> Result<&Arc<Keyring>, KmsFault> {
        self.keyring.as_ref().ok_or(KmsFault::Absent)
    }

    /// Runs `work` on a thread that may wait for a disk.
    async fn on_thread<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, KmsFault> + Send + 'static,
    ) -> Result<T, KmsFault> {
        let it = Arc::clone(self);
        spawn_blocking(move || work(&it)).await.unwrap_or(Err(KmsFault::Unusable))
    }
}

/// Charges the bytes of an answer; one that is over the limit is not given.
fn charge(tenant: Option<&Tenant>, bytes: usize) -> Result<(), KmsFault> {
    tenant.map_or(Ok(()), |tenant| Ok(tenant.charge(Protocol::Kms, bytes as u64)?))
}

fn check_length(field: &'static str, bytes: &[u8], most: usize) -> Result<(), KmsFault> {
    if (1..=most).contains(&bytes.len()) {
        return Ok(());
    }
    Err(KmsFault::Length { field, most, got: bytes.len() })
}
