//! The wall: lamps on a shelf, drawn from a camera's position.

use std::time::Duration;

use crate::source::rendered::colour::Colour;
use crate::source::rendered::lamp::{Lamp, share_of_wax};
use crate::source::rendered::noise::{Random, Sensor, whole};

/// The distance between two lamps, in heights of the picture.
const SPACING: f32 = 0.25;

/// Where the shelf begins, from the top.
const SHELF: f32 = 0.93;

/// A wall of lava lamps in front of a camera. Two with one seed show the same, frame by frame.
pub struct Wall {
    width: usize,
    height: usize,
    lamps: Vec<Lamp>,
    /// The wall with all bottles empty of wax.
    empty: Vec<Colour>,
    /// Every place where wax can be: its lamp, and the colour of its wax.
    glass: Vec<Glass>,
    sensor: Sensor,
}

struct Glass {
    place: usize,
    lamp: usize,
    wax: Colour,
}

impl Wall {
    /// A wall in a picture of this size in pixels. An odd width is rounded up.
    #[must_use]
    pub fn new(seed: u64, width: u32, height: u32) -> Self {
        let (width, height) = (pixels(width.next_multiple_of(2)), pixels(height));
        let mut random = Random(seed);
        let across = length(width) / length(height.max(1));
        let lamps = hang(across, &mut random);
        let mut wall = Self {
            width,
            height,
            lamps,
            empty: Vec::with_capacity(width * height),
            glass: Vec::new(),
            sensor: Sensor::new(seed ^ 0x5e_0000, width * height),
        };
        for place in 0..width * height {
            let (x, y) = wall.at(place);
            let wax =
                |(lamp, it): (usize, &Lamp)| it.wax(x, y).map(|wax| Glass { place, lamp, wax });
            wall.glass.extend(wall.lamps.iter().enumerate().find_map(wax));
            let body = wall.lamps.iter().find_map(|lamp| lamp.body(x, y));
            wall.empty.push(body.unwrap_or_else(|| wall.backdrop(x, y)));
        }
        wall
    }

    /// Draws the wall at this time into a YUYV picture, with fresh noise. Pixels beyond the end of
    /// `yuyv` are left out.
    pub fn draw(&mut self, at: Duration, yuyv: &mut [u8]) {
        let places: Vec<_> = self.lamps.iter().map(|lamp| lamp.places(at)).collect();
        let mut scene = self.empty.clone();
        for glass in &self.glass {
            let (x, y) = self.at(glass.place);
            let share = share_of_wax(&places[glass.lamp], x, y);
            if share > 0.0 {
                scene[glass.place] = scene[glass.place].towards(glass.wax, share);
            }
        }
        let pairs = yuyv.as_chunks_mut::<4>().0.iter_mut();
        for ((number, bytes), pair) in pairs.enumerate().zip(scene.as_chunks::<2>().0) {
            let [left, right] = pair;
            *bytes = [
                self.sensor.read(2 * number, left.y),
                whole(left.u.midpoint(right.u)),
                self.sensor.read(2 * number + 1, right.y),
                whole(left.v.midpoint(right.v)),
            ];
        }
    }

    /// A pixel's place, in heights of the picture.
    fn at(&self, place: usize) -> (f32, f32) {
        let height = length(self.height);
        (length(place % self.width) / height, length(place / self.width) / height)
    }

    /// The wall behind the lamps in their light, or the shelf below them.
    fn backdrop(&self, x: f32, y: f32) -> Colour {
        let plain = Colour::rgb(52.0, 46.0, 58.0).lit(1.0 - 0.25 * y);
        let lit = self.lamps.iter().fold(plain, |colour, lamp| {
            let (halo, strength) = lamp.halo(x, y);
            colour.towards(halo, 0.42 * strength)
        });
        if y < SHELF { lit } else { Colour::rgb(78.0, 56.0, 40.0).towards(lit, 0.35) }
    }
}

/// As many lamps as there is room for, and one at least.
fn hang(across: f32, random: &mut Random) -> Vec<Lamp> {
    let mut lamps = Vec::new();
    let margin = (across / SPACING).fract() * SPACING / 2.0;
    let mut x = if across < SPACING { across / 2.0 } else { margin + SPACING / 2.0 };
    while lamps.is_empty() || x < across {
        lamps.push(Lamp::new(lamps.len(), x, random));
        x += SPACING;
    }
    lamps
}

fn pixels(number: u32) -> usize {
    usize::try_from(number).expect("a picture fits into memory")
}

#[expect(clippy::cast_precision_loss, reason = "pictures are a few thousand pixels wide")]
fn length(pixels: usize) -> f32 {
    pixels as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(wall: &mut Wall, seconds: u64) -> Vec<u8> {
        let mut yuyv = vec![0; 160 * 90 * 2];
        wall.draw(Duration::from_secs(seconds), &mut yuyv);
        yuyv
    }

    #[test]
    fn one_seed_gives_one_wall_and_another_another() {
        let draw = |seed| frame(&mut Wall::new(seed, 160, 90), 5);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn the_lamps_move_and_the_wall_does_not() {
        let mut wall = Wall::new(1, 160, 90);
        let (early, late) = (frame(&mut wall, 0), frame(&mut wall, 9));
        let changed = |threshold: u8| {
            let luma = early.iter().zip(&late).step_by(2);
            luma.filter(|(before, after)| before.abs_diff(**after) > threshold).count()
        };
        assert!(changed(15) > 200, "wax moves: {}", changed(15));
        assert!(changed(15) < 160 * 90 / 4, "the rest stands still: {}", changed(15));
    }

    #[test]
    fn most_of_it_is_neither_black_nor_white() {
        let yuyv = frame(&mut Wall::new(1, 160, 90), 3);
        let in_range = yuyv.iter().step_by(2).filter(|luma| (25..=230).contains(*luma)).count();
        assert!(in_range * 10 > 160 * 90 * 9, "{in_range}");
    }

    #[test]
    fn any_size_and_any_buffer_will_do() {
        for (width, height) in [(0, 0), (1, 1), (2, 900), (900, 2), (17, 33)] {
            Wall::new(1, width, height).draw(Duration::MAX, &mut [0; 1001]);
        }
    }
}
