//! The `lavawall` program.

fn main() {}
