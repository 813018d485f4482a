//! Raw YUYV: one whole frame after another, with nothing in between.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::Path;

use crate::source::replay::recording::Recording;
use lavawall_entropy::{Frame, PixelFormat, Sample, Shape};

/// A file of raw frames that is played.
pub(super) struct RawVideo {
    file: BufReader<File>,
    frame: Frame,
    frame_bytes: usize,
}

impl RawVideo {
    pub(super) fn open(path: &Path, width: u32, height: u32) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        let format = PixelFormat::Yuyv;
        let frame_bytes = format.payload_bytes(width, height).ok_or("frames are too large")?;
        let frames = length / frame_bytes as u64;
        if frames == 0 {
            return Err(format!(
                "{length} bytes are less than a {width}x{height} YUYV frame of {frame_bytes} bytes"
            ));
        }
        let rest = length % frame_bytes as u64;
        if rest != 0 {
            tracing::warn!(
                "{}: frame {frames} is truncated, or the frames are not {width}x{height}: its {rest} \
                 bytes are left out",
                path.display()
            );
        }
        let frame = Frame { format, width, height, sequence: Some(0), damaged: false };
        Ok(Self { file: BufReader::new(file), frame, frame_bytes })
    }
}

impl Recording for RawVideo {
    fn next(&mut self, sample: &mut Sample) -> Result<bool, String> {
        match self.file.read_exact(sample.resize(self.frame_bytes)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error.to_string()),
        }
        sample.shape = Shape::Frame(self.frame);
        self.frame.sequence = self.frame.sequence.map(|sequence| sequence.wrapping_add(1));
        Ok(true)
    }

    fn rewind(&mut self) -> Result<(), String> {
        self.frame.sequence = Some(0);
        self.file.rewind().map_err(|error| error.to_string())
    }
}
