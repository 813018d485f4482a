//! Pictures of each bit plane over time: they show structure that no single figure shows.

use data_encoding::BASE64;

use crate::report::noise::{Noise, real};

/// Symbols in one row of a picture, one pixel each.
pub(crate) const WIDTH: usize = 256;

/// Standard errors of fair bits that a remark needs: by chance 2·10⁻⁹ for each figure, and 4·10⁻⁶ for a
/// report's source with 8 planes of 257 figures.
const REMARKABLE: f64 = 6.0;

/// One picture per bit plane, the highest first, as `data:` URLs of PNG files of one bit per pixel:
/// white for 1. Time runs along the rows. Symbols that do not fill a row are left out.
pub(crate) fn pictures(noise: &Noise) -> Vec<(u8, String)> {
    let whole = noise.first.len() / WIDTH * WIDTH;
    (0..noise.bits)
        .rev()
        .filter_map(|plane| Some((plane, picture(&noise.first[..whole], plane)?)))
        .collect()
}

/// A remark on each plane with structure, the highest first.
pub(crate) fn remarks(noise: &Noise) -> Vec<String> {
    (0..noise.bits).rev().filter_map(|plane| remark(&noise.first, plane)).collect()
}

fn remark(symbols: &[u8], plane: u8) -> Option<String> {
    // As +1 and −1, less their mean.
    let signs: Vec<f64> =
        symbols.iter().map(|symbol| f64::from(symbol >> plane & 1) * 2.0 - 1.0).collect();
    let count = real(signs.len());
    let mean = signs.iter().sum::<f64>() / count;
    let variance = 1.0 - mean * mean;
    if signs.len() < WIDTH {
        return None;
    }
    if variance <= 0.0 {
        return Some(format!("Bit {plane} is constant."));
    }
    let chance = REMARKABLE / count.sqrt();
    let correlation = |lag: usize| {
        let pairs = signs.iter().zip(&signs[lag..]);
        pairs.map(|(now, then)| (now - mean) * (then - mean)).sum::<f64>() / (count * variance)
    };
    let lags = (1..=WIDTH.min(signs.len() - 1)).map(|lag| (lag, correlation(lag)));
    let strongest = lags.max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()))?;
    let mut found = Vec::new();
    if mean.abs() > chance {
        found.push(format!("{:.2} % of its bits are ones", 50.0 * (1.0 + mean)));
    }
    if strongest.1.abs() > chance {
        let (lag, correlation) = strongest;
        found.push(format!("a bit and the one {lag} later have a correlation of {correlation:.3}"));
    }
    (!found.is_empty()).then(|| format!("Bit {plane} has structure: {}.", found.join("; ")))
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
    fn a_plane_with_structure_is_remarked_on_and_fair_bits_are_not() {
        let mut state = 1_u32;
        let mut fair = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_be_bytes()[1]
        };
        let symbols: Vec<u8> = (0..40_000_u32)
            .map(|at| {
                let constant = 0b1000_0000;
                let periodic = u8::from(at % 200 < 100) << 6;
                let biased = u8::from(fair() < 140) << 5;
                constant | periodic | biased | fair() & 0b1_1111
            })
            .collect();
        let found = remarks(&Noise::of(symbols, Some(8), false, NonZeroUsize::MIN, &|_| ()));
        assert_eq!(found.len(), 3, "{found:?}");
        for (remark, part) in
            found.iter().zip(["Bit 7 is constant", "Bit 6 has structure: a bit", "% of its bits"])
        {
            assert!(remark.contains(part), "{part} in {remark}");
        }
    }

    #[test]
    fn less_than_a_row_is_no_picture() {
        assert!(pictures_of(vec![1; WIDTH - 1]).is_empty());
    }
}
