//! Files that survive a crash whole: the old content or the new, never a part.

mod draft;
mod flush;
mod plain;

pub use draft::{Draft, replace};
pub use flush::{check_writable, flush, flush_name, remove};
pub use plain::{open, private, read, read_given};
