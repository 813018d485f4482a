//! Locking a camera's settings: an automatic adjustment moves the whole picture at once, which looks
//! like noise and is not.

use std::os::fd::BorrowedFd;

use crate::source::camera::v4l2::abi::{Control, read_control, set_control};

/// A setting that adjusts itself.
struct Automatic {
    name: &'static str,
    /// The control that switches it, and the value that means "by hand".
    switch: u32,
    by_hand: i32,
    /// The control that then holds the value, if it is to stay where the camera had brought it.
    value: Option<u32>,
}

/// Numbers from `<linux/v4l2-controls.h>`.
const SETTINGS: [Automatic; 5] = [
    // V4L2_CID_EXPOSURE_AUTO = V4L2_EXPOSURE_MANUAL, V4L2_CID_EXPOSURE_ABSOLUTE
    Automatic { name: "exposure", switch: 0x009a_0901, by_hand: 1, value: Some(0x009a_0902) },
    // V4L2_CID_EXPOSURE_AUTO_PRIORITY: let the frame rate fall for a longer exposure
    Automatic { name: "frame rate", switch: 0x009a_0903, by_hand: 0, value: None },
    // V4L2_CID_AUTOGAIN, V4L2_CID_GAIN
    Automatic { name: "gain", switch: 0x0098_0912, by_hand: 0, value: Some(0x0098_0913) },
    // V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CID_WHITE_BALANCE_TEMPERATURE
    Automatic { name: "white balance", switch: 0x0098_090c, by_hand: 0, value: Some(0x0098_091a) },
    // V4L2_CID_FOCUS_AUTO, V4L2_CID_FOCUS_ABSOLUTE
    Automatic { name: "focus", switch: 0x009a_090c, by_hand: 0, value: Some(0x009a_090a) },
];

/// Holds every setting that the camera has and adjusts by itself. Returns a note for each that it
/// has but does not let go of.
pub(super) fn hold(device: BorrowedFd<'_>) -> Vec<String> {
    let held = SETTINGS.iter().filter_map(|setting| {
        let now = read(device, setting.switch)?;
        if now == setting.by_hand {
            return None;
        }
        let value = setting.value.and_then(|control| Some((control, read(device, control)?)));
        if let Err(error) = write(device, setting.switch, setting.by_hand) {
            return Some(format!("{} cannot be held: {error}", setting.name));
        }
        // Some cameras jump to a default when they are switched over.
        let (control, value) = value?;
        let error = write(device, control, value).err()?;
        Some(format!("{} is held, but not where it was: {error}", setting.name))
    });
    held.collect()
}

/// `V4L2_CID_POWER_LINE_FREQUENCY`
const POWER_LINE: u32 = 0x0098_0918;

/// Tells the camera the frequency of the mains, in Hz, or to find it. Returns a note when it has the
/// setting and does not take the value.
pub(super) fn set_power_line(device: BorrowedFd<'_>, hz: Option<u32>) -> Option<String> {
    let now = read(device, POWER_LINE)?;
    power_line(now, hz, |value| write(device, POWER_LINE, value))
}

/// As [`set_power_line`], of a camera whose setting is `now`.
fn power_line(
    now: i32,
    hz: Option<u32>,
    set: impl FnOnce(i32) -> rustix::io::Result<()>,
) -> Option<String> {
    // V4L2_CID_POWER_LINE_FREQUENCY_50HZ, _60HZ and _AUTO
    let wanted = match hz {
        Some(50) => 1,
        Some(_) => 2,
        None => 3,
    };
    if now == wanted {
        return None;
    }
    let error = set(wanted).err()?;
    Some(match hz {
        Some(hz) => format!("the mains' {hz} Hz cannot be set: {error}"),
        None => "it does not find the mains' frequency itself: set power-line-hz".to_owned(),
    })
}

fn read(device: BorrowedFd<'_>, id: u32) -> Option<i32> {
    let mut control = Control { id, value: 0 };
    read_control(device, &mut control).ok().map(|()| control.value)
}

fn write(device: BorrowedFd<'_>, id: u32, value: i32) -> rustix::io::Result<()> {
    set_control(device, &mut Control { id, value })
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn the_mains_frequency_is_set_unless_it_is_set_and_a_refusal_is_noted() {
        for (now, hz, wanted) in [(0, Some(50), 1), (1, Some(60), 2), (2, None, 3)] {
            let mut set = None;
            let note = power_line(now, hz, |value| {
                set = Some(value);
                Ok(())
            });
            assert_eq!((set, note), (Some(wanted), None), "{hz:?}");
            let note = power_line(wanted, hz, |_| panic!("it is set"));
            assert_eq!(note, None, "{hz:?}");
            let note = power_line(now, hz, |_| Err(Errno::RANGE)).expect("a note");
            assert!(note.contains("mains"), "{note}");
        }
    }
}
