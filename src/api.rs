//! Wire types: the JSON that the service answers and its command line reads, each defined once.
//!
//! ```text
//! status       /status, which the dashboard, /metrics and the report show too
//! keys         /admin/…, over the admin socket
//! store        /client/v4/…, the Workers KV dialect
//! tenants      /admin/tenants… and /tenants/me/usage
//! random       /random and its relatives as JSON
//! sealed_seed  /seed
//! problem      RFC 9457, the error answer
//! ```
//! States, kinds, seals and tests are names on the wire: a client shows one that it does not know. A
//! member that is added later has a default, so that an older answer is still read. [`schema`] derives
//! the schemas of `/openapi.json` from these types; their doc comments are its descriptions.

pub(crate) mod bounded_list;
pub(crate) mod json;
pub(crate) mod keys;
mod names;
pub(crate) mod problem;
pub(crate) mod random;
pub(crate) mod schema;
pub(crate) mod sealed_seed;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod tenants;

#[cfg(test)]
mod tests;
