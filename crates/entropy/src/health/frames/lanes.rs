//! Eight runs of readings side by side: one operation takes the same place of all of them.
//!
//! A sum of floating-point numbers depends on their order. Each run is summed in its own order, as if it
//! were alone, and so the result is the same to the last bit.

use std::ops::Range;

use wide::bytemuck::cast;
use wide::{f32x4, f32x8};

use crate::health::frames::strips::{BLOCK, Block};

/// Runs side by side: the rows of a block, or one row of eight blocks.
pub(super) const LANES: usize = BLOCK;

/// A number for each run.
pub(super) type Lane = f32x8;

/// The readings of eight runs by their place in the run; NaN where there is none.
pub(super) type Lanes = [Lane; BLOCK];

/// The readings of the rows of a block.
#[inline]
pub(super) fn of_rows(values: &[f32], block: &Block) -> Lanes {
    load(values, block.rows(), f32::NAN)
}

/// The brightness of the rows of a block; zero where there is none.
#[inline]
pub(super) fn light_of_rows(brightness: &[u8], block: &Block) -> Lanes {
    load(brightness, block.rows(), 0)
}

/// The readings of one row of up to eight blocks.
#[inline]
pub(super) fn of_blocks(values: &[f32], blocks: &[Block], row: usize) -> Lanes {
    load(values, blocks.iter().map(|block| block.row(row)), f32::NAN)
}

/// Puts the readings of a block back.
#[inline]
pub(super) fn store_rows(lanes: &Lanes, values: &mut [f32], block: &Block) {
    let rows = transposed(*lanes);
    for (from, row) in rows.iter().map(Lane::as_array).zip(block.rows()) {
        let to = &mut values[row];
        match <&mut [f32; BLOCK]>::try_from(&mut *to) {
            Ok(whole) => *whole = *from,
            Err(_) => to.copy_from_slice(&from[..to.len()]),
        }
    }
}

/// The mean of each of up to eight blocks of so many rows, over the readings that are known in `of`.
pub(super) fn means(values: &[f32], of: &[f32], blocks: &[Block], rows: usize) -> [f32; LANES] {
    let (mut sum, mut count) = (Lane::ZERO, Lane::ZERO);
    for row in 0..rows {
        let values = of_blocks(values, blocks, row);
        let of = of_blocks(of, blocks, row);
        for (value, of) in values.iter().zip(&of) {
            let known = known(*of);
            sum += *value & known;
            count += one(known);
        }
    }
    (sum / count.fast_max(Lane::ONE)).to_array()
}

/// All bits where the number is known, none where it is NaN.
#[inline]
pub(super) fn known(lane: Lane) -> Lane {
    lane.simd_eq(lane)
}

/// One where all bits are set, zero where none is.
#[inline]
pub(super) fn one(mask: Lane) -> Lane {
    Lane::ONE & mask
}

/// Sorts each run without a branch: Batcher's odd-even merge sort (Knuth, TAOCP 3, §5.3.4). No number is
/// NaN.
#[inline]
pub(super) fn sort(lanes: &mut Lanes) {
    const PAIRS: [[usize; 2]; 19] = [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
        [0, 2],
        [1, 3],
        [4, 6],
        [5, 7],
        [1, 2],
        [5, 6],
        [0, 4],
        [1, 5],
        [2, 6],
        [3, 7],
        [2, 4],
        [3, 5],
        [1, 2],
        [3, 4],
        [5, 6],
    ];
    for [low, high] in PAIRS {
        let (a, b) = (lanes[low], lanes[high]);
        lanes[low] = a.fast_min(b);
        lanes[high] = a.fast_max(b);
    }
}

#[inline]
fn load<T: Copy + Into<f32>>(
    values: &[T],
    runs: impl Iterator<Item = Range<usize>>,
    missing: T,
) -> Lanes {
    let mut lanes = [Lane::splat(missing.into()); LANES];
    for (to, run) in lanes.iter_mut().zip(runs) {
        let run = &values[run];
        let whole = run.try_into().unwrap_or_else(|_| {
            let mut padded = [missing; BLOCK];
            padded[..run.len()].copy_from_slice(run);
            padded
        });
        *to = Lane::new(whole.map(Into::into));
    }
    transposed(lanes)
}

/// Runs from places, and places from runs: by quarters of four runs and four places.
#[inline]
fn transposed(lanes: [Lane; 8]) -> [Lane; 8] {
    let halves: [[f32x4; 2]; 8] = cast(lanes);
    let quarter = |first: usize, half: usize| {
        f32x4::transpose(std::array::from_fn(|run| halves[first + run][half]))
    };
    let [left, right] = [0, 1].map(|half| [quarter(0, half), quarter(4, half)]);
    std::array::from_fn(|place| {
        let [upper, lower] = if place < 4 { &left } else { &right };
        cast([upper[place % 4], lower[place % 4]])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::frames::strips::for_each_block;

    #[test]
    fn the_rows_of_every_block_come_back_and_nothing_else_is_touched() {
        for (width, height) in [(8_u8, 8), (20, 11), (3, 2)] {
            let values: Vec<f32> = (0..width * height).map(f32::from).collect();
            let mut back = vec![f32::NAN; values.len()];
            for_each_block(usize::from(width), values.len(), |block| {
                let lanes = of_rows(&values, block);
                let missing =
                    lanes.iter().flat_map(|lane| lane.to_array()).filter(|it| it.is_nan());
                assert_eq!(missing.count(), BLOCK * LANES - block.rows().flatten().count());
                store_rows(&lanes, &mut back, block);
            });
            assert_eq!(back, values, "{width}x{height}");
        }
    }

    #[test]
    fn every_order_of_zeros_and_ones_is_sorted_in_every_lane() {
        // What sorts all of these sorts everything (the zero-one principle, Knuth, TAOCP 3, §5.3.4).
        for numbers in 0..=u8::MAX {
            let bit =
                |place: usize, lane: usize| f32::from(numbers >> ((place + lane) % BLOCK) & 1);
            let mut lanes: Lanes = std::array::from_fn(|place| {
                Lane::new(std::array::from_fn(|lane| bit(place, lane)))
            });
            sort(&mut lanes);
            for lane in 0..LANES {
                let run: Vec<f32> = lanes.iter().map(|place| place.to_array()[lane]).collect();
                assert!(run.is_sorted(), "{numbers:b}: {run:?}");
            }
        }
    }
}
