//! Control requests: what the camera is, what it is asked to stream, and its settings.

use std::collections::BTreeMap;
use std::time::Duration;

use super::descriptors::{self, FRAME_BYTES, INTERVALS, MJPEG, YUYV};

/// The answer to a control request.
pub(crate) enum Answer {
    /// These bytes.
    Data(Vec<u8>),
    /// It brought something, which was taken.
    Taken,
    /// As `Taken`: begin to stream.
    Stream(Terms),
    /// No.
    Refused,
}

/// What is to be streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The number of the format.
    pub(crate) format: u8,
    /// The time from one frame to the next.
    pub(crate) interval: Duration,
}

/// The most that one request for a piece of a picture is answered with, in bytes: what the driver
/// makes of packets of 512 bytes.
const PAYLOAD_BYTES: u32 = 16 * 1024;

/// The control block of UVC 1.0, section 4.3.1.1, in bytes.
const PROBE_BYTES: usize = 26;

/// Requests of UVC 1.0, table A-8.
const SET_CUR: u8 = 0x01;
const GET_CUR: u8 = 0x81;
const GET_MIN: u8 = 0x82;
const GET_MAX: u8 = 0x83;
const GET_RES: u8 = 0x84;
const GET_LEN: u8 = 0x85;
const GET_INFO: u8 = 0x86;
const GET_DEF: u8 = 0x87;

/// The processing unit's frequency of the mains, section 4.2.2.3.6.
const POWER_LINE: (u8, u8) = (2, 0x05);

/// One setting of the camera: current value, range, step or set of values, and default.
struct Setting {
    bytes: usize,
    now: u32,
    min: u32,
    max: u32,
    step: u32,
    default: u32,
}

/// What the camera has been told so far.
pub(crate) struct Control {
    terms: (u8, u32),
    /// By entity and selector.
    settings: BTreeMap<(u8, u8), Setting>,
}

impl Default for Control {
    fn default() -> Self {
        let setting = |bytes, default, min, max, step| {
            let now = default;
            Setting { bytes, now, min, max, step, default }
        };
        let settings = [
            // Camera terminal: exposure by hand (1) or with the aperture left alone (8).
            ((1, 0x02), setting(1, 8, 0, 0, 0x09)),
            // Exposure time in units of 100 µs.
            ((1, 0x04), setting(4, 156, 3, 2047, 1)),
            // Processing unit: brightness and gain.
            ((2, 0x02), setting(2, 128, 0, 255, 1)),
            ((2, 0x04), setting(2, 64, 0, 255, 1)),
            // The mains: none (0), 50 Hz (1) or 60 Hz (2); UVC 1.0 cannot find it.
            (POWER_LINE, setting(1, 0, 0, 2, 1)),
        ];
        Self { terms: (YUYV, INTERVALS[0]), settings: settings.into() }
    }
}

impl Control {
    /// Answers the request in `setup`, which brought `data`.
    pub(crate) fn answer(&mut self, setup: [u8; 8], data: &[u8]) -> Answer {
        let [kind, request, value_low, value_high, index_low, index_high, length_low, length_high] =
            setup;
        let length = usize::from(u16::from_le_bytes([length_low, length_high]));
        let found = match (kind, request) {
            // GET_DESCRIPTOR
            (0x80, 6) => match value_high {
                1 => Some(descriptors::DEVICE.to_vec()),
                2 => Some(descriptors::configuration()),
                3 => descriptors::string(value_low),
                _ => None,
            },
            // GET_STATUS, GET_CONFIGURATION, GET_INTERFACE
            (0x80..=0x82, 0) => Some(vec![0, 0]),
            (0x80, 8) => Some(vec![1]),
            (0x81, 10) => Some(vec![0]),
            // SET_CONFIGURATION, SET_INTERFACE, CLEAR_FEATURE and their like
            (0x00..=0x02, _) => return Answer::Taken,
            (0x21, SET_CUR) if index_low == 1 => return self.negotiate(value_high, data),
            (0xa1, _) if index_low == 1 => self.terms_for(request),
            (0x21, SET_CUR) => return self.set(index_high, value_high, data),
            (0xa1, _) => self.setting_for(index_high, value_high, request),
            _ => None,
        };
        let cut = |mut bytes: Vec<u8>| {
            bytes.truncate(length);
            Answer::Data(bytes)
        };
        found.map_or(Answer::Refused, cut)
    }

    /// The frequency of the mains that it has been told, in Hz; `None` for none.
    pub(crate) fn power_line_hz(&self) -> Option<u32> {
        match self.settings[&POWER_LINE].now {
            1 => Some(50),
            2 => Some(60),
            _ => None,
        }
    }

    /// A proposal (selector 1) or a decision (selector 2) on what is streamed.
    fn negotiate(&mut self, selector: u8, data: &[u8]) -> Answer {
        let Some((format, wanted)) = parse(data) else { return Answer::Refused };
        let nearest = INTERVALS.into_iter().min_by_key(|interval| interval.abs_diff(wanted));
        self.terms = (
            if format == MJPEG { MJPEG } else { YUYV },
            nearest.expect("there are three intervals"),
        );
        let (format, interval) = self.terms;
        match selector {
            1 => Answer::Taken,
            2 => Answer::Stream(Terms {
                format,
                interval: Duration::from_nanos(u64::from(interval) * 100),
            }),
            _ => Answer::Refused,
        }
    }

    fn terms_for(&self, request: u8) -> Option<Vec<u8>> {
        match request {
            GET_CUR | GET_MIN | GET_MAX | GET_DEF => Some(self.probe()),
            GET_LEN => Some(vec![26, 0]),
            GET_INFO => Some(vec![3]),
            _ => None,
        }
    }

    /// The control block that says what would be streamed.
    fn probe(&self) -> Vec<u8> {
        let (format, interval) = self.terms;
        let mut block = vec![0; PROBE_BYTES];
        (block[2], block[3]) = (format, 1);
        block[4..8].copy_from_slice(&interval.to_le_bytes());
        block[18..22].copy_from_slice(&FRAME_BYTES.to_le_bytes());
        block[22..26].copy_from_slice(&PAYLOAD_BYTES.to_le_bytes());
        block
    }

    fn set(&mut self, entity: u8, selector: u8, data: &[u8]) -> Answer {
        match self.settings.get_mut(&(entity, selector)) {
            Some(setting) if setting.bytes == data.len() => {
                let mut wide = [0; 4];
                wide[..data.len()].copy_from_slice(data);
                setting.now = u32::from_le_bytes(wide);
                Answer::Taken
            }
            _ => Answer::Refused,
        }
    }

    fn setting_for(&self, entity: u8, selector: u8, request: u8) -> Option<Vec<u8>> {
        let setting = self.settings.get(&(entity, selector))?;
        let value = match request {
            GET_CUR => setting.now,
            GET_MIN => setting.min,
            GET_MAX => setting.max,
            GET_RES => setting.step,
            GET_DEF => setting.default,
            GET_INFO => return Some(vec![3]),
            GET_LEN => return Some(vec![u8::try_from(setting.bytes).ok()?, 0]),
            _ => return None,
        };
        Some(value.to_le_bytes()[..setting.bytes].to_vec())
    }
}

/// The format and the interval in a control block.
fn parse(block: &[u8]) -> Option<(u8, u32)> {
    let interval = block.get(4..8)?.first_chunk()?;
    Some((*block.get(2)?, u32::from_le_bytes(*interval)))
}
