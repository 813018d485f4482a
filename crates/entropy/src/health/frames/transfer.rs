//! Tests for a complete frame, in sequence.

use crate::health::finding::{Finding, HealthTest, Severity};
use crate::sample::{Frame, PixelFormat};

/// Watches the transfer of one stream.
#[derive(Debug, Default)]
pub(super) struct Transfer {
    last_sequence: Option<u32>,
}

impl Transfer {
    /// An error when the frame is not to be trusted; a notice when frames are missing before it,
    /// which harms no frame that did come.
    pub(super) fn check(
        &mut self,
        frame: &Frame,
        payload: &[u8],
    ) -> Result<Option<Finding>, Finding> {
        let last = std::mem::replace(&mut self.last_sequence, frame.sequence);
        let step = last.zip(frame.sequence).map(|(last, now)| now.wrapping_sub(last));
        if frame.damaged {
            return Err(fault("the driver marked the frame as damaged".to_owned()));
        }
        match frame.format.payload_bytes(frame.width, frame.height) {
            Some(whole) if whole != payload.len() => {
                return Err(fault(format!("{} bytes of {whole}", payload.len())));
            }
            None if frame.format == PixelFormat::Mjpeg && !is_whole_jpeg(payload) => {
                return Err(fault("the picture does not begin or end as JPEG does".to_owned()));
            }
            _ => {}
        }
        match step {
            None | Some(1) => Ok(None),
            // A driver that starts again counts from zero.
            Some(_) if frame.sequence == Some(0) => Ok(None),
            Some(step) if (2..=u32::MAX / 2).contains(&step) => {
                let detail = format!("{} frames are missing", step - 1);
                Ok(Some(Finding {
                    test: HealthTest::BadTransfer,
                    severity: Severity::Notice,
                    detail,
                }))
            }
            Some(_) => Err(fault("the driver's frame counter went back".to_owned())),
        }
    }
}

/// SOI at the start, and EOI at the end but for padding with zeros (ISO/IEC 10918-1, B.1).
fn is_whole_jpeg(payload: &[u8]) -> bool {
    let end = payload.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    payload.starts_with(&[0xff, 0xd8]) && payload[..end].ends_with(&[0xff, 0xd9])
}

fn fault(detail: String) -> Finding {
    Finding { test: HealthTest::BadTransfer, severity: Severity::Intermittent, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(format: PixelFormat, sequence: Option<u32>) -> Frame {
        Frame { format, width: 16, height: 2, sequence, damaged: false }
    }

    #[test]
    fn one_byte_too_few_or_too_many_is_a_fault() {
        for (format, whole) in [(PixelFormat::Yuyv, 64), (PixelFormat::Grey, 32)] {
            for (length, is_well) in [(whole - 1, false), (whole, true), (whole + 1, false)] {
                let checked = Transfer::default().check(&frame(format, None), &vec![9; length]);
                assert_eq!(checked.is_ok(), is_well, "{format:?} {length}");
            }
        }
    }

    #[test]
    fn a_jpeg_needs_its_beginning_and_its_end_and_may_be_padded() {
        let check = |bytes: &[u8]| {
            Transfer::default().check(&frame(PixelFormat::Mjpeg, None), bytes).is_ok()
        };
        assert!(check(&[0xff, 0xd8, 1, 2, 0xff, 0xd9]));
        assert!(check(&[0xff, 0xd8, 1, 2, 0xff, 0xd9, 0, 0]));
        assert!(!check(&[0xff, 0xd8, 1, 2, 0xff]));
        assert!(!check(&[1, 2, 0xff, 0xd9]));
        assert!(!check(&[]));
    }

    #[test]
    fn a_gap_is_noted_a_step_back_is_a_fault_and_a_new_start_is_neither() {
        let steps = |first: u32, second: u32| {
            let mut transfer = Transfer::default();
            let mut check =
                |sequence| transfer.check(&frame(PixelFormat::Grey, Some(sequence)), &[0; 32]);
            assert_eq!(check(first), Ok(None));
            check(second)
        };
        assert_eq!(steps(7, 8), Ok(None));
        assert_eq!(steps(u32::MAX, 0), Ok(None));
        assert_eq!(steps(900, 0), Ok(None));
        let gap = steps(7, 10).expect("not a fault").expect("a notice");
        assert_eq!((gap.severity, gap.detail.as_str()), (Severity::Notice, "2 frames are missing"));
        assert!(steps(7, 7).is_err(), "the same again");
        assert!(steps(7, 6).is_err(), "back");
    }

    #[test]
    fn a_damaged_frame_is_a_fault() {
        let damaged = Frame { damaged: true, ..frame(PixelFormat::Grey, None) };
        assert!(Transfer::default().check(&damaged, &[0; 32]).is_err());
    }
}
