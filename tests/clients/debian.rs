//! Packages of Debian, unpacked and not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::succeed;

/// Each of this version in Debian 12.
const PACKAGES: [&str; 12] = [
    "ent=1.2debian-3",
    "initramfs-tools-core=0.142+deb12u3",
    "pollinate=4.33-3.1",
    "python3-hvac=0.11.2-1",
    // What python3-hvac needs.
    "python3-certifi=2022.9.24-1",
    "python3-chardet=5.1.0+dfsg-2",
    "python3-charset-normalizer=3.0.1-2",
    "python3-idna=3.3-1+deb12u1",
    "python3-pyhcl=0.4.4-2.1",
    "python3-requests=2.28.1+dfsg-1",
    "python3-six=1.16.0-4",
    "python3-urllib3=1.26.12-1+deb12u4",
];

/// The root of their files. Once for all tests.
pub(crate) fn unpacked() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-debian");
        let (root, made) = (folder.join("root"), folder.join("made"));
        if fs::read_to_string(&made).is_ok_and(|text| text == PACKAGES.join(" ")) {
            return root;
        }
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&root).expect("a directory");
        succeed(Command::new("apt-get").arg("download").args(PACKAGES).current_dir(&folder));
        for file in fs::read_dir(&folder).expect("a directory").flatten() {
            let path = file.path();
            if path.extension().is_some_and(|it| it == "deb") {
                succeed(Command::new("dpkg").arg("-x").arg(&path).arg(&root));
            }
        }
        fs::write(&made, PACKAGES.join(" ")).expect("written");
        root
    });
    &FOLDER
}
