//! Pictures of each bit plane over time: they show structure that no single figure shows.

use data_encoding::BASE64;

use crate::report::noise::Noise;

/// Symbols in one row of a picture, one pixel each.
const WIDTH: usize = 256;

/// One picture per bit plane, the highest first, as `data:` URLs of PNG files of one bit per pixel:
/// white for 1. Time runs along the rows. Symbols that do not fill a row are left out.
pub(crate) fn pictures(noise: &Noise) -> Vec<(u8, String)> {
    let whole = noise.first.len() / WIDTH * WIDTH;
    (0..noise.bits)
        .rev()
        .filter_map(|plane| Some((plane, picture(&noise.first[..whole], plane)?)))
        .collect()
}

fn picture(symbols: &[u8], plane: u8) -> Option<String> {
    let height = u32::try_from(symbols.len() / WIDTH).ok().filter(|height| *height > 0)?;
    let packed: Vec<u8> = symbols
        .chunks_exact(8)
        .map(|eight| eight.iter().fold(0, |byte, symbol| byte << 1 | (symbol >> plane & 1)))
        .collect();
    let mut png = Vec::new();
    let width = u32::try_from(WIDTH).expect("a row is short");
    let mut encoder = png::Encoder::new(&mut png, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&packed).ok()?;
    writer.finish().ok()?;
    Some(format!("data:image/png;base64,{}", BASE64.encode(&png)))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn pictures_of(symbols: Vec<u8>) -> Vec<(u8, image::GrayImage)> {
        let noise = Noise::of(symbols, None, false, NonZeroUsize::MIN, &|_| ());
        let decode = |(plane, address): (u8, String)| {
            let data = address.strip_prefix("data:image/png;base64,").expect("a PNG");
            let png = BASE64.decode(data.as_bytes()).expect("base64");
            (plane, image::load_from_memory(&png).expect("a picture").to_luma8())
        };
        pictures(&noise).into_iter().map(decode).collect()
    }

    #[test]
    fn every_pixel_is_its_symbols_bit_and_the_highest_plane_comes_first() {
        let symbols: Vec<u8> = (0..32).cycle().step_by(7).take(WIDTH * 3 + 5).collect();
        let found = pictures_of(symbols.clone());
        assert_eq!(found.iter().map(|(plane, _)| *plane).collect::<Vec<_>>(), [4, 3, 2, 1, 0]);
        for (plane, picture) in found {
            assert_eq!(picture.dimensions(), (256, 3), "the last row is not whole");
            for (pixel, symbol) in picture.pixels().zip(&symbols) {
                assert_eq!(pixel.0[0] > 127, symbol >> plane & 1 == 1);
            }
        }
    }

    #[test]
    fn less_than_a_row_is_no_picture() {
        assert!(pictures_of(vec![1; WIDTH - 1]).is_empty());
    }
}
