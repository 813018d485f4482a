//! Work that runs by the clock beside the service.

mod admin_token;
mod key_work;
pub(crate) mod keys;
mod rotation;
