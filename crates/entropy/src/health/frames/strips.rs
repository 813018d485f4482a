//! The blocks of a picture, from left to right in strips from the top.

use std::ops::Range;

/// Width and height of a block in readings: 32 × 32 pixels.
pub(super) const BLOCK: usize = 8;

/// The places of one block's readings: runs within rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    start: usize,
    stride: usize,
    width: usize,
    pub(super) rows: usize,
}

impl Block {
    /// The place of its first reading.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Each row of the block.
    pub(super) fn rows(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let block = *self;
        (0..self.rows).map(move |row| block.row(row))
    }

    /// One row of the block.
    pub(super) fn row(&self, row: usize) -> Range<usize> {
        let start = self.start + row * self.stride;
        start..start + self.width
    }
}

/// One row of blocks, from the left edge of the picture to the right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strip {
    start: usize,
    width: usize,
    pub(super) rows: usize,
}

impl Strip {
    /// Each block, from left to right.
    pub(super) fn blocks(self) -> impl Iterator<Item = Block> {
        let Self { start, width, rows } = self;
        (0..width).step_by(BLOCK).map(move |x| Block {
            start: start + x,
            stride: width,
            width: BLOCK.min(width - x),
            rows,
        })
    }
}

/// The strips of a picture `width` readings wide, from the top.
pub(super) fn strips(width: usize, readings: usize) -> impl Iterator<Item = Strip> {
    let height = readings.checked_div(width).unwrap_or(0);
    let strip = move |y| Strip { start: y * width, width, rows: BLOCK.min(height - y) };
    (0..height).step_by(BLOCK).map(strip)
}

/// Calls `visit` for every block of a picture `width` readings wide.
pub(super) fn for_each_block(width: usize, readings: usize, mut visit: impl FnMut(&Block)) {
    strips(width, readings).flat_map(Strip::blocks).for_each(|block| visit(&block));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_is_in_one_block_whatever_the_size() {
        for (width, height) in [(1, 1), (7, 3), (8, 8), (9, 17), (40, 23)] {
            let mut visits = vec![0; width * height];
            for_each_block(width, visits.len(), |block| {
                block.rows().for_each(|row| visits[row].iter_mut().for_each(|count| *count += 1));
            });
            assert!(visits.iter().all(|count| *count == 1), "{width}x{height}");
        }
    }
}
