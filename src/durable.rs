//! Files that survive a crash whole: the old content or the new, never a part.

mod draft;
mod flush;
mod plain;

#[cfg(feature = "export")]
pub(crate) use draft::Draft;
pub(crate) use draft::{check_can_replace, replace};
pub(crate) use flush::{check_writable, flush, flush_name, remove};
pub(crate) use plain::{open, private, read, read_given};
