//! The identity of the first camera of a source, enrolled across restarts.
//!
//! ```text
//! camera-<source>.identity    line 1: its name in the configuration; line 2: its identity
//! ```
//! A configuration that names another camera enrols that one: the operator decided so. Removing the
//! file enrols the next camera. With a damaged file no camera is accepted: it may have named another.

use std::io;
use std::sync::Arc;

use crate::durable;
use crate::source::SourceError;
use crate::state::StateDir;

/// The camera enrolled for one source.
#[derive(Debug)]
pub(crate) struct Enrolment {
    dir: Option<Arc<StateDir>>,
    file: String,
    device: String,
    identity: Option<String>,
    /// Why no camera is accepted.
    damage: Option<String>,
}

impl Enrolment {
    /// Reads the enrolment of the source of this name, whose configuration names `device`. Without a
    /// directory it lasts as long as the process.
    pub(crate) fn load(dir: Option<Arc<StateDir>>, id: &str, device: String) -> Self {
        let file = format!("camera-{id}.identity");
        let read = dir.as_ref().map(|dir| durable::read(&dir.file(&file)));
        let (identity, damage) = match read {
            None => (None, None),
            Some(Ok(text)) => match parse(&text) {
                Some((named, identity)) => ((named == device).then_some(identity), None),
                None => (None, Some("it is damaged".to_owned())),
            },
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => (None, None),
            Some(Err(error)) => (None, Some(error.to_string())),
        };
        Self { dir, file, device, identity, damage }
    }

    /// Why no camera may be opened: the file that names the enrolled one cannot be used.
    pub(crate) fn damage(&self) -> Option<SourceError> {
        let damage = self.damage.as_ref()?;
        let reason = format!("{damage}; remove it and restart to enrol the camera that is there");
        Some(SourceError::Refused { what: self.file.clone(), reason })
    }

    /// The enrolled identity, if there is one.
    pub(crate) fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// Enrols a camera unless one is enrolled.
    pub(crate) fn enrol(&mut self, identity: &str) {
        if self.identity.is_some() {
            return;
        }
        tracing::info!(identity, "this camera is enrolled: no other is accepted for this source");
        self.identity = Some(identity.to_owned());
        let Some(dir) = &self.dir else { return };
        let text = format!("{}\n{identity}\n", self.device);
        if let Err(error) = dir.replace(&self.file, text.as_bytes()) {
            tracing::warn!("{}: {error}; enrolled until a restart only", self.file);
        }
    }
}

/// The configured name and the identity in a file.
fn parse(text: &[u8]) -> Option<(String, String)> {
    let (named, identity) = str::from_utf8(text).ok()?.strip_suffix('\n')?.split_once('\n')?;
    let is_whole = !named.is_empty() && !identity.is_empty() && !identity.contains('\n');
    is_whole.then(|| (named.to_owned(), identity.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> (tempfile::TempDir, Arc<StateDir>) {
        let base = tempfile::tempdir().expect("a directory");
        let dir = StateDir::open(&base.path().join("state")).expect("a state directory");
        (base, Arc::new(dir))
    }

    #[test]
    fn the_first_camera_is_held_on_to_across_restarts() {
        let (_base, dir) = dir();
        let load = || Enrolment::load(Some(Arc::clone(&dir)), "camera", "auto".to_owned());
        assert_eq!(load().identity(), None);
        let mut first = load();
        first.enrol("usb:046d:0825 at 0 port 1");
        first.enrol("usb:dead:beef at 0 port 2");
        assert_eq!(first.identity(), Some("usb:046d:0825 at 0 port 1"));
        assert_eq!(load().identity(), first.identity());
    }

    #[test]
    fn naming_another_camera_enrols_that_one_and_each_source_has_its_own() {
        let (_base, dir) = dir();
        let load =
            |id: &str, device: &str| Enrolment::load(Some(Arc::clone(&dir)), id, device.to_owned());
        load("camera", "auto").enrol("first");
        assert_eq!(load("camera", "/dev/video2").identity(), None);
        assert_eq!(load("camera-2", "auto").identity(), None);
    }

    #[test]
    fn with_a_damaged_or_unreadable_file_no_camera_is_accepted_until_it_is_removed() {
        let (_base, dir) = dir();
        let load = || Enrolment::load(Some(Arc::clone(&dir)), "camera", "auto".to_owned());
        let path = dir.file("camera-camera.identity");
        for damaged in
            [&b""[..], b"auto", b"auto\n", b"auto\n\n", b"auto\nusb", b"\nusb\n", b"a\n\xff\n"]
        {
            dir.replace("camera-camera.identity", damaged).expect("writable");
            let error = load().damage().expect("refused").to_string();
            assert!(error.contains("camera-camera.identity refused: it is damaged"), "{error}");
            assert_eq!(load().identity(), None);
        }
        std::fs::remove_file(&path).expect("removed");
        assert!(load().damage().is_none());
        load().enrol("usb:046d:0825 at 0 port 1");
        assert!(load().damage().is_none() && load().identity().is_some());
    }
}
