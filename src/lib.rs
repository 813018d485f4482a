#![doc = include_str!("README.md")]

pub mod assess;
pub mod cli;
pub mod collector;
pub mod conditioner;
pub mod config;
pub mod daemon;
pub mod drbg;
pub mod exitcode;
pub mod generator;
pub mod health;
pub mod http;
pub mod pool;
pub mod sample;
pub mod secret;
pub mod source;
