//! Closing a camera that was unplugged. While the kernel removes such a camera from its lists, the
//! last program that has it open must not close it: Linux 6.1 (`__media_device_unregister_entity`)
//! then follows a null pointer under a lock, and the machine sees no camera until it restarts.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The longest wait for the kernel, which needs some milliseconds.
pub(super) const LIMIT: Duration = Duration::from_secs(1);

/// The interval between checks: sysfs sends no event when an entry disappears.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The sysfs path of the device behind a video node, which exists until the kernel has released the
/// device. `None` for a node without a device.
pub(super) fn place(sysfs: &Path, node: &Path) -> Option<PathBuf> {
    sysfs.join(node.file_name()?).join("device").canonicalize().ok()
}

/// Waits until the kernel has released the device at this path, at most `limit`: a driver can also be
/// unbound from a device that stays.
pub(super) fn wait(place: &Path, limit: Duration) {
    let end = Instant::now() + limit;
    while place.exists() && Instant::now() < end {
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_node_is_traced_to_its_device_and_the_device_is_waited_for() {
        let folder = tempfile::tempdir().expect("a directory");
        let (device, node) = (folder.path().join("1-1:1.0"), folder.path().join("video3"));
        fs::create_dir(&device).expect("a directory");
        fs::create_dir(&node).expect("a directory");
        symlink(&device, node.join("device")).expect("a link");
        let found = place(folder.path(), Path::new("/dev/video3")).expect("a place");
        assert_eq!(found, device.canonicalize().expect("a path"));
        assert_eq!(place(folder.path(), Path::new("/dev/video4")), None);

        wait(&found, Duration::ZERO);
        assert!(found.exists(), "it stays, and is not waited for");
        let kernel = thread::spawn(move || fs::remove_dir(&device).expect("removed"));
        wait(&found, Duration::from_mins(10));
        assert!(!found.exists(), "not waited for");
        kernel.join().expect("it ended");
    }
}
