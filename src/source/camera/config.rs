//! The configuration of a camera.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

use crate::source::frame_settings;
use lavawall_entropy::PixelFormat;

/// The camera, and the pictures requested from it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CameraConfig {
    /// `auto`, the default: the first camera there is; or `/dev/video0`; or `usb:046d:0825`, with
    /// `:SERIAL` behind it where two of a kind are plugged in.
    pub device: CameraDevice,
    /// The interface to the camera, default `v4l2`.
    pub backend: Backend,
    /// `yuyv`, the default, or `grey`: raw luma, credited. `mjpeg`: hashed, credited nothing.
    pub format: PixelFormat,
    /// Width in pixels, 16 to 7680, default 1280.
    #[serde(deserialize_with = "frame_settings::width")]
    pub width: u32,
    /// Height in pixels, 16 to 4320, default 720.
    #[serde(deserialize_with = "frame_settings::height")]
    pub height: u32,
    /// Frames per second, 1 to 240, default 10.
    #[serde(deserialize_with = "frame_settings::fps")]
    pub fps: u32,
    /// Frequency of the mains in Hz, 50 or 60, for a camera that can avoid its flicker. Default: the
    /// camera finds it, if it can.
    #[serde(deserialize_with = "power_line_hz")]
    pub power_line_hz: Option<u32>,
    /// Take a camera on a bus that software can fake. For the VM lab; default no.
    pub allow_virtual: bool,
    /// Once the picture has settled, hold exposure, gain, white balance and focus; default yes.
    pub lock_settings: bool,
}

impl Default for CameraConfig {
    fn default() -> Self {
        Self {
            device: CameraDevice::Auto,
            backend: Backend::V4l2,
            format: PixelFormat::Yuyv,
            width: 1280,
            height: 720,
            fps: frame_settings::USUAL_FPS,
            power_line_hz: None,
            allow_virtual: false,
            lock_settings: true,
        }
    }
}

/// How a camera is named.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum CameraDevice {
    /// The first camera there is.
    Auto,
    /// A device file.
    Path(PathBuf),
    /// A USB device by its own numbers.
    Usb {
        /// Vendor number.
        vendor: u16,
        /// Product number.
        product: u16,
        /// Serial number, if it must be a certain one.
        serial: Option<String>,
    },
}

impl TryFrom<String> for CameraDevice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || {
            format!(
                "must be \"auto\", a device file such as \"/dev/video0\", or \
                 \"usb:VENDOR:PRODUCT[:SERIAL]\" with four hex digits each (got {text:?})"
            )
        };
        if text == "auto" {
            return Ok(Self::Auto);
        }
        if text.starts_with('/') {
            return Ok(Self::Path(text.into()));
        }
        let mut parts = text.strip_prefix("usb:").ok_or_else(wrong)?.splitn(3, ':');
        let mut number = || parts.next().and_then(four_hex_digits).ok_or_else(wrong);
        let (vendor, product) = (number()?, number()?);
        let serial = parts.next().map(str::to_owned);
        if serial.as_deref() == Some("") {
            return Err(wrong());
        }
        Ok(Self::Usb { vendor, product, serial })
    }
}

impl fmt::Display for CameraDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Path(path) => path.display().fmt(f),
            Self::Usb { vendor, product, serial } => {
                write!(f, "usb:{vendor:04x}:{product:04x}")?;
                serial.iter().try_for_each(|serial| write!(f, ":{serial}"))
            }
        }
    }
}

/// The interface to a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The kernel's video interface, directly.
    V4l2,
    /// The nokhwa library. It reports neither damaged frames nor sequence numbers.
    #[cfg(feature = "nokhwa")]
    Nokhwa,
}

impl Backend {
    /// Its name in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V4l2 => "v4l2",
            #[cfg(feature = "nokhwa")]
            Self::Nokhwa => "nokhwa",
        }
    }
}

fn power_line_hz<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let hz = u32::deserialize(deserializer)?;
    if [50, 60].contains(&hz) {
        Ok(Some(hz))
    } else {
        Err(de::Error::custom(format!("must be 50 or 60 (got {hz})")))
    }
}

/// A USB vendor or product number, as the kernel and `lsusb` write it.
pub(super) fn four_hex_digits(text: &str) -> Option<u16> {
    let is_hex = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_in_three_ways_and_no_other() {
        for text in ["auto", "/dev/video0", "usb:046d:0825", "usb:046d:0825:A:B"] {
            let device = CameraDevice::try_from(text.to_owned()).expect(text);
            assert_eq!(device.to_string(), text);
        }
        for text in
            ["", "video0", "usb:", "usb:046d", "usb:46d:825", "usb:046d:+825", "usb:046d:0825:"]
        {
            let error = CameraDevice::try_from(text.to_owned()).expect_err(text);
            assert!(error.ends_with(&format!("(got {text:?})")), "{error}");
        }
    }

    #[test]
    fn sizes_and_rates_out_of_range_are_refused_with_the_limit_and_the_value() {
        for (text, reason) in [
            ("width = 15", "must be from 16 to 7680 (got 15)"),
            ("width = 17", "must be even (got 17)"),
            ("width = 7682", "must be from 16 to 7680 (got 7682)"),
            ("height = -1", "must be from 16 to 4320 (got -1)"),
            ("fps = 0", "must be from 1 to 240 (got 0)"),
            ("power-line-hz = 55", "must be 50 or 60 (got 55)"),
        ] {
            let error = toml::from_str::<CameraConfig>(text).expect_err(text);
            assert!(error.message().contains(reason), "{error}");
        }
        assert_eq!(
            toml::from_str::<CameraConfig>("").expect("all defaults"),
            CameraConfig::default()
        );
    }
}
