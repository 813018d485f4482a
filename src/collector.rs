//! From sources to seeds: runs every source on a thread of its own, owns the pool, and reseeds
//! the generator.
//!
//! ```text
//! runner (one thread per source): open ─► read ─► gate ─► conditioner ─┐ bounded, one way
//!                        └─► monitor: live assessment (one thread), back to the gate
//! supervisor (one thread):                   pool ◄─ blocks, alarms ◄──┘
//!                                            pool ─► generator.reseed, generator.report_quorum
//! ```
//! A source hands over hashed blocks only, and learns nothing but whether more are needed: it
//! commits blindly, before anything is combined.

pub(crate) mod assessor;
pub(crate) mod config;
pub(crate) mod feed;
pub(crate) mod monitor;
pub(crate) mod status;

mod back_off;
mod command;
mod device_call;
mod event;
mod fresh_queue;
mod handle;
mod rate;
mod runner;
mod self_test;
mod source_thread;
mod supervisor;
mod wakeup;

pub use command::Unavailable;
pub use config::CollectorSettings;
pub use handle::Collector;
