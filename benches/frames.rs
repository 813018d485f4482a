//! Frames of a camera through health tests and hash, one core, against the hash alone.
//!
//! ```text
//! inspect and condition   every check, then SHA-256 of the whole frame     peer: sha2's SHA-256 alone
//! ```
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use lavawall::Wall;
use lavawall_entropy::{
    Conditioner, Frame, FrameTests, FramesConfig, Gate, GateState, PixelFormat, Sample, Shape,
};
use sha2::{Digest, Sha256};

/// Different pictures, shown in turn.
const PICTURES: u64 = 12;

/// Rounds of each, interleaved so that a busy machine slows both alike.
const ROUNDS: usize = 15;

fn main() {
    println!("{:<12} {:>10} {:>12} {:>7}", "YUYV", "frames/s", "SHA-256/s", "ratio");
    for (width, height) in [(1280, 720), (3840, 2160)] {
        measure(width, height);
    }
}

fn measure(width: u32, height: u32) {
    let mut stream = Stream::new(width, height);
    let mut gate =
        Gate::new(Box::new(FrameTests::new(FramesConfig { credited: true, remember: true }, &[])));
    let mut conditioner = Conditioner::new("camera");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(stream.time(|sample| {
            let admission = gate.admit(sample, Instant::now());
            let credit_bits = admission.credit_bits;
            black_box(conditioner.absorb(sample.bytes(), credit_bits, sample.taken));
        }));
        theirs.push(stream.time(|sample| {
            black_box(Sha256::digest(sample.bytes()));
        }));
    }
    // Anything else would have been measured on a shorter way.
    assert!(matches!(gate.state(), GateState::Healthy { .. }), "{:?}", gate.state());
    let [ours, theirs] = [ours, theirs].map(|mut rounds| {
        rounds.sort_unstable();
        1.0 / rounds[ROUNDS / 2].as_secs_f64()
    });
    println!(
        "{:<12} {ours:>10.1} {theirs:>12.1} {:>7.2}",
        format!("{width}x{height}"),
        ours / theirs
    );
}

/// Pictures of the wall, of which no two are the same: a picture that was shown before would be a replay.
struct Stream {
    wall: Wall,
    samples: Vec<Sample>,
    shown: u32,
}

impl Stream {
    fn new(width: u32, height: u32) -> Self {
        let frame =
            Frame { format: PixelFormat::Yuyv, width, height, sequence: None, damaged: false };
        let length = frame.format.payload_bytes(width, height).expect("YUYV has a fixed length");
        let empty = |_| Sample::of(Shape::Frame(frame), &vec![0; length], Instant::now());
        let samples = (0..PICTURES).map(empty).collect();
        Self { wall: Wall::new(7, width, height), samples, shown: 0 }
    }

    /// The mean time that `work` takes for a frame.
    fn time(&mut self, mut work: impl FnMut(&Sample)) -> Duration {
        for sample in &mut self.samples {
            self.shown += 1;
            self.wall.draw(Duration::from_millis(100) * self.shown, sample.buffer());
        }
        let start = Instant::now();
        self.samples.iter().for_each(&mut work);
        start.elapsed() / u32::try_from(self.samples.len()).expect("there are a dozen")
    }
}
