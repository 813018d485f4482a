//! The pages for a browser: the dashboard and the documentation of the interface.
//!
//! Each page is one document with its style and script inside. Its policy allows these two by their
//! hashes and nothing else: no name of a device can become code.

mod dashboard;
mod docs;
mod openapi;
mod page;
pub(crate) mod routes;
mod wall;
