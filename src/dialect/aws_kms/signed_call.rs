//! A call whose signature is right, and what its answer is made of.

use data_encoding::BASE64;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::audit::Actor;
use crate::caller::permission::Needed;
use crate::caller::tenant::Tenant;
use crate::caller::usage::Protocol;
use crate::dialect::aws_kms::fault::Fault;
use crate::dialect::aws_kms::key_record::TenantKeys;
use crate::http::app::App;
use crate::http::refusal::Refusal;
use crate::kv::Store;

/// The text of an answer; `None` for an empty one.
pub(crate) type Outcome = Result<Option<Zeroizing<Vec<u8>>>, Fault>;

/// A call whose signature is right, on a thread that may wait for a disk.
pub(crate) struct SignedCall<'a> {
    pub(crate) app: &'a App,
    pub(crate) store: &'a Store,
    pub(crate) actor: &'a Actor,
    pub(crate) tenant: &'a Tenant,
    pub(crate) region: &'a str,
    pub(crate) body: &'a [u8],
}

impl<'a> SignedCall<'a> {
    /// The members of the body. Those that are not known are left aside.
    pub(crate) fn read<T: Deserialize<'a>>(&self) -> Result<T, Fault> {
        let body = if self.body.is_empty() { b"{}" } else { self.body };
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Fault::serialization());
        }
        serde_json::from_slice(body).map_err(|_| Fault::serialization())
    }

    pub(crate) fn keys(&self) -> TenantKeys<'a> {
        TenantKeys { store: self.store, tenant: &self.tenant.name, region: self.region }
    }

    /// Checks that the tenant may use a key.
    pub(crate) fn may_use(&self, id: Uuid) -> Result<(), Fault> {
        self.may(Needed::KeysUse(&id.to_string()), id)
    }

    /// Checks that the tenant may change a key.
    pub(crate) fn may_manage(&self, id: Uuid) -> Result<(), Fault> {
        self.may(Needed::KeysManage(&id.to_string()), id)
    }

    /// Whether the tenant may know of a key.
    pub(crate) fn may_see(&self, id: Uuid) -> bool {
        let id = id.to_string();
        self.tenant.may(Needed::KeysUse(&id)) || self.tenant.may(Needed::KeysManage(&id))
    }

    fn may(&self, needed: Needed<'_>, id: Uuid) -> Result<(), Fault> {
        if self.tenant.may(needed) {
            return Ok(());
        }
        let arn = self.keys().arn(id);
        Err(Fault::denied(&self.tenant.name, &arn))
    }

    /// Counts a use of a key.
    pub(crate) fn use_key(&self) -> Result<(), Fault> {
        Ok(self.tenant.use_key(Protocol::AwsKms).map_err(Refusal::from)?)
    }

    /// Charges random bytes.
    pub(crate) fn charge(&self, bytes: usize) -> Result<(), Fault> {
        Ok(self.tenant.charge(Protocol::AwsKms, bytes as u64).map_err(Refusal::from)?)
    }

    /// Changes keys or aliases while the tenant is there, one change at a time.
    pub(crate) fn change(&self, work: impl FnOnce() -> Outcome) -> Outcome {
        self.app.tenants.while_known(&self.tenant.name, work)
    }
}

/// The text of an answer.
pub(crate) fn answer(value: &impl Serialize) -> Outcome {
    let text = serde_json::to_vec(value).map_err(|_| Refusal::internal())?;
    Ok(Some(Zeroizing::new(text)))
}

/// The bytes of a member in Base64.
pub(crate) fn blob(
    text: Option<&str>,
    member: &str,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let text = text.ok_or_else(|| Fault::constraint("null", member, "Member must not be null"))?;
    let bytes = BASE64.decode(text.as_bytes()).map_err(|_| Fault::serialization())?;
    let bytes = Zeroizing::new(bytes);
    if bytes.is_empty() || bytes.len() > most {
        let limits = format!("Member must have length between 1 and {most}");
        return Err(Fault::constraint(format!("{} bytes", bytes.len()), member, &limits));
    }
    Ok(bytes)
}

/// Checks that the answer is not to be sealed for an enclave.
pub(crate) fn check_recipient(asked: Option<&IgnoredAny>) -> Result<(), Fault> {
    let message = "Recipient is not supported: there are no enclaves here.";
    asked.map_or(Ok(()), |_| Err(Fault::unsupported(message)))
}

/// Checks that a call is about no key store of another service.
pub(crate) fn check_key_store(asked: Option<&IgnoredAny>) -> Result<(), Fault> {
    asked.map_or(Ok(()), |_| Err(Fault::unsupported("CustomKeyStoreId is not supported.")))
}

/// Checks that a call is to be done, too.
pub(crate) fn check_dry_run(is_asked: bool) -> Result<(), Fault> {
    if is_asked { Err(Fault::dry_run()) } else { Ok(()) }
}
