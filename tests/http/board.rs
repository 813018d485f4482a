//! Things to put on the board.

use lavawall::{Picture, SourceReport, SourceState};
use lavawall_entropy::{Frame, Kind, PixelFormat};

use crate::appliance::Appliance;

/// A healthy source.
pub(crate) fn report(id: &str, kind: Kind) -> SourceReport {
    SourceReport {
        id: id.to_owned(),
        source_type: "test",
        kind,
        state: SourceState::Healthy,
        required: false,
        credit_bits_per_second: 12.5,
        credited_bits: 4096,
        samples: 77,
        alarms: 2,
        last_alarm: None,
        credit_basis: "none".to_owned(),
        assessed: None,
        live: None,
        identity: Some("usb:0000:0000:SERIAL-NUMBER".to_owned()),
        virtual_device: false,
        notes: Vec::new(),
    }
}

/// Puts up a picture of `source`, which is of this kind.
pub(crate) fn show(appliance: &Appliance, source: &str, kind: Kind, frame: Frame, bytes: Vec<u8>) {
    appliance.board.set_sources(vec![report(source, kind)]);
    appliance.board.show(Picture { source: source.to_owned(), frame, bytes });
}

/// A frame as its driver announces it.
pub(crate) fn frame(format: PixelFormat, width: u32, height: u32) -> Frame {
    Frame { format, width, height, sequence: None, damaged: false }
}
