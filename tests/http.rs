//! The HTTP server, driven over real sockets, on a generator seeded in this process.

#[path = "http/appliance.rs"]
mod appliance;
#[path = "http/client.rs"]
mod client;
#[path = "http/lists.rs"]
mod lists;
#[path = "http/random.rs"]
mod random;
