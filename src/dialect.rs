//! The dialects: one folder per interface, each over the same generator, store and keyring.

pub(crate) mod admin;
pub mod native;
pub(crate) mod web;
pub mod workers_kv;
