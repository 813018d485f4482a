//! Credentials for units of systemd: random bytes over the unix socket that `LoadCredential=` names.
//!
//! ```ini
//! LoadCredential=seed:/run/lavawall/credential.sock
//! ```
//! systemd connects when the unit starts, and reads to the end. It binds an abstract address that names unit
//! and credential (systemd.exec(5)).
//!
//! # Security
//! An end without bytes would be an empty credential, which a unit could take for a good one. So a connection is
//! accepted only once its bytes are drawn: until then systemd waits, for as long as the unit may take to start,
//! and a connection that is not accepted when the service stops is reset, which systemd takes for a failure.

pub(crate) mod asking_unit;
pub(crate) mod config;
pub(crate) mod server;
