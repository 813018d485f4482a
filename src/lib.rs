#![doc = include_str!("README.md")]
pub mod audit;
pub mod cli;
pub mod collector;
pub mod config;
pub mod daemon;
pub mod durable;
pub mod exitcode;
pub mod http;
pub mod json;
pub mod keyring;
pub mod kv;
pub mod machine;
pub mod report;
mod size;
pub mod source;
