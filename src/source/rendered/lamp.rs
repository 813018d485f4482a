//! One lava lamp: a bottle of coloured liquid on a metal foot, and wax that rises and sinks in it.
//!
//! Lengths are in heights of the picture; x to the right, y down from the top.

use std::f32::consts::{PI, TAU};
use std::time::Duration;

use crate::source::rendered::colour::Colour;
use crate::source::rendered::noise::Random;

/// Where the glass begins and ends.
const GLASS: (f32, f32) = (0.17, 0.77);

/// Where the cap begins, and where the foot ends.
const CAP: f32 = 0.10;
const FOOT: f32 = 0.93;

/// Liquid and wax, red, green and blue.
const KINDS: [([f32; 3], [f32; 3]); 6] = [
    ([70.0, 40.0, 150.0], [255.0, 110.0, 60.0]),
    ([40.0, 90.0, 140.0], [120.0, 255.0, 130.0]),
    ([130.0, 35.0, 60.0], [255.0, 190.0, 60.0]),
    ([30.0, 100.0, 110.0], [255.0, 120.0, 200.0]),
    ([120.0, 75.0, 25.0], [255.0, 70.0, 60.0]),
    ([60.0, 50.0, 120.0], [110.0, 200.0, 255.0]),
];

/// Balls of wax in one lamp, beside what stays at the bottom and at the top.
const BALLS: usize = 5;

/// A lamp.
pub(super) struct Lamp {
    /// Its middle.
    x: f32,
    liquid: Colour,
    wax: Colour,
    balls: [Ball; BALLS],
}

/// One ball of wax and how it moves.
struct Ball {
    radius: f32,
    /// Seconds up and down again, and seconds from side to side.
    periods: (f32, f32),
    phases: (f32, f32),
}

/// A ball at one moment.
#[derive(Clone, Copy)]
pub(super) struct BallPlace {
    x: f32,
    y: f32,
    /// The square of its radius.
    power: f32,
}

impl Lamp {
    /// The lamp of this number, around `x`.
    pub(super) fn new(number: usize, x: f32, random: &mut Random) -> Self {
        let (liquid, wax) = KINDS[number % KINDS.len()];
        let colour = |[red, green, blue]: [f32; 3]| Colour::rgb(red, green, blue);
        let ball = |_| Ball {
            radius: 0.026 + 0.022 * random.uniform(),
            periods: (26.0 + 40.0 * random.uniform(), 9.0 + 12.0 * random.uniform()),
            phases: (TAU * random.uniform(), TAU * random.uniform()),
        };
        Self { x, liquid: colour(liquid), wax: colour(wax), balls: std::array::from_fn(ball) }
    }

    /// Half the lamp's width at this height, or `None` above and below it.
    fn half_width(y: f32) -> Option<f32> {
        let (top, bottom) = GLASS;
        let shoulder = 0.038;
        let belly = |down: f32| shoulder + 0.045 * (down * PI * 0.62).sin();
        match y {
            y if (CAP..top).contains(&y) => {
                Some(shoulder * (0.75 + 0.25 * (y - CAP) / (top - CAP)))
            }
            y if (top..bottom).contains(&y) => Some(belly((y - top) / (bottom - top))),
            y if (bottom..FOOT).contains(&y) => {
                let down = (y - bottom) / (FOOT - bottom);
                // A waist, and then wider again.
                Some(belly(1.0) * (1.0 - 0.95 * down * (1.0 - down) + 0.12 * down))
            }
            _ => None,
        }
    }

    /// How far across the lamp a place is, −1 to 1, or `None` outside.
    fn across(&self, x: f32, y: f32) -> Option<f32> {
        let across = (x - self.x) / Self::half_width(y)?;
        (across.abs() < 1.0).then_some(across)
    }

    /// The colour at a place of the lamp without wax, metal or liquid; `None` beside the lamp.
    pub(super) fn body(&self, x: f32, y: f32) -> Option<Colour> {
        let across = self.across(x, y)?;
        if (GLASS.0..GLASS.1).contains(&y) {
            return Some(self.liquid.lit(glow(across, y)));
        }
        // Brushed metal, with a bright streak left of the middle.
        let streak = 1.0 - (across + 0.35).abs();
        Some(Colour::rgb(96.0, 92.0, 100.0).lit(0.62 + 0.75 * streak.max(0.0).powi(3)))
    }

    /// What can be seen there when it is full of wax, if there is glass.
    pub(super) fn wax(&self, x: f32, y: f32) -> Option<Colour> {
        let across = self.across(x, y)?;
        (GLASS.0..GLASS.1).contains(&y).then(|| self.wax.lit(0.92 * glow(across, y).min(1.12)))
    }

    /// The light it throws on the wall behind it.
    pub(super) fn halo(&self, x: f32, y: f32) -> (Colour, f32) {
        let (dx, dy) = ((x - self.x) / 0.16, (y - 0.52) / 0.34);
        (self.liquid.towards(self.wax, 0.5), (-(dx * dx + dy * dy)).exp())
    }

    /// Where the wax is.
    pub(super) fn places(&self, at: Duration) -> [BallPlace; BALLS + 2] {
        let seconds = at.as_secs_f32();
        let still = |y: f32, radius: f32| BallPlace { x: self.x, y, power: radius * radius };
        std::array::from_fn(|number| match self.balls.get(number) {
            Some(ball) => ball.place(self.x, seconds),
            None if number == BALLS => still(GLASS.1 + 0.005, 0.062),
            None => still(GLASS.0 - 0.01, 0.03),
        })
    }
}

impl Ball {
    fn place(&self, middle: f32, seconds: f32) -> BallPlace {
        let rise = (TAU * seconds / self.periods.0 + self.phases.0).sin();
        // It lingers at both ends, where it is heated and cooled.
        let rise = 0.5 + 0.5 * rise * (1.5 - 0.5 * rise * rise);
        let sway = (TAU * seconds / self.periods.1 + self.phases.1).sin();
        let radius = self.radius * (1.0 + 0.1 * sway);
        let y = GLASS.1 - 0.04 - rise * (GLASS.1 - GLASS.0 - 0.07);
        BallPlace { x: middle + 0.02 * sway, y, power: radius * radius }
    }
}

/// The share of wax in the colour at a place, 0 to 1. Balls that come near each other flow
/// together: each adds its radius² / distance², and wax is where the sum passes one.
pub(super) fn share_of_wax(places: &[BallPlace], x: f32, y: f32) -> f32 {
    let field = |place: &BallPlace| {
        let (dx, dy) = (x - place.x, y - place.y);
        place.power / (dx * dx + dy * dy + 1e-5)
    };
    let sum: f32 = places.iter().map(field).sum();
    ((sum - 0.85) / 0.3).clamp(0.0, 1.0)
}

/// The lamp is lit from below, and glass is darker where one looks through more of it.
fn glow(across: f32, y: f32) -> f32 {
    let down = (y - GLASS.0) / (GLASS.1 - GLASS.0);
    let round = (1.0 - across * across).sqrt();
    let shine = if (across + 0.55).abs() < 0.09 { 0.16 } else { 0.0 };
    (0.50 + 0.62 * down) * (0.62 + 0.38 * round) + shine
}
