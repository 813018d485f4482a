//! Who calls: bearer tokens and unix peers. Knows no HTTP.

pub mod token;
