//! Finding cameras: the video nodes that the kernel lists in sysfs, and their descriptions.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::camera::config::{CameraDevice, four_hex_digits};
use crate::source::contract::SourceError;

/// Where the kernel lists video nodes.
pub(super) const SYSFS: &str = "/sys/class/video4linux";

/// Parts of a device's place in sysfs that mean that software makes its pictures: USB over a
/// socket, USB gadgets looped back, the kernel's test drivers, `v4l2loopback`.
const SOFTWARE: [&str; 9] =
    ["vhci_hcd", "dummy_hcd", "dummy_udc", "usbip", "virtual", "vivid", "vimc", "vicodec", "vim2m"];

/// One video node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VideoNode {
    /// Its device file.
    pub(super) path: PathBuf,
    /// The driver's name for it.
    pub(super) name: String,
    /// Its place in the machine, without the node itself.
    place: String,
    usb: Option<Usb>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Usb {
    vendor: u16,
    product: u16,
    serial: Option<String>,
}

impl VideoNode {
    /// Whether software can make its pictures, judged by its place.
    pub(super) fn is_virtual(&self) -> bool {
        self.place.split('/').any(|part| SOFTWARE.iter().any(|mark| part.starts_with(mark)))
    }

    /// Its identity: its own description, and the port it is plugged into. Numbers that the kernel
    /// assigns at each start are not part of it.
    pub(super) fn identity(&self) -> String {
        let port = self.place.split('/').filter(|part| !is_dealt_out(part)).collect::<Vec<_>>();
        // A USB port's own name begins with the bus number: 3-1.2 is port 1.2 of bus 3.
        let (last, above) = port.split_last().unwrap_or((&"", &[]));
        let last = if self.usb.is_some() {
            last.split_once('-').map_or(*last, |(_, port)| port)
        } else {
            last
        };
        let controller = above.iter().rev().find(|part| !is_usb_port(part)).unwrap_or(&"");
        match &self.usb {
            Some(usb) => format!("{usb} at {controller} port {last}"),
            None => format!("{} at {controller} {last}", self.name),
        }
    }

    fn is(&self, device: &CameraDevice) -> bool {
        match device {
            CameraDevice::Auto => true,
            CameraDevice::Path(path) => {
                fs::canonicalize(path).unwrap_or_else(|_| path.clone()) == self.path
            }
            CameraDevice::Usb { vendor, product, serial } => self.usb.as_ref().is_some_and(|usb| {
                (usb.vendor, usb.product) == (*vendor, *product)
                    && (serial.is_none() || usb.serial == *serial)
            }),
        }
    }
}

impl fmt::Display for Usb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "usb:{:04x}:{:04x}", self.vendor, self.product)?;
        self.serial.iter().try_for_each(|serial| write!(f, ":{serial}"))
    }
}

/// Every camera below `sysfs`, in the order of their numbers. A camera's further nodes, which carry
/// no pictures, are left out.
pub(super) fn list(sysfs: &Path) -> Vec<VideoNode> {
    let Ok(entries) = fs::read_dir(sysfs) else { return Vec::new() };
    let mut nodes: Vec<_> = entries.flatten().filter_map(|entry| node(&entry.path())).collect();
    nodes.sort_by_key(|node| {
        let digits =
            node.path.to_string_lossy().replace(|letter: char| !letter.is_ascii_digit(), "");
        digits.parse::<u32>().unwrap_or(u32::MAX)
    });
    nodes
}

/// The camera that `device` names, real ones first when any will do.
pub(super) fn find(sysfs: &Path, device: &CameraDevice) -> Result<VideoNode, SourceError> {
    let mut found: Vec<_> = list(sysfs).into_iter().filter(|node| node.is(device)).collect();
    found.sort_by_key(VideoNode::is_virtual);
    found.into_iter().next().ok_or_else(|| SourceError::Absent {
        what: format!("camera {device}"),
        reason: match device {
            CameraDevice::Auto => "this machine has no camera".to_owned(),
            CameraDevice::Path(path) if path.exists() => {
                "it is not a camera's video node".to_owned()
            }
            CameraDevice::Path(_) => "there is no such device".to_owned(),
            CameraDevice::Usb { .. } => "no camera with these numbers is plugged in".to_owned(),
        },
    })
}

/// What sysfs says of one node, or `None` when it is not one that gives pictures.
fn node(entry: &Path) -> Option<VideoNode> {
    if read(&entry.join("index"))? != "0" {
        return None;
    }
    let own = fs::canonicalize(entry).ok()?;
    // A loopback device hangs on nothing.
    let device = fs::canonicalize(entry.join("device")).unwrap_or(own);
    // A USB camera's node hangs on an interface, which hangs on the device.
    let above = device.parent().filter(|above| above.join("idVendor").exists());
    let usb = above.and_then(|above| {
        Some(Usb {
            vendor: four_hex_digits(&read(&above.join("idVendor"))?)?,
            product: four_hex_digits(&read(&above.join("idProduct"))?)?,
            serial: read(&above.join("serial")).filter(|serial| !serial.is_empty()),
        })
    });
    Some(VideoNode {
        path: Path::new("/dev").join(entry.file_name()?),
        name: read(&entry.join("name")).unwrap_or_default(),
        place: above.unwrap_or(&device).to_string_lossy().into_owned(),
        usb,
    })
}

/// One line of sysfs, printable characters only: a device's description ends up in logs.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let printable =
        |letter: char| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' };
    Some(text.trim().chars().map(printable).collect())
}

/// `usb3`: the number of a USB bus, which depends on the order of discovery.
fn is_dealt_out(part: &str) -> bool {
    part.strip_prefix("usb")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `3-1` or `3-1.2`: a hub on the way.
fn is_usb_port(part: &str) -> bool {
    part.split_once('-').is_some_and(|(bus, ports)| {
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number(bus) && ports.split('.').all(is_number)
    })
}

/// A USB camera at `place`.
#[cfg(test)]
pub(super) fn test_node(place: &str) -> VideoNode {
    VideoNode {
        path: "/dev/video0".into(),
        name: "C270".to_owned(),
        place: place.to_owned(),
        usb: Some(Usb { vendor: 0x046d, product: 0x0825, serial: None }),
    }
}

#[cfg(test)]
mod tests;
