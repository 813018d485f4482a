#![doc = include_str!("README.md")]

pub mod collector;
pub mod drbg;
pub mod exitcode;
pub mod generator;
pub mod health;
pub mod http;
pub mod sample;
pub mod secret;
pub mod source;
