//! A folder of pictures, in the order of their names.

use std::path::{Path, PathBuf};

use image::{ImageReader, Limits};

use crate::source::frame_settings::{LEAST_SIDE, MOST_HEIGHT, MOST_WIDTH};
use crate::source::replay::recording::Recording;
use lavawall_entropy::{Frame, PixelFormat, Sample, Shape};

/// What pictures are called.
const EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "pgm", "ppm", "pbm", "pnm"];

/// The most memory that decoding one picture may take, in bytes: 8K at four bytes a pixel, twice.
const MOST_MEMORY: u64 = 2 * 4 * 7680 * 4320;

/// A folder that is played.
pub(super) struct Folder {
    pictures: Vec<PathBuf>,
    next: usize,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let entries = std::fs::read_dir(path).map_err(|error| error.to_string())?;
        let mut pictures: Vec<_> =
            entries.flatten().map(|entry| entry.path()).filter(|path| is_picture(path)).collect();
        if pictures.is_empty() {
            return Err("it holds no PNG, JPEG or PNM picture".to_owned());
        }
        pictures.sort();
        Ok(Self { pictures, next: 0 })
    }
}

impl Recording for Folder {
    fn next(&mut self, sample: &mut Sample) -> Result<bool, String> {
        let Some(path) = self.pictures.get(self.next) else { return Ok(false) };
        let named = |reason: &dyn std::fmt::Display| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            format!("{name}: {reason}")
        };
        let mut limits = Limits::default();
        limits.max_image_width = Some(MOST_WIDTH);
        limits.max_image_height = Some(MOST_HEIGHT);
        limits.max_alloc = Some(MOST_MEMORY);
        let mut reader = ImageReader::open(path).map_err(|error| named(&error))?;
        reader.limits(limits);
        let picture = reader.decode().map_err(|error| named(&error))?.into_luma8();
        let (width, height) = picture.dimensions();
        if width < LEAST_SIDE || height < LEAST_SIDE {
            return Err(named(&format!(
                "at least {LEAST_SIDE} pixels each way (got {width}x{height})"
            )));
        }
        sample.resize(picture.len()).copy_from_slice(&picture);
        let sequence = u32::try_from(self.next).ok();
        sample.shape = Shape::Frame(Frame {
            format: PixelFormat::Grey,
            width,
            height,
            sequence,
            damaged: false,
        });
        self.next += 1;
        Ok(true)
    }

    fn rewind(&mut self) -> Result<(), String> {
        self.next = 0;
        Ok(())
    }
}

fn is_picture(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}
