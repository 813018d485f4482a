//! The HTTP server, driven over real sockets, on a generator seeded in this process.

#[path = "http/appliance.rs"]
mod appliance;
#[path = "http/board.rs"]
mod board;
#[path = "http/client.rs"]
mod client;
#[path = "http/description.rs"]
mod description;
#[path = "http/host.rs"]
mod host;
#[path = "http/lists.rs"]
mod lists;
#[path = "http/metrics.rs"]
mod metrics;
#[path = "http/pages.rs"]
mod pages;
#[path = "http/random.rs"]
mod random;
#[path = "http/wall.rs"]
mod wall;
#[path = "http/workers_kv.rs"]
mod workers_kv;
