//! What a listener gives: the generator's bytes, within the permission and the limits of its tenant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroize;

use crate::caller::limiter::Exceeded;
use crate::caller::permission::Needed;
use crate::caller::service_limits::ServiceLimits;
use crate::caller::tenant::Tenant;
use crate::caller::tenants::Tenants;
use crate::caller::usage::Protocol;
use crate::egd::conversation::Supply;
use lavawall_entropy::Generator;

/// How soon a read that waits tries again where no limit says when.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The bytes of one listener.
pub(crate) struct TenantSupply {
    pub(crate) generator: Arc<Generator>,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) limits: Arc<ServiceLimits>,
    /// The name of its tenant; `None` for callers without a token.
    pub(crate) tenant: Option<String>,
}

impl TenantSupply {
    /// Whose use it is.
    fn account(&self) -> Option<Arc<Tenant>> {
        let Some(name) = &self.tenant else { return Some(Arc::clone(self.limits.anonymous())) };
        let tenant = self.tenants.find(name).ok()?.tenant;
        tenant.may(Needed::Random).then_some(tenant)
    }
}

impl Supply for TenantSupply {
    fn fill(&self, out: &mut [u8]) -> Result<(), Duration> {
        let tenant = self.account().ok_or(RETRY_AFTER)?;
        // A refusal of the generator uses up nothing.
        self.generator.fill(out).map_err(|_| RETRY_AFTER)?;
        let admitted = tenant
            .admit(Instant::now())
            .and_then(|()| tenant.charge(Protocol::Egd, out.len() as u64))
            .map_err(|Exceeded { retry_after, .. }| retry_after);
        match admitted {
            Ok(()) => tenant.count_request(Protocol::Egd),
            Err(_) => out.zeroize(),
        }
        admitted
    }

    fn is_ready(&self) -> bool {
        let has_bytes = |tenant: Arc<Tenant>| tenant.check_bytes(1).is_ok();
        self.generator.check(Instant::now()).is_ok() && self.account().is_some_and(has_bytes)
    }
}
