//! The inspector of frames: tests for a live picture of a lit scene by a real sensor, and the
//! credit of its noise.
//!
//! ```text
//! payload ─► transfer ─► luma grid ─► scene ─► seen before? ─► noise in time ─► credit
//!            whole?      every 4th    covered   frozen, loop    quiet, denoised,
//!                        pixel        clipped                   too good, RCT, APT
//! ```
//! Only the first failed test is reported: a covered lens is not also reported as too quiet.
//! Thresholds are starting values, for a camera that has not been calibrated.

mod block_memory;
mod config;
mod correlation;
mod differences;
mod earlier_noise;
mod fingerprints;
mod flicker;
mod lags;
mod lanes;
mod limits;
mod luma;
mod motion;
mod noise_model;
mod scene;
mod second_differences;
mod strips;
mod transfer;
mod variance;

use crate::health::bits::Bits;
use crate::health::cutoff::{ALPHA_FAST, LEAST_H};
use crate::health::finding::{Finding, HealthTest, Severity};
use crate::health::inspect::{Inspect, Inspection};
use crate::health::limit::HealthLimit;
use crate::health::symbols::{EntropyClaim, SymbolTests};
use crate::sample::{Frame, Sample, Shape};

use block_memory::BlockMemory;
use correlation::{Correlation, LEAST_BLOCKS};
use differences::{Differences, MOST_UNCHANGED};
use earlier_noise::EarlierNoise;
use fingerprints::{Fingerprints, Match};
use flicker::Flicker;
use lags::Lags;
use luma::Luma;
use motion::Motion;
use noise_model::NoiseModel;
use second_differences::SecondDifferences;
use strips::BLOCK;
use transfer::Transfer;
use variance::{LEAST_ACTIVE, Variance};

pub use config::FramesConfig;
pub use luma::FRAME_STEP;

/// Min-entropy taken for the difference of one active pixel, in bits: less than the 0.55 of a
/// single reading at the least σ that counts as active.
pub const H_PER_PIXEL: f64 = 0.5;

/// The fingerprints of two frames are stored on disk, where they can be read: these bits are not
/// secret.
const FINGERPRINTS_BITS: f64 = 128.0;

/// The safety factor for a camera without an assessment: the remaining bits are divided by it.
const SAFETY: f64 = 8.0;

/// The most credit of two frames, in bits.
const MOST_BITS: u32 = 256;

/// Number of frames before the averages in time are valid.
const WARM_UP: u32 = 32;

/// Frames before anything is credited: by then the averages are near their limits, so that a
/// filter just above the threshold is detected.
const SETTLED: u32 = 96;

/// The tests of every frame of one source.
pub struct FrameTests {
    config: FramesConfig,
    /// The assessed min-entropy of an active pixel's difference, derated, in bits.
    assessed: Option<f64>,
    transfer: Transfer,
    fingerprints: Fingerprints,
    blocks: BlockMemory,
    luma: Luma,
    differences: Differences,
    second: SecondDifferences,
    variance: Variance,
    correlation: Correlation,
    flicker: Flicker,
    lags: Lags,
    earlier: EarlierNoise,
    noise_model: NoiseModel,
    motion: Motion,
    symbols: SymbolTests,
    /// Frames since the start, or since the size changed.
    count: u32,
    /// The last frame completed a pair that earns credit, or would if the source were credited.
    has_noise: bool,
    size: Option<Frame>,
}

impl FrameTests {
    /// An inspector with the fingerprints of the pictures of earlier runs, oldest first.
    #[must_use]
    pub fn new(config: FramesConfig, known: &[u64]) -> Self {
        let claim = EntropyClaim { h_per_symbol: H_PER_PIXEL, alpha: ALPHA_FAST, credited: false };
        Self {
            config,
            assessed: None,
            transfer: Transfer::default(),
            fingerprints: Fingerprints::new(known),
            blocks: BlockMemory::default(),
            luma: Luma::default(),
            differences: Differences::default(),
            second: SecondDifferences::default(),
            variance: Variance::default(),
            correlation: Correlation::default(),
            flicker: Flicker::default(),
            lags: Lags::default(),
            earlier: EarlierNoise::default(),
            noise_model: NoiseModel::default(),
            motion: Motion::default(),
            symbols: SymbolTests::binary(claim),
            count: 0,
            has_noise: false,
            size: None,
        }
    }

    /// Whether pictures of this size in pixels can be credited: a smaller one has too few blocks to
    /// judge its noise.
    #[must_use]
    pub fn can_judge(width: u32, height: u32) -> bool {
        let across = |pixels: u32| usize::try_from(pixels).map_or(0, |it| it / FRAME_STEP / BLOCK);
        across(width).saturating_mul(across(height)) >= LEAST_BLOCKS
    }

    /// The first failed test of a raw frame, or its credit.
    fn look(&mut self, frame: Frame, sample: &Sample) -> Result<Credit, Finding> {
        self.start_over_if_resized(frame);
        let payload = sample.bytes();
        if self.luma.fill(&frame, payload).is_none() {
            self.check_repeat(payload)?;
            // Coded pictures are not decoded: each byte counts as passed.
            return Ok(Credit {
                symbols: u32::try_from(payload.len()).unwrap_or(u32::MAX),
                bits: 0,
            });
        }
        scene::check(&self.luma)?;
        self.check_repeat(payload)?;
        self.count = self.count.saturating_add(1);
        if !self.differences.push(&self.luma) {
            return Ok(Credit::default());
        }
        self.check_unchanged()?;
        if self.second.push(&self.luma, &self.differences, &self.variance.held) {
            self.second.set_aside(&self.variance.values);
            self.variance.push(&self.differences, &self.second);
            if self.variance.is_known() {
                let judged = self.variance.judged(&self.second);
                self.correlation.push(self.luma.width, judged, &self.luma.values);
                self.flicker.push(self.correlation.flicker, sample.taken);
                self.check_noise_seen()?;
            }
        } else {
            self.correlation.interrupt();
            self.lags.interrupt();
        }
        self.check_noise()?;
        // Pairs do not overlap: each reading is counted once.
        if self.count.is_multiple_of(2) { self.value() } else { Ok(Credit::default()) }
    }

    /// Detects a picture that was seen before.
    fn check_repeat(&mut self, payload: &[u8]) -> Result<(), Finding> {
        let coded = self.luma.is_empty();
        match self.fingerprints.push(&self.luma.values, payload) {
            Match::Repeat(times) if times >= if coded { 3 } else { 1 } => Err(Finding {
                test: HealthTest::Frozen,
                severity: Severity::Intermittent,
                detail: format!("the same picture {} times in a row", times + 1),
            }),
            Match::Earlier if self.config.remember => Err(Finding {
                test: HealthTest::LoopedReplay,
                severity: Severity::Persistent,
                detail: "a picture that this camera gave before: a recording is played".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Detects noise that was seen before.
    fn check_noise_seen(&mut self) -> Result<(), Finding> {
        if !self.config.remember {
            return Ok(());
        }
        let readings = lags::readings(&self.correlation.now);
        let earlier = self.earlier.push(&readings);
        let lags = self.lags.push(readings);
        let seen = self.blocks.push(&self.luma, |place| self.variance.is_active(place));
        lags?;
        earlier?;
        seen.map_or(Ok(()), |(seen, all)| {
            Err(Finding {
                test: HealthTest::LoopedReplay,
                severity: Severity::Persistent,
                detail: format!(
                    "{seen} of {all} blocks that this camera gave before: a recording is played"
                ),
            })
        })
    }

    fn check_unchanged(&self) -> Result<(), Finding> {
        let share = self.differences.unchanged_share();
        if share <= MOST_UNCHANGED {
            return Ok(());
        }
        let limit = format!("{:.0}", MOST_UNCHANGED * 100.0);
        Err(Finding {
            test: HealthTest::Frozen,
            severity: Severity::Intermittent,
            detail: format!(
                "{} % of the pixels unchanged, limit {limit} %",
                Finding::figure(share * 100.0, 1, &limit)
            ),
        })
    }

    /// Tests the averages in time, once they are valid.
    fn check_noise(&mut self) -> Result<(), Finding> {
        let curve = noise_model::curve(&self.variance, &self.differences);
        noise_model::check_level(&curve)?;
        if self.count < WARM_UP {
            return Ok(());
        }
        self.correlation.check().map_err(|mut finding| {
            if let Some(remark) = self.flicker.remark() {
                finding.detail = format!("{}; {remark}", finding.detail);
            }
            finding
        })?;
        let share = self.variance.active_share();
        if share < LEAST_ACTIVE {
            let limit = format!("{:.0}", LEAST_ACTIVE * 100.0);
            return Err(Finding {
                test: HealthTest::TooQuiet,
                severity: Severity::Intermittent,
                detail: format!(
                    "noise in {} % of the pixels, at least {limit} % needed",
                    Finding::figure(share * 100.0, 1, &limit)
                ),
            });
        }
        self.noise_model.check_curve(&curve)
    }

    /// Tests the lowest bits of the active pixels' differences, and computes their credit.
    fn value(&mut self) -> Result<Credit, Finding> {
        let mut findings = Vec::new();
        let mut symbols = 0;
        let mut bits = Bits::default();
        for difference in self.variance.active(&self.differences) {
            bits.push(u64::from(difference.cast_unsigned()));
            symbols += 1;
            if bits.is_full() {
                self.symbols.push_bits(std::mem::take(&mut bits), &mut findings);
            }
        }
        self.symbols.push_bits(bits, &mut findings);
        // Of equal severities the first: a stuck bit fails both tests.
        if let Some(worst) = findings.into_iter().rev().max_by_key(|finding| finding.severity) {
            return Err(worst);
        }
        // The tests above start with the first frame; no credit before the others are valid.
        if self.count < SETTLED {
            return Ok(Credit::default());
        }
        let is_enough = self.variance.active_share() >= LEAST_ACTIVE;
        self.has_noise = is_enough;
        let is_credited = self.config.credited && is_enough && self.correlation.is_judged;
        let bits = if is_credited {
            self.assessed.map_or_else(|| credit(symbols), |h| credit_assessed(symbols, h))
        } else {
            0
        };
        Ok(Credit { symbols, bits })
    }

    fn start_over_if_resized(&mut self, frame: Frame) {
        let size = Frame { sequence: None, damaged: false, ..frame };
        if self.size.replace(size).is_some_and(|before| before != size) {
            self.forget_pixels();
        }
    }

    fn forget_pixels(&mut self) {
        self.differences = Differences::default();
        self.second = SecondDifferences::default();
        self.variance = Variance::default();
        self.correlation = Correlation::default();
        self.flicker = Flicker::default();
        self.lags = Lags::default();
        self.noise_model = NoiseModel::default();
        self.count = 0;
    }
}

impl Inspect for FrameTests {
    fn inspect(&mut self, sample: &Sample) -> Inspection {
        let Shape::Frame(frame) = sample.shape else {
            return alarm(HealthTest::BadTransfer, "this is no frame".to_owned());
        };
        self.has_noise = false;
        let mut inspection = Inspection::default();
        match self.transfer.check(&frame, sample.bytes()) {
            Ok(notice) => inspection.findings.extend(notice),
            Err(finding) => {
                // Its pixels are not used, and the next frame has no predecessor.
                self.differences = Differences::default();
                inspection.findings.push(finding);
                return inspection;
            }
        }
        match self.look(frame, sample) {
            Ok(credit) => {
                inspection.symbols = credit.symbols;
                inspection.credit_bits = credit.bits;
                inspection.findings.extend(self.motion.check(&self.luma, sample.taken));
            }
            Err(finding) => inspection.findings.push(finding),
        }
        inspection.fingerprint =
            self.config.remember.then(|| self.fingerprints.take_new()).flatten();
        inspection
    }

    fn limits(&self) -> Vec<HealthLimit> {
        let mut limits = self.symbols.limits();
        limits.extend(limits::of(self.config));
        limits
    }

    /// The differences of the active readings of a pair of frames that passed, from the settled
    /// picture on: exactly those that are counted.
    fn noise(&self, _: &Sample, into: &mut Vec<u8>) {
        if self.has_noise {
            // Reserved first: a vector that grows while it holds noise leaves a copy behind.
            into.reserve(self.luma.values.len());
            let active = self.variance.active(&self.differences);
            into.extend(active.map(|difference| difference.to_le_bytes()[0]));
        }
    }

    fn claim(&mut self, assessed: Option<f64>) -> bool {
        // As for other symbols: an assessment below the least is credited nothing.
        let assessed = assessed.map(|h| if h >= LEAST_H { h } else { 0.0 });
        if !self.config.credited || assessed == self.assessed {
            return false;
        }
        self.assessed = assessed;
        self.reset();
        true
    }

    fn claimed(&self) -> Option<f64> {
        // Without an assessment, an eighth of the claim is credited.
        let h = self.assessed.unwrap_or(H_PER_PIXEL / SAFETY);
        (self.config.credited && h > 0.0).then_some(h)
    }

    fn reset(&mut self) {
        self.has_noise = false;
        self.forget_pixels();
        self.transfer = Transfer::default();
        self.motion = Motion::default();
        self.symbols.reset();
    }
}

/// The symbols that passed, and their credit.
#[derive(Debug, Default)]
struct Credit {
    symbols: u32,
    bits: u32,
}

/// min(256, ⌊(active · H − 128) / 8⌋), for a camera without an assessment.
fn credit(active: u32) -> u32 {
    at_most((f64::from(active) * H_PER_PIXEL - FINGERPRINTS_BITS) / SAFETY)
}

/// min(256, ⌊active · H − 128⌋), with the H of an assessment, which was derated then.
fn credit_assessed(active: u32, h: f64) -> u32 {
    at_most(f64::from(active) * h - FINGERPRINTS_BITS)
}

fn at_most(bits: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, and a negative sum gives zero credit"
    )]
    let bits = bits as u32;
    bits.min(MOST_BITS)
}

fn alarm(test: HealthTest, detail: String) -> Inspection {
    let finding = Finding { test, severity: Severity::Intermittent, detail };
    Inspection { findings: vec![finding], ..Inspection::default() }
}

#[cfg(test)]
mod tests;
