//! The class of each error of tenants.

use crate::caller::tenants::TenantError;
use crate::http::refusal::{Class, Refusal, Subject};

impl From<TenantError> for Refusal {
    fn from(error: TenantError) -> Self {
        let text = error.to_string();
        let shown = |class| Self::new(class, Subject::Operation, text.clone());
        match error {
            TenantError::Store(error) => error.into(),
            TenantError::NotReady(error) => error.into(),
            TenantError::Name(_)
            | TenantError::TooMany { .. }
            | TenantError::TooManyTokens(_)
            | TenantError::Note(_)
            | TenantError::ExpiresLate(_)
            | TenantError::Expired { .. } => shown(Class::Invalid),
            TenantError::NameTaken(_)
            | TenantError::HasKeys { .. }
            | TenantError::HasNamespaces { .. } => shown(Class::Conflict),
            TenantError::Unknown(_) | TenantError::UnknownToken { .. } => shown(Class::NotFound),
            TenantError::NotLoaded => shown(Class::Unavailable),
            TenantError::Malformed(_) => shown(Class::Damaged).into_fault(),
            TenantError::Audit(_) => {
                let message = "the audit log cannot be written: no tenant is changed";
                Self::new(Class::Unavailable, Subject::Operation, message)
                    .with_operator_message(text)
                    .into_fault()
            }
        }
    }
}
