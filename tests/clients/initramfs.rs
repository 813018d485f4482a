//! Debian's initramfs-tools: the hook for `lavawall seed`, with the functions of the package.

use std::path::Path;
use std::process::Command;

use crate::debian::unpacked;

#[test]
#[ignore = "needs apt-get, unshare and Debian's registry: make clients"]
fn the_hook_puts_all_that_a_seed_needs_into_the_image() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh"])
        .arg(project.join("tests/clients/initramfs.sh"))
        .args([env!("CARGO_BIN_EXE_lavawall").as_ref(), unpacked()])
        .arg(project.join("hardware/initramfs/hooks/lavawall-seed"))
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("1 services must give a seed, and 0 did"), "{said}{complained}");
}
