//! From sources to seeds: runs every source on a thread of its own, and owns the pool.

pub mod board;
