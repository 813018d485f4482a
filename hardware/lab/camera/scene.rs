//! What the camera sees: a wall of lamps through a sensor's noise, or something worse.

use std::time::Instant;

use lavawall::Wall;

use super::descriptors::{FRAME_BYTES, HEIGHT, MJPEG, WIDTH};

/// How good the compressed pictures are, in percent.
const JPEG_QUALITY: u8 = 90;

/// What is in front of the lens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    /// The wall.
    Lamps,
    /// The wall as it was when this was commanded, noise and all.
    Frozen,
    /// A lens cap.
    Covered,
}

/// Takes the pictures.
pub(crate) struct Lens {
    wall: Wall,
    started: Instant,
    yuyv: Vec<u8>,
}

impl Lens {
    pub(crate) fn new() -> Self {
        let seed = getrandom::u64().expect("the operating system gives a seed");
        Self {
            wall: Wall::new(seed, WIDTH.into(), HEIGHT.into()),
            started: Instant::now(),
            yuyv: vec![0; FRAME_BYTES as usize],
        }
    }

    /// The next picture, in the format of this number.
    pub(crate) fn take(&mut self, scene: Scene, format: u8) -> Vec<u8> {
        match scene {
            Scene::Lamps => self.wall.draw(self.started.elapsed(), &mut self.yuyv),
            Scene::Frozen => {}
            Scene::Covered => self.cover(),
        }
        if format == MJPEG { compressed(&self.yuyv) } else { self.yuyv.clone() }
    }

    /// Dark, but for what the sensor reads from darkness.
    fn cover(&mut self) {
        let mut noise = vec![0; self.yuyv.len() / 2];
        getrandom::fill(&mut noise).expect("the operating system gives bytes");
        for (pixel, noise) in self.yuyv.as_chunks_mut::<2>().0.iter_mut().zip(noise) {
            *pixel = [16 + (noise & 1), 128];
        }
    }
}

fn compressed(yuyv: &[u8]) -> Vec<u8> {
    let luma: Vec<u8> = yuyv.iter().copied().step_by(2).collect();
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, JPEG_QUALITY)
        .encode(&luma, WIDTH, HEIGHT, jpeg_encoder::ColorType::Luma)
        .expect("a picture of this size can be encoded");
    jpeg
}
