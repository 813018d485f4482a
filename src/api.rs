//! Wire types that the server and the command line share.

pub mod json;
