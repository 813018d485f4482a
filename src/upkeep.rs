//! Work that runs by the clock beside the service.

pub(crate) mod keys;
pub(crate) mod rotation;
