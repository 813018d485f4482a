//! A picture in any format lavawall reads, as a PNG.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError};

use crate::collector::status::Picture;
use crate::source::jpeg_tables::with_standard_tables;
use lavawall_entropy::PixelFormat;

/// The most pixels of one picture: 4K UHD, the most that a USB camera gives.
const MAX_PIXELS: u64 = 3840 * 2160;

/// Why there is no PNG.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unshowable {
    /// Invalid width or height.
    #[error("{width} by {height} is not a valid size of a picture")]
    Size { width: u32, height: u32 },
    /// The payload has the wrong length for the format.
    #[error("{length} bytes of payload instead of {expected}")]
    Length { length: usize, expected: usize },
    /// The JPEG picture inside is of another size.
    #[error("{width} by {height} inside the JPEG data is not the announced size")]
    OtherSize { width: u32, height: u32 },
    /// The JPEG picture cannot be decoded, or the PNG cannot be written.
    #[error("{0}")]
    Coding(String),
    /// The code that makes it failed.
    #[error("the encoder failed")]
    Crashed,
}

impl From<ImageError> for Unshowable {
    fn from(error: ImageError) -> Self {
        Self::Coding(error.to_string())
    }
}

/// The picture as a PNG, compressed fast rather than well.
pub(crate) fn encode(picture: &Picture) -> Result<Vec<u8>, Unshowable> {
    let (width, height) = (picture.frame.width, picture.frame.height);
    if !(1..=MAX_PIXELS).contains(&(u64::from(width) * u64::from(height))) {
        return Err(Unshowable::Size { width, height });
    }
    let (pixels, colour) = match picture.frame.format {
        PixelFormat::Grey => (raw(picture)?.to_vec(), ExtendedColorType::L8),
        PixelFormat::Yuyv => (yuyv_to_rgb(raw(picture)?), ExtendedColorType::Rgb8),
        PixelFormat::Mjpeg => (jpeg_to_rgb(picture)?, ExtendedColorType::Rgb8),
    };
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&pixels, width, height, colour)?;
    Ok(png)
}

/// The payload of an uncoded picture, if it is of the right length.
fn raw(picture: &Picture) -> Result<&[u8], Unshowable> {
    let (width, height) = (picture.frame.width, picture.frame.height);
    // YUYV shares its colours between two pixels of a row: its width is even.
    let is_halved = picture.frame.format == PixelFormat::Yuyv && !width.is_multiple_of(2);
    let expected = picture.frame.format.payload_bytes(width, height).filter(|_| !is_halved);
    match expected {
        Some(expected) if expected == picture.bytes.len() => Ok(&picture.bytes),
        Some(expected) => Err(Unshowable::Length { length: picture.bytes.len(), expected }),
        None => Err(Unshowable::Size { width, height }),
    }
}

fn jpeg_to_rgb(picture: &Picture) -> Result<Vec<u8>, Unshowable> {
    let decoder = JpegDecoder::new(Cursor::new(with_standard_tables(&picture.bytes)))?;
    let (width, height) = decoder.dimensions();
    // Before anything of that size is allocated.
    if (width, height) != (picture.frame.width, picture.frame.height) {
        return Err(Unshowable::OtherSize { width, height });
    }
    Ok(DynamicImage::from_decoder(decoder)?.into_rgb8().into_raw())
}

fn yuyv_to_rgb(bytes: &[u8]) -> Vec<u8> {
    let (pairs, _) = bytes.as_chunks::<4>();
    let mut rgb = Vec::with_capacity(bytes.len() / 2 * 3);
    for &[y0, u, y1, v] in pairs {
        rgb.extend(pixel(y0, u, v));
        rgb.extend(pixel(y1, u, v));
    }
    rgb
}

/// ITU-R BT.601 in limited range, the default of V4L2 for YUYV:
///
/// R = 1.164 (Y − 16) + 1.596 (V − 128)
/// G = 1.164 (Y − 16) − 0.392 (U − 128) − 0.813 (V − 128)
/// B = 1.164 (Y − 16) + 2.017 (U − 128)
///
/// with the factors in 256ths.
fn pixel(y: u8, u: u8, v: u8) -> [u8; 3] {
    let luma = 298 * (i32::from(y) - 16) + 128;
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    let parts = [luma + 409 * v, luma - 100 * u - 208 * v, luma + 516 * u];
    parts.map(|part| u8::try_from((part >> 8).clamp(0, 255)).expect("clamped to a byte"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavawall_entropy::Frame;

    fn picture(format: PixelFormat, (width, height): (u32, u32), bytes: Vec<u8>) -> Picture {
        let frame = Frame { format, width, height, sequence: None, damaged: false };
        Picture { source: "replay".to_owned(), frame, bytes }
    }

    #[test]
    fn the_colour_bars_of_bt_601_come_out_as_they_are_called() {
        // 100 % bars in limited range; each component within 2 of the nominal value.
        for (yuv, rgb) in [
            ((16, 128, 128), [0, 0, 0]),
            ((235, 128, 128), [255, 255, 255]),
            ((81, 90, 240), [255, 0, 0]),
            ((145, 54, 34), [0, 255, 0]),
            ((41, 240, 110), [0, 0, 255]),
        ] {
            let found = pixel(yuv.0, yuv.1, yuv.2);
            let close = found.iter().zip(rgb).all(|(found, bar)| found.abs_diff(bar) <= 2);
            assert!(close, "{yuv:?} gives {found:?}, not {rgb:?}");
        }
    }

    #[test]
    fn a_payload_of_another_length_is_not_shown() {
        for (format, right) in [(PixelFormat::Grey, 8), (PixelFormat::Yuyv, 16)] {
            assert!(encode(&picture(format, (4, 2), vec![90; right])).is_ok());
            for length in [0, right - 1, right + 1] {
                let expected = Unshowable::Length { length, expected: right };
                assert_eq!(encode(&picture(format, (4, 2), vec![90; length])), Err(expected));
            }
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_before_anything_is_allocated() {
        for (width, height) in [(0, 2), (2, 0), (u32::MAX, u32::MAX), (3840, 2161)] {
            let refused = Err(Unshowable::Size { width, height });
            for format in [PixelFormat::Grey, PixelFormat::Yuyv, PixelFormat::Mjpeg] {
                assert_eq!(encode(&picture(format, (width, height), Vec::new())), refused);
            }
        }
        let odd = picture(PixelFormat::Yuyv, (3, 2), vec![0; 12]);
        assert_eq!(encode(&odd), Err(Unshowable::Size { width: 3, height: 2 }));
    }

    #[test]
    fn a_jpeg_that_is_none_or_of_another_size_is_refused() {
        let nonsense = picture(PixelFormat::Mjpeg, (8, 8), b"no picture".to_vec());
        assert!(matches!(encode(&nonsense), Err(Unshowable::Coding(_))));
        let mut jpeg = Vec::new();
        jpeg_encoder::Encoder::new(&mut jpeg, 90)
            .encode(&[99; 8 * 8 * 3], 8, 8, jpeg_encoder::ColorType::Rgb)
            .expect("a small picture");
        assert!(encode(&picture(PixelFormat::Mjpeg, (8, 8), jpeg.clone())).is_ok());
        let refused = Err(Unshowable::OtherSize { width: 8, height: 8 });
        assert_eq!(encode(&picture(PixelFormat::Mjpeg, (16, 8), jpeg)), refused);
    }
}
