#![doc = include_str!("README.md")]

pub mod api;
pub mod audit;
pub mod calibrate;
pub mod caller;
pub mod cli;
mod client;
pub mod collector;
pub mod config;
pub mod crypto;
pub mod daemon;
pub mod dialect;
pub mod durable;
pub mod exitcode;
pub mod http;
pub mod incident;
pub mod keyring;
pub mod kv;
pub mod machine;
pub mod net;
pub mod plan;
pub mod report;
mod size;
pub mod source;
pub mod state;
pub mod upkeep;
