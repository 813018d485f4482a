//! The limits of the configuration besides those of tenants: of callers without a token, and of the whole
//! service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::caller::Caller;
use crate::caller::ceiling::Ceiling;
use crate::caller::config::LimitsConfig;
use crate::caller::limits::{ByteRate, Limits};
use crate::caller::tenant::{Origin, Tenant};

/// The limits in force; a reload replaces them.
#[derive(Debug)]
pub struct ServiceLimits {
    /// All callers without a token, as one.
    anonymous: Arc<Tenant>,
    has_anonymous: AtomicBool,
    /// The operator's socket: without limits.
    operator: Arc<Tenant>,
    ceiling: Arc<Ceiling>,
}

impl Default for ServiceLimits {
    fn default() -> Self {
        let tenant = |name| {
            let (permissions, account) = (Vec::new(), Arc::default());
            Arc::new(Tenant::new(name, Origin::Unnamed, permissions, account))
        };
        Self {
            anonymous: tenant("anonymous"),
            has_anonymous: AtomicBool::new(false),
            operator: tenant("operator"),
            ceiling: Arc::default(),
        }
    }
}

impl ServiceLimits {
    /// Sets the limits of this configuration. What was used stays used.
    pub(crate) fn set(&self, config: &LimitsConfig) {
        let anonymous = config.of_anonymous();
        self.anonymous.account().limiter.set(anonymous);
        self.has_anonymous.store(anonymous != Limits::default(), Ordering::Relaxed);
        let rate = config.long_answer_bytes.map(|ByteRate(bytes)| bytes);
        self.ceiling.set(config.long_answers, rate);
    }

    /// Whose limits count for a caller; `None` when no limit can refuse it, and nothing is counted.
    #[must_use]
    pub(crate) fn limited<'a>(&'a self, caller: &'a Caller) -> Option<&'a Arc<Tenant>> {
        match caller {
            Caller::Tenant(tenant) => Some(tenant),
            Caller::Anonymous => {
                Some(&self.anonymous).filter(|_| self.has_anonymous.load(Ordering::Relaxed))
            }
            Caller::Peer(_) => None,
        }
    }

    /// Whose share a long answer to a caller is of.
    #[must_use]
    pub(crate) fn sharer<'a>(&'a self, caller: &'a Caller) -> &'a Arc<Tenant> {
        match caller {
            Caller::Tenant(tenant) => tenant,
            Caller::Anonymous => &self.anonymous,
            Caller::Peer(_) => &self.operator,
        }
    }

    /// All callers without a token, as one.
    #[must_use]
    pub(crate) fn anonymous(&self) -> &Arc<Tenant> {
        &self.anonymous
    }

    /// The ceiling of the whole service.
    pub(crate) fn ceiling(&self) -> &Arc<Ceiling> {
        &self.ceiling
    }
}
