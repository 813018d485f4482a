use std::os::unix::fs::symlink;

use super::*;

/// A sysfs of our own: the kernel's list, by the place of each device.
struct Sysfs(tempfile::TempDir);

impl Sysfs {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("class")).expect("a directory");
        Self(root)
    }

    fn class(&self) -> PathBuf {
        self.0.path().join("class")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        fs::write(path, format!("{text}\n")).expect("writable");
    }

    /// `place` is that of the node's device.
    fn add(&self, place: &str, number: u32, index: &str, name: &str) {
        let node = format!("{place}/video4linux/video{number}");
        self.write(&format!("{node}/index"), index);
        self.write(&format!("{node}/name"), name);
        let root = self.0.path();
        symlink(root.join(place), root.join(&node).join("device")).expect("a link");
        symlink(root.join(&node), self.class().join(format!("video{number}"))).expect("a link");
    }

    fn add_usb(&self, device: &str, number: u32, serial: Option<&str>) {
        self.write(&format!("{device}/idVendor"), "046d");
        self.write(&format!("{device}/idProduct"), "0825");
        if let Some(serial) = serial {
            self.write(&format!("{device}/serial"), serial);
        }
        let (_, port) = device.rsplit_once('/').expect("a path");
        let interface = format!("{device}/{port}:1.0");
        self.add(&interface, number, "0", "C270");
        // A camera's second node carries metadata.
        self.add(&interface, number + 1, "1", "C270");
    }
}

const PCI: &str = "devices/pci0000:00/0000:00:14.0";

fn device(text: &str) -> CameraDevice {
    CameraDevice::try_from(text.to_owned()).expect("a device")
}

#[test]
fn a_camera_is_one_node_with_its_usb_numbers_and_its_port() {
    let sysfs = Sysfs::new();
    sysfs.add_usb(&format!("{PCI}/usb1/1-3"), 0, Some("5A8B"));
    let nodes = list(&sysfs.class());
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].path, Path::new("/dev/video0"));
    assert_eq!(nodes[0].identity(), "usb:046d:0825:5A8B at 0000:00:14.0 port 3");
    assert!(!nodes[0].is_virtual());
}

#[test]
fn the_identity_outlasts_a_restart_and_not_a_change_of_camera_or_port() {
    let identity = |place: &str, serial| {
        let sysfs = Sysfs::new();
        sysfs.add_usb(&format!("{PCI}/{place}"), 4, serial);
        list(&sysfs.class())[0].identity()
    };
    assert_eq!(identity("usb1/1-3/1-3.2", None), identity("usb7/7-3/7-3.2", None));
    assert_ne!(identity("usb1/1-3", None), identity("usb1/1-4", None));
    assert_ne!(identity("usb1/1-3", Some("A")), identity("usb1/1-3", Some("B")));
}

#[test]
fn pictures_that_software_makes_are_told_by_their_place() {
    for (place, usb) in [
        ("devices/platform/vhci_hcd.0/usb3/3-1", true),
        ("devices/platform/dummy_hcd.0/usb2/2-1", true),
        ("devices/platform/vivid.0", false),
        ("devices/virtual", false),
    ] {
        let sysfs = Sysfs::new();
        if usb {
            sysfs.add_usb(place, 0, None);
        } else {
            sysfs.add(place, 0, "0", "made up");
        }
        assert!(list(&sysfs.class())[0].is_virtual(), "{place}");
    }
    let sysfs = Sysfs::new();
    sysfs.add("devices/platform/soc/fe801000.csi", 0, "0", "unicam");
    assert!(!list(&sysfs.class())[0].is_virtual(), "a camera on a board's own bus");
}

#[test]
fn any_camera_means_a_real_one_first_and_then_the_lowest_number() {
    let sysfs = Sysfs::new();
    sysfs.add_usb("devices/platform/vhci_hcd.0/usb3/3-1", 0, None);
    sysfs.add_usb(&format!("{PCI}/usb1/1-5"), 10, None);
    sysfs.add_usb(&format!("{PCI}/usb1/1-3"), 2, None);
    let found = find(&sysfs.class(), &CameraDevice::Auto).expect("there");
    assert_eq!(found.path, Path::new("/dev/video2"));
}

#[test]
fn a_camera_is_found_by_its_numbers_and_its_serial() {
    let sysfs = Sysfs::new();
    sysfs.add_usb(&format!("{PCI}/usb1/1-3"), 0, Some("A"));
    sysfs.add_usb(&format!("{PCI}/usb1/1-4"), 2, Some("B"));
    let path = |text: &str| find(&sysfs.class(), &device(text)).map(|node| node.path);
    assert_eq!(path("usb:046d:0825:B").expect("there"), Path::new("/dev/video2"));
    assert_eq!(path("usb:046D:0825").expect("there"), Path::new("/dev/video0"));
    for absent in ["usb:046d:0826", "usb:046d:0825:C", "/dev/video9"] {
        let error = path(absent).expect_err("absent").to_string();
        assert!(error.starts_with(&format!("camera {absent} not found: ")), "{error}");
    }
}

#[test]
fn no_sysfs_means_no_camera() {
    assert_eq!(list(Path::new("/nowhere")), []);
    let error = find(Path::new("/nowhere"), &CameraDevice::Auto).expect_err("none");
    assert_eq!(error.to_string(), "camera auto not found: this machine has no camera");
}
