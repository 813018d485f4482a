//! Keys that callers use by name, without seeing them.

mod by_age;
mod changes;
pub(crate) mod fault;
mod revocation;
pub(crate) mod transit_key;

pub(crate) use changes::TransitChange;
pub use fault::TransitFault;
pub(crate) use transit_key::{
    KeyPurpose, MAC_KEY_SIZES, ROTATION_LEAST, TransitKey, TransitName, TransitSettings,
    TransitType, TransitWork, is_key_name,
};
