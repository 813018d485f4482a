//! Eight runs of readings side by side: one operation takes the same place of all of them.
//!
//! A sum of floating-point numbers depends on their order. Each run is summed in its own order, as if it
//! were alone, and so the result is the same to the last bit.

use std::ops::Range;

use crate::health::frames::differences::{BLOCK, Block};

/// Runs side by side: the rows of a block.
pub(super) const LANES: usize = BLOCK;

/// A number for each run.
pub(super) type Lane = [f32; LANES];

/// The readings of eight runs by their place in the run; NaN where there is none.
pub(super) type Lanes = [Lane; BLOCK];

/// The readings of the rows of a block.
pub(super) fn of_rows(values: &[f32], block: &Block) -> Lanes {
    load(values, block.rows())
}

/// Puts the readings of a block back.
pub(super) fn store_rows(lanes: &Lanes, values: &mut [f32], block: &Block) {
    for (lane, row) in block.rows().enumerate() {
        for (value, place) in values[row].iter_mut().zip(lanes) {
            *value = place[lane];
        }
    }
}

/// A number of each run at this place, computed from those of other lanes.
pub(super) fn each(compute: impl FnMut(usize) -> f32) -> Lane {
    std::array::from_fn(compute)
}

/// Sorts each run without a branch: Batcher's odd-even merge sort (Knuth, TAOCP 3, §5.3.4). No number is
/// NaN.
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
        lanes[low] = each(|lane| if a[lane] < b[lane] { a[lane] } else { b[lane] });
        lanes[high] = each(|lane| if a[lane] < b[lane] { b[lane] } else { a[lane] });
    }
}

fn load(values: &[f32], runs: impl Iterator<Item = Range<usize>>) -> Lanes {
    let mut padded = [[f32::NAN; BLOCK]; LANES];
    for (to, run) in padded.iter_mut().zip(runs) {
        let run = &values[run];
        match run.try_into() {
            Ok(whole) => *to = whole,
            Err(_) => to[..run.len()].copy_from_slice(run),
        }
    }
    std::array::from_fn(|place| std::array::from_fn(|lane| padded[lane][place]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::frames::differences::for_each_block;

    #[test]
    fn the_rows_of_every_block_come_back_and_nothing_else_is_touched() {
        for (width, height) in [(8, 8), (20, 11), (3, 2)] {
            let values: Vec<f32> = (0..width * height).map(|at| at as f32).collect();
            let mut back = vec![f32::NAN; values.len()];
            for_each_block(width, values.len(), |block| {
                let lanes = of_rows(&values, block);
                let missing = lanes.as_flattened().iter().filter(|value| value.is_nan()).count();
                assert_eq!(missing, BLOCK * LANES - block.rows().flatten().count());
                store_rows(&lanes, &mut back, block);
            });
            assert_eq!(back, values, "{width}x{height}");
        }
    }

    #[test]
    fn every_order_of_zeros_and_ones_is_sorted_in_every_lane() {
        // What sorts all of these sorts everything (the zero-one principle, Knuth, TAOCP 3, §5.3.4).
        for numbers in 0..1_u32 << BLOCK {
            let bit = |place: usize, lane: usize| (numbers >> ((place + lane) % BLOCK) & 1) as f32;
            let mut lanes: Lanes =
                std::array::from_fn(|place| std::array::from_fn(|lane| bit(place, lane)));
            sort(&mut lanes);
            for lane in 0..LANES {
                let run: Vec<f32> = lanes.iter().map(|place| place[lane]).collect();
                assert!(run.is_sorted(), "{numbers:b}: {run:?}");
            }
        }
    }
}
