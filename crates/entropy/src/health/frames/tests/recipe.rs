//! Sequences of frames from a few words per line: `size 160x96`, then the scene and for
//! how many frames, such as `lit 60`, `covered 10`, `gap 5`.

use std::time::{Duration, Instant};

use crate::sample::{Frame, PixelFormat, Sample, Shape};

/// A sequence, and the alarms that must rise.
pub(super) struct Recipe {
    pub(super) expected: Vec<String>,
    steps: Vec<(Scene, usize)>,
}

impl Recipe {
    /// Reads a recipe: `# expect: ALARM` in the first line, other lines with `#` are remarks.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let first = text.lines().next().unwrap_or_default();
        let expected = first.strip_prefix("# expect: ").map(|alarm| vec![alarm.trim().to_owned()]);
        let mut scene = Scene::lit(1);
        let mut steps = Vec::new();
        for line in
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (word, rest) =
                line.split_once(' ').ok_or_else(|| format!("{line:?} says how many?"))?;
            if word == "size" {
                let (width, height) = rest.split_once('x').ok_or("size is WIDTHxHEIGHT")?;
                let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no size"));
                (scene.width, scene.height) = (number(width)?, number(height)?);
                continue;
            }
            let count = rest.parse().map_err(|_| format!("{rest:?} is no number of frames"))?;
            steps.push((scene.seen_as(word)?, count));
        }
        Ok(Self { expected: expected.unwrap_or_default(), steps })
    }

    /// The frames, drawn as they are asked for.
    pub(super) fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        let start = Instant::now();
        let mut number = 0;
        let mut sequence = 0;
        let mut taken = start;
        self.steps
            .iter()
            .flat_map(|(scene, count)| (0..*count).map(move |place| (scene, place)))
            .map(move |(scene, place)| {
                number += 1;
                sequence += if scene.fault == Fault::Gap && place == 0 { 4 } else { 1 };
                taken += if scene.fault == Fault::Static {
                    Duration::from_secs(20)
                } else {
                    Duration::from_millis(100)
                };
                let mut sample = match scene.fault {
                    Fault::Frozen => scene.sample(0),
                    Fault::Loop => scene.sample(place as u64 % 10),
                    _ => scene.sample(number),
                };
                if let Shape::Frame(frame) = &mut sample.shape {
                    frame.sequence = Some(sequence);
                    frame.damaged = scene.fault == Fault::Damaged;
                }
                sample.taken = taken;
                sample
            })
    }
}

/// The fault, if any.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Frozen,
    Loop,
    Static,
    Damaged,
    Short,
    Gap,
    /// Bits that are worth less than claimed, in two ways.
    Sticky,
    Biased,
}

/// The scene, and the level of noise.
#[derive(Clone)]
pub(super) struct Scene {
    width: u32,
    height: u32,
    format: PixelFormat,
    /// Darkest and brightest.
    light: (f32, f32),
    sigma: f32,
    /// The part of the noise that stays from one frame to the next.
    stays: f32,
    /// The part of the noise that comes from the reading to the left.
    spreads: f32,
    /// The share of readings that have noise at all.
    noisy: f32,
    fault: Fault,
    seed: u64,
}

impl Scene {
    /// A wall that is as it should be.
    pub(super) fn lit(seed: u64) -> Self {
        Self {
            width: 160,
            height: 96,
            format: PixelFormat::Yuyv,
            light: (50.0, 180.0),
            sigma: 1.5,
            stays: 0.0,
            spreads: 0.0,
            noisy: 1.0,
            fault: Fault::None,
            seed,
        }
    }

    /// The same wall as a recipe's word says, with a figure behind it or the usual one.
    fn seen_as(&self, word: &str) -> Result<Self, String> {
        let (word, figure) = word
            .split_once('=')
            .map_or((word, None), |(word, figure)| (word, figure.parse::<f32>().ok()));
        let or = |usual: f32| figure.unwrap_or(usual);
        let lit = self.clone();
        let with = |fault| Self { fault, ..self.clone() };
        Ok(match word {
            "lit" => lit,
            "mjpeg" => Self { format: PixelFormat::Mjpeg, ..lit },
            "mjpeg-frozen" => Self { format: PixelFormat::Mjpeg, fault: Fault::Frozen, ..lit },
            "covered" => Self { light: (16.0, 17.0), sigma: 0.8, ..lit },
            "dim" => Self { light: (20.0, 60.0), ..lit },
            "saturated" => Self { light: (150.0, 300.0), ..lit },
            "bright" => Self { light: (60.0, 240.0), ..lit },
            "noise" => Self { sigma: or(1.5), ..lit },
            "noisy" => Self { noisy: or(1.0), ..lit },
            "filtered" => Self { stays: or(0.5), ..lit },
            "smeared" => Self { spreads: or(0.5), ..lit },
            "frozen" => with(Fault::Frozen),
            "loop" => with(Fault::Loop),
            "static" => with(Fault::Static),
            "damaged" => with(Fault::Damaged),
            "short" => with(Fault::Short),
            "gap" => with(Fault::Gap),
            "sticky" => with(Fault::Sticky),
            "biased" => with(Fault::Biased),
            _ => return Err(format!("{word:?} is nothing a camera sees")),
        })
    }

    /// The frame of this number.
    pub(super) fn sample(&self, number: u64) -> Sample {
        let frame = Frame {
            format: self.format,
            width: self.width,
            height: self.height,
            sequence: None,
            damaged: false,
        };
        let mut bytes = match self.format {
            PixelFormat::Mjpeg => coded(self.seed, number),
            _ => self.yuyv(number),
        };
        if self.fault == Fault::Short {
            bytes.truncate(bytes.len() / 2);
        }
        Sample::of(Shape::Frame(frame), &bytes, Instant::now())
    }

    #[expect(clippy::cast_precision_loss, reason = "0 or 1")]
    fn yuyv(&self, number: u64) -> Vec<u8> {
        let mut fresh = Gauss::new(self.seed, number);
        let mut last = Gauss::new(self.seed, number.wrapping_sub(1));
        // The same readings in every frame.
        let mut chosen = Gauss::new(self.seed, u64::MAX);
        let mut bytes = Vec::new();
        let mut to_the_left = 0.0;
        let pixels = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        for (place, (x, y)) in pixels.enumerate() {
            let (now, before) = (fresh.next(), last.next());
            let has_noise = chosen.uniform() < self.noisy;
            let in_time = now * (1.0 - self.stays) + before * self.stays;
            let noise = in_time * (1.0 - self.spreads) + to_the_left * self.spreads;
            // Every 4th pixel is read.
            if place.is_multiple_of(4) {
                to_the_left = in_time;
            }
            let sigma = if has_noise { self.sigma } else { 0.0 };
            let mean = self.mean(x, y, number);
            let value = match self.fault {
                Fault::Biased if (place / 4).is_multiple_of(16) => {
                    even(mean, sigma * noise) + (number % 2) as f32
                }
                Fault::Sticky | Fault::Biased => even(mean, sigma * noise),
                _ => mean + sigma * noise,
            };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clipped")]
            let luma = value.round().clamp(0.0, 255.0) as u8;
            bytes.extend([luma, 128]);
        }
        bytes
    }

    /// A wall that grows brighter to the right, and a blob that rises, unless the scene is still.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn mean(&self, x: u32, y: u32, number: u64) -> f32 {
        let (dark, bright) = self.light;
        let wall = dark + (bright - dark) * x as f32 / self.width as f32;
        let rise = if self.fault == Fault::Static { 0.0 } else { number as f32 * 0.2 };
        let height = self.height as f32;
        let (dx, dy) = (x as f32 - 20.0, (y as f32 + rise) % height - height / 2.0);
        let is_blob = self.light.1 - self.light.0 > 2.0 && dx * dx + dy * dy < 120.0;
        // The wall's own texture keeps means away from the middle of a step.
        let texture = ((x * 7 + y * 13) % 11) as f32 / 11.0;
        wall + texture + if is_blob { 30.0 } else { 0.0 }
    }
}

/// Noise in even steps: the lowest bit of a difference is 0.
fn even(mean: f32, noise: f32) -> f32 {
    mean.floor() + 2.0 * noise.round()
}

/// Something that begins and ends as JPEG does.
fn coded(seed: u64, number: u64) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    bytes.extend(seed.to_be_bytes());
    bytes.extend(number.to_be_bytes());
    bytes.extend([0xff, 0xd9]);
    bytes
}

/// Noise that can be drawn again: `SplitMix64` (Steele, Lea, Flood 2014), and the sum of twelve
/// uniform numbers for a Gaussian one.
struct Gauss(u64);

impl Gauss {
    fn new(seed: u64, number: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    fn next(&mut self) -> f32 {
        let sum: u32 = (0..3)
            .map(|_| self.word())
            .map(|word| (0..4).map(|part| (word >> (16 * part) & 0xffff) as u32).sum::<u32>())
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "noise")]
        let gauss = sum as f32 / 65_536.0 - 6.0;
        gauss
    }

    /// From 0 to 1.
    fn uniform(&mut self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "24 bits")]
        let uniform = (self.word() >> 40) as f32 / (1u32 << 24) as f32;
        uniform
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
