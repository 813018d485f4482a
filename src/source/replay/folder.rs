//! A folder of pictures, in the order of their names.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use image::{ImageReader, Limits};

use crate::source::frame_settings::{LEAST_SIDE, MOST_HEIGHT, MOST_WIDTH};
use crate::source::jpeg_tables::with_standard_tables;
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
    /// Pictures given since the beginning.
    given: u32,
    /// The pictures before this one that cannot be read are in the log.
    told: usize,
    /// Why the last one could not be read.
    broken: Option<String>,
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
        Ok(Self { pictures, next: 0, given: 0, told: 0, broken: None })
    }
}

impl Recording for Folder {
    /// Leaves out pictures that cannot be read, and says so once for each.
    fn next(&mut self, sample: &mut Sample) -> Result<bool, String> {
        while let Some(path) = self.pictures.get(self.next) {
            self.next += 1;
            match picture(path, self.given, sample) {
                Ok(()) => {
                    self.given = self.given.wrapping_add(1);
                    return Ok(true);
                }
                Err(reason) => {
                    if self.next > self.told {
                        self.told = self.next;
                        tracing::warn!("{reason}: the picture is left out");
                    }
                    self.broken = Some(reason);
                }
            }
        }
        match self.broken.take().filter(|_| self.given == 0) {
            Some(reason) => Err(format!("no picture can be read; the last: {reason}")),
            None => Ok(false),
        }
    }

    fn rewind(&mut self) -> Result<(), String> {
        (self.next, self.given) = (0, 0);
        Ok(())
    }
}

/// Reads one picture.
fn picture(path: &Path, number: u32, sample: &mut Sample) -> Result<(), String> {
    let named = |reason: &dyn std::fmt::Display| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        format!("{name}: {reason}")
    };
    // A pipe would be waited for.
    if !path.is_file() {
        return Err(named(&"no file"));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_WIDTH);
    limits.max_image_height = Some(MOST_HEIGHT);
    limits.max_alloc = Some(MOST_MEMORY);
    let file = File::open(path).map_err(|error| named(&error))?;
    let mut bytes = Vec::new();
    file.take(MOST_MEMORY).read_to_end(&mut bytes).map_err(|error| named(&error))?;
    let bytes = Cursor::new(with_standard_tables(&bytes));
    let mut reader =
        ImageReader::new(bytes).with_guessed_format().map_err(|error| named(&error))?;
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| named(&error))?.into_luma8();
    let (width, height) = picture.dimensions();
    if width < LEAST_SIDE || height < LEAST_SIDE {
        return Err(named(&format!(
            "at least {LEAST_SIDE} pixels each way (got {width}x{height})"
        )));
    }
    sample.resize(picture.len()).copy_from_slice(&picture);
    sample.shape = Shape::Frame(Frame {
        format: PixelFormat::Grey,
        width,
        height,
        sequence: Some(number),
        damaged: false,
    });
    Ok(())
}

fn is_picture(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}
