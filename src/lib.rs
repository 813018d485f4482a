#![doc = include_str!("README.md")]

pub mod assess;
pub mod audit;
pub mod cli;
pub mod collector;
pub mod conditioner;
pub mod config;
pub mod daemon;
pub mod drbg;
pub mod durable;
pub mod exitcode;
pub mod generator;
pub mod health;
pub mod http;
pub mod json;
pub mod keyring;
pub mod kv;
pub mod pool;
pub mod report;
pub mod sample;
pub mod secret;
mod size;
pub mod source;
