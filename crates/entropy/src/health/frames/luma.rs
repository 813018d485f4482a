//! The luma of every 4th pixel each way: far enough apart that sharpening and demosaicing do not
//! tie neighbours together.

use zeroize::Zeroizing;

use crate::sample::Frame;

/// Distance between two readings, in pixels.
pub const FRAME_STEP: usize = 4;

/// Readings of one frame, row by row.
#[derive(Debug, Default)]
pub(super) struct Luma {
    pub(super) width: usize,
    pub(super) values: Zeroizing<Vec<u8>>,
    /// The slope at each reading in steps per two pixels, to the right and down, from the pixels
    /// beside it; zero at the border.
    pub(super) slopes: Zeroizing<Vec<[i16; 2]>>,
}

impl Luma {
    /// Takes the readings of a whole frame; `None`, and none taken, when its pixels are coded.
    pub(super) fn fill(&mut self, frame: &Frame, payload: &[u8]) -> Option<()> {
        self.values.clear();
        self.slopes.clear();
        self.width = 0;
        let step = frame.format.luma_step()?;
        let row_bytes = usize::try_from(frame.width).ok()?.checked_mul(step)?;
        if row_bytes == 0 || !payload.len().is_multiple_of(row_bytes) {
            return None;
        }
        self.width = row_bytes.div_ceil(step * FRAME_STEP);
        let readings = (payload.len() / row_bytes).div_ceil(FRAME_STEP) * self.width;
        self.values.reserve(readings);
        self.slopes.reserve(readings);
        for start in (0..payload.len()).step_by(row_bytes * FRAME_STEP) {
            let row = &payload[start..start + row_bytes];
            let above = start.checked_sub(row_bytes).map(|at| &payload[at..start]);
            let below = payload.get(start + row_bytes..start + 2 * row_bytes);
            // The same row twice has no slope.
            let beside = above.zip(below).unwrap_or((row, row));
            match step {
                1 => self.take_row::<FRAME_STEP>(row, beside),
                _ => self.take_row::<{ 2 * FRAME_STEP }>(row, beside),
            }
        }
        Some(())
    }

    /// Takes one reading of every `APART` bytes of a row, and its slope from the rows above and below.
    fn take_row<const APART: usize>(&mut self, row: &[u8], (above, below): (&[u8], &[u8])) {
        let step = APART / FRAME_STEP;
        let groups = row.as_chunks::<APART>().0;
        let beside = above.as_chunks::<APART>().0.iter().zip(below.as_chunks::<APART>().0);
        let mut left = None;
        self.values.extend(groups.iter().map(|group| group[0]));
        self.slopes.extend(groups.iter().zip(beside).map(|(group, (above, below))| {
            let right = left.map_or(0, |left| slope(left, group[step]));
            left = Some(group[APART - step]);
            [right, slope(above[0], below[0])]
        }));
        // The last group is not whole.
        let place = groups.len() * APART;
        if let Some(value) = row.get(place) {
            self.values.push(*value);
            let right =
                row.get(place + step).zip(left).map_or(0, |(right, left)| slope(left, *right));
            self.slopes.push([right, slope(above[place], below[place])]);
        }
    }

    /// No readings: the pixels were coded.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The means of square blocks of `side` readings, row by row; partial blocks at the right and
    /// the bottom are left out unless there are no others.
    pub(super) fn block_means(&self, side: usize) -> Vec<f32> {
        let height = self.values.len().checked_div(self.width).unwrap_or(0);
        let side = side.min(self.width).min(height).max(1);
        let (across, down) = (self.width / side, height / side);
        let mut sums = vec![0u32; across * down];
        for (y, row) in self.values.chunks_exact(self.width.max(1)).take(down * side).enumerate() {
            for (x, block) in row.chunks_exact(side).enumerate() {
                sums[y / side * across + x] +=
                    block.iter().map(|value| u32::from(*value)).sum::<u32>();
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "sums of a few hundred bytes are exact")]
        let means = sums.into_iter().map(|sum| sum as f32 / (side * side) as f32).collect();
        means
    }
}

fn slope(from: u8, to: u8) -> i16 {
    i16::from(to) - i16::from(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::PixelFormat;

    fn frame(format: PixelFormat, width: u32, height: u32) -> Frame {
        Frame { format, width, height, sequence: None, damaged: false }
    }

    #[test]
    fn every_fourth_pixel_each_way_and_luma_only() {
        // Luma at (x, y) is 10 y + x; colour, between, is 200.
        let grey: Vec<u8> = (0..6u8).flat_map(|y| (0..10u8).map(move |x| 10 * y + x)).collect();
        let yuyv: Vec<u8> = grey.iter().flat_map(|luma| [*luma, 200]).collect();
        let mut luma = Luma::default();
        luma.fill(&frame(PixelFormat::Grey, 10, 6), &grey).expect("raw");
        assert_eq!((luma.width, luma.values.as_slice()), (3, &[0, 4, 8, 40, 44, 48][..]));
        luma.fill(&frame(PixelFormat::Yuyv, 10, 6), &yuyv).expect("raw");
        assert_eq!((luma.width, luma.values.as_slice()), (3, &[0, 4, 8, 40, 44, 48][..]));
    }

    #[test]
    fn readings_have_their_room_before_they_are_taken() {
        // A vector that grows while it holds readings leaves a copy that is not zeroized.
        let mut luma = Luma::default();
        luma.fill(&frame(PixelFormat::Grey, 20, 28), &[7; 20 * 28]).expect("raw");
        assert_eq!((luma.values.len(), luma.values.capacity()), (35, 35));
    }

    #[test]
    fn coded_pictures_have_no_readings() {
        let mut luma = Luma::default();
        assert!(luma.fill(&frame(PixelFormat::Mjpeg, 16, 16), &[0xff; 99]).is_none());
        assert!(luma.is_empty());
    }

    #[test]
    fn block_means_leave_out_what_fills_no_block() {
        let luma = Luma {
            width: 5,
            values: Zeroizing::new(vec![1, 3, 5, 7, 99, 1, 3, 5, 7, 99]),
            ..Luma::default()
        };
        assert_eq!(luma.block_means(2), [2.0, 6.0]);
        assert_eq!(luma.block_means(16), [2.0, 6.0], "no block is larger than the picture");
        assert_eq!(Luma::default().block_means(2), [0.0; 0]);
    }
}
