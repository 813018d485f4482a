//! Tries all that a start needs besides the sources: state directory, certificates, tokens, addresses.

use std::iter;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::daemon::{DaemonError, StartResources, admin_socket, state_dir};
use crate::net::unix::AdminSocket;
use crate::state::LOCK;

/// Does what a start does, in its order, and undoes it. The answer are faults that a start survives.
///
/// # Errors
/// As a start.
pub(crate) fn try_start(config: &Config) -> Result<Vec<String>, DaemonError> {
    let path = state_dir(config)?;
    // Dropped last: it removes files of the state directory.
    let _traces = Traces::before(&path, config.http.access_log.as_deref());
    let taken = StartResources::take(config, &path)?;
    let socket = admin_socket(config, &taken.state_dir);
    let mut remarks = Vec::new();
    match AdminSocket::bind(&socket) {
        Ok(bound) => {
            drop(bound);
            // Best effort: a start replaces it.
            let _ = std::fs::remove_file(&socket);
        }
        Err(error) => remarks.push(format!("the admin socket {}: {error}", socket.display())),
    }
    Ok(remarks)
}

/// What a trial makes: a lock of this user would keep another user's service from starting.
struct Traces {
    files: Vec<PathBuf>,
    /// The folders that were missing, the deepest first.
    folders: Vec<PathBuf>,
}

impl Traces {
    fn before(state_dir: &Path, access_log: Option<&Path>) -> Self {
        // A link to nowhere is there, too.
        let is_absent = |path: &Path| path.symlink_metadata().is_err();
        let files = iter::once(state_dir.join(LOCK)).chain(access_log.map(Path::to_owned));
        let folders = state_dir.ancestors().take_while(|folder| is_absent(folder));
        Self {
            folders: folders.map(Path::to_owned).collect(),
            files: files.filter(|file| is_absent(file)).collect(),
        }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Best effort: what remains harms no start of the same user.
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        for folder in self.folders.iter().filter(|folder| !folder.as_os_str().is_empty()) {
            let _ = std::fs::remove_dir(folder);
        }
    }
}
