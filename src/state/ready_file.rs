//! The ready file: contains the addresses once the service listens, for the process that started it.

use std::fs::File;
use std::io;
use std::io::Write;
use std::path::PathBuf;

use crate::durable;

/// The ready file cannot be removed or written.
#[derive(Debug, thiserror::Error)]
#[error("--ready-file {path}: {error}")]
pub(crate) struct ReadyFileError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub error: io::Error,
}

/// A ready file, written once.
#[derive(Debug)]
pub(crate) struct ReadyFile {
    path: Option<PathBuf>,
    /// The lines: an address per listener.
    text: String,
}

impl ReadyFile {
    /// Removes the file of an earlier service, which no longer listens there.
    pub(crate) fn new(
        path: Option<PathBuf>,
        addresses: &[impl ToString],
    ) -> Result<Self, ReadyFileError> {
        if let Some(path) = &path {
            durable::remove(path).map_err(|error| ReadyFileError { path: path.clone(), error })?;
        }
        let text = addresses.iter().map(|address| address.to_string() + "\n").collect();
        Ok(Self { path, text })
    }

    /// Writes the addresses, the first time. The file appears whole: a draft beside it is renamed.
    pub(crate) fn write(&mut self) -> Result<(), ReadyFileError> {
        let Some(path) = self.path.take() else { return Ok(()) };
        let mut draft = path.clone().into_os_string();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        // Others may write its directory: a planted link would redirect the draft, or block on a pipe.
        durable::remove(&draft)
            .and_then(|()| File::create_new(&draft))
            .and_then(|mut file| file.write_all(self.text.as_bytes()))
            .and_then(|()| std::fs::rename(&draft, &path))
            .map_err(|error| ReadyFileError { path, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_appears_whole_and_is_written_through_no_link() {
        let folder = tempfile::tempdir().expect("a directory");
        let (path, other) = (folder.path().join("ready"), folder.path().join("other"));
        std::fs::write(&path, "of an earlier service").expect("written");
        std::fs::write(&other, "somebody else's").expect("written");
        let addresses = ["127.0.0.1:8080", "unix:/run/x"];
        let mut file = ReadyFile::new(Some(path.clone()), &addresses).expect("removed");
        assert!(!path.exists());
        std::os::unix::fs::symlink(&other, folder.path().join("ready.new")).expect("made");
        file.write().expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "127.0.0.1:8080\nunix:/run/x\n");
        assert_eq!(std::fs::read_to_string(&other).expect("there"), "somebody else's");
    }
}
