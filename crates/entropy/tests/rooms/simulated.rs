//! A simulated camera in an ordinary room: photons, reading out, a fixed pattern, flicker of the
//! mains, a shelf that shakes, lava that rises, and a filter in time.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers of a simulation"
)]

use std::f32::consts::TAU;

/// Width of the picture, in pixels.
pub(crate) const WIDTH: usize = 192;

/// Height of the picture, in pixels.
pub(crate) const HEIGHT: usize = 192;

/// What the camera sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum View {
    /// Lamps with sharp edges before a wall with a grain.
    Lamps,
    /// Two levels of brightness, and lava of the one that rises slowly over the other.
    TwoLevels,
    /// A dark wall without noise above, lamps below.
    DarkAbove,
}

/// A room, and the camera in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) view: View,
    /// Frames per second.
    pub(crate) rate: f32,
    /// Flicker of 100 Hz or so: its share of the light, and its frequency in Hz.
    pub(crate) flicker: (f32, f32),
    /// Seconds from the first row to the last: zero for a global shutter.
    pub(crate) readout: f32,
    /// Shake: amplitude in pixels, frequency in Hz, direction in turns.
    pub(crate) shake: (f32, f32, f32),
    /// How much one pixel's zero differs from another's, in steps.
    pub(crate) pattern: f32,
    /// Variance in the dark in steps², and per step of brightness.
    pub(crate) noise: (f32, f32),
    /// How much of each frame a filter in time takes from the last one it gave, 0 to 1.
    pub(crate) filter: f32,
}

impl Room {
    /// A quiet room at ten frames a second.
    pub(crate) fn quiet() -> Self {
        Self {
            view: View::Lamps,
            rate: 10.0,
            flicker: (0.0, 100.0),
            readout: 0.03,
            shake: (0.0, 7.0, 0.0),
            pattern: 0.6,
            noise: (0.5, 0.012),
            filter: 0.0,
        }
    }

    /// Luma, row by row, of one frame after another.
    pub(crate) fn frames(self, seed: u64) -> Frames {
        let mut random = Random(seed);
        let pattern = (0..WIDTH * HEIGHT)
            .map(|_| (1.0 + 0.008 * random.gauss(), self.pattern * random.gauss()))
            .collect();
        Frames { room: self, random, pattern, number: 0, last: Vec::new() }
    }

    /// Brightness at a place and a time, before noise.
    fn brightness(&self, x: f32, y: f32, seconds: f32) -> f32 {
        let (across, down) = (x / WIDTH as f32, y / HEIGHT as f32);
        let grain = 1.5 * (x * 0.31 + 2.0 * (y * 0.045).sin()).sin() + 0.9 * (y * 0.23).sin();
        let wall = 70.0 + 35.0 * across + 12.0 * down + grain;
        let lamps = |ground: f32| {
            let mut light = ground;
            for lamp in 0..3_u8 {
                let middle = WIDTH as f32 * (f32::from(lamp) + 0.5) / 3.0;
                let half = 16.0 + 6.0 * down;
                let inside = edge(half - (x - middle).abs(), 1.5);
                light += inside * (125.0 - 20.0 * down - light);
                for ball in 0..2_u8 {
                    let phase = f32::from(lamp) * 1.7 + f32::from(ball) * 2.4;
                    let up = 0.5
                        + 0.42 * (TAU * seconds / (120.0 + 30.0 * f32::from(ball)) + phase).sin();
                    let (dx, dy) = (x - middle, y - up * HEIGHT as f32);
                    let wax = edge(11.0 - (dx * dx + dy * dy).sqrt(), 1.5);
                    light += wax * (190.0 - light);
                }
            }
            light
        };
        match self.view {
            View::Lamps => lamps(wall),
            View::TwoLevels => {
                let mut light: f32 = 60.0;
                let risen = (seconds - 22.0).max(0.0);
                for ball in 0..6_u8 {
                    let middle = WIDTH as f32 * (f32::from(ball) + 0.5) / 6.0;
                    let top = HEIGHT as f32 * 0.8 - risen * (1.5 + 0.25 * f32::from(ball));
                    let (dx, dy) = (x - middle, y - top);
                    let wax = edge(14.0 - (dx * dx + dy * dy).sqrt(), 1.0);
                    light = light.max(60.0 + 120.0 * wax);
                }
                light
            }
            View::DarkAbove => {
                let lit = edge(down * HEIGHT as f32 - HEIGHT as f32 * 0.5, 2.0);
                let ground = 30.0 + lit * (wall - 30.0);
                if lit > 0.0 { ground + lit * (lamps(wall) - wall) } else { ground }
            }
        }
    }
}

/// Rooms that an honest operator's camera can be in.
pub(crate) fn ordinary() -> [(&'static str, Room); 10] {
    let quiet = Room::quiet();
    let mains = |rate, flicker, readout| Room { rate, flicker, readout, ..quiet };
    let shelf = |rate, shake| Room { rate, shake, ..quiet };
    let dark = Room { view: View::DarkAbove, pattern: 0.05, noise: (-0.08, 0.008), ..quiet };
    [
        ("nothing special", quiet),
        ("flicker of 100 Hz at 15 frames a second", mains(15.0, (0.02, 100.0), 0.03)),
        ("flicker of 100 Hz at 30 frames a second", mains(30.0, (0.02, 100.0), 0.03)),
        ("flicker of 100 Hz, all rows at once", mains(30.0, (0.02, 100.0), 0.0)),
        ("flicker of 120 Hz at 25 frames a second", mains(25.0, (0.03, 120.0), 0.02)),
        ("a shake of 7 Hz", shelf(10.0, (0.2, 7.0, 0.1))),
        ("a shake up and down", shelf(30.0, (0.2, 7.0, 0.25))),
        ("slow lava over two levels", Room { view: View::TwoLevels, ..quiet }),
        ("a dark wall above", dark),
        (
            "all at once",
            Room { rate: 30.0, flicker: (0.02, 100.0), shake: (0.2, 7.0, 0.1), ..dark },
        ),
    ]
}

/// One frame after another, each as `WIDTH * HEIGHT` readings of luma.
pub(crate) struct Frames {
    room: Room,
    random: Random,
    pattern: Vec<(f32, f32)>,
    number: u32,
    last: Vec<f32>,
}

impl Iterator for Frames {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let room = self.room;
        let start = self.number as f32 / room.rate;
        self.number += 1;
        let (amplitude, hertz, turn) = room.shake;
        let sway = amplitude * (TAU * (hertz * start).fract()).sin();
        let (dx, dy) = (sway * (TAU * turn).cos(), sway * (TAU * turn).sin());
        let mut frame = Vec::with_capacity(WIDTH * HEIGHT);
        let first = self.last.is_empty();
        self.last.resize(WIDTH * HEIGHT, 0.0);
        for y in 0..HEIGHT {
            let at = start + room.readout * y as f32 / HEIGHT as f32;
            let (share, hertz) = room.flicker;
            let light = 1.0 + share * (TAU * (hertz * at).fract()).sin();
            for x in 0..WIDTH {
                let place = y * WIDTH + x;
                let (gain, zero) = self.pattern[place];
                let seen = light * room.brightness(x as f32 + dx, y as f32 + dy, start);
                let (read, shot) = room.noise;
                let noise = (read + shot * seen).max(0.0).sqrt() * self.random.gauss();
                let mut value = seen * gain + zero + noise;
                if !first {
                    value += room.filter * (self.last[place] - value);
                }
                self.last[place] = value;
                frame.push((value + 0.5) as u8);
            }
        }
        Some(frame)
    }
}

/// 0 outside, 1 inside, with a slope so many pixels wide.
fn edge(depth: f32, width: f32) -> f32 {
    (depth / width + 0.5).clamp(0.0, 1.0)
}

/// Numbers that can be drawn again: `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Mean 0, standard deviation 1: the sum of eight uniform bytes.
    pub(crate) fn gauss(&mut self) -> f32 {
        let bytes = self.word();
        let pairs = (bytes & 0x00ff_00ff_00ff_00ff) + (bytes >> 8 & 0x00ff_00ff_00ff_00ff);
        let sum = pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48;
        (sum as f32 - 1020.0) / 209.021
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
