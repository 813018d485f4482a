//! Disks that are full, cannot be written, or give back something else than was written.

mod damage;
mod flips;
mod kept;
#[path = "../service/running.rs"]
#[allow(dead_code, reason = "shared with the service's tests, which use all of it")]
mod running;
mod served;
