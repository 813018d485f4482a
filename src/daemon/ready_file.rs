//! The ready file: tells whoever started the service where it listens, once it does.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::daemon::DaemonError;

/// Written once.
#[derive(Debug)]
pub(super) struct ReadyFile {
    path: Option<PathBuf>,
    address: SocketAddr,
}

impl ReadyFile {
    /// Removes what an earlier service left: it does not listen there any more.
    pub(super) fn new(path: Option<PathBuf>, address: SocketAddr) -> Result<Self, DaemonError> {
        if let Some(path) = &path {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(DaemonError::ReadyFile { path: path.clone(), error });
                }
                _ => {}
            }
        }
        Ok(Self { path, address })
    }

    /// Writes the address, the first time. The file appears whole: it is written beside and moved.
    pub(super) fn write(&mut self) -> Result<(), DaemonError> {
        let Some(path) = self.path.take() else { return Ok(()) };
        let mut draft = path.clone().into_os_string();
        draft.push(".new");
        std::fs::write(&draft, format!("{}\n", self.address))
            .and_then(|()| std::fs::rename(&draft, &path))
            .map_err(|error| DaemonError::ReadyFile { path, error })
    }
}
