#![doc = include_str!("README.md")]

pub mod collector;
pub mod conditioner;
pub mod drbg;
pub mod exitcode;
pub mod generator;
pub mod health;
pub mod http;
pub mod pool;
pub mod sample;
pub mod secret;
pub mod source;
