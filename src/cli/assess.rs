//! `lavawall assess`: the min-entropy of a file of noise.

mod estimates;
mod iid;
mod input;
mod outcome;
mod restart;

use std::path::PathBuf;

use clap::Args;

use crate::cli::assess::outcome::AssessmentOutput;
use crate::cli::error::CommandError;
use crate::cli::progress::Bar;
use crate::cli::thread_arguments::ThreadArguments;
use crate::cli::{noise_capture, print};
use lavawall_assess as assess;
use lavawall_assess::Samples;

/// Assess the min-entropy of raw noise by SP 800-90B
///
/// The file has one sample per byte. The figures are those of NIST's reference program. For example:
/// lavawall assess raw.bin --bits 8 --claim 2.5
///
/// Exits with 1 when the claim is not met, a test fails, or the samples are too few for a verdict.
#[derive(Debug, Args)]
pub(crate) struct AssessArguments {
    /// Raw samples, one per byte; - is standard input
    file: PathBuf,
    /// Take this many samples, and no more [default: all; of a device 1000000]
    #[arg(long, value_name = "N", value_parser = noise_capture::symbols_to_assess)]
    samples: Option<usize>,
    /// Bits per sample, 1 to 8 [default: as many as the largest sample has]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=8))]
    bits: Option<u8>,
    /// The min-entropy claimed, in bits per sample: exit with 1 when it is lower
    #[arg(long, value_name = "H", value_parser = claim)]
    claim: Option<f64>,
    /// Test whether the samples are independent and identically distributed (§5) instead
    #[arg(long)]
    iid: bool,
    /// The file has 1,000 samples of each of 1,000 starts, one start after the other: test them
    /// against the initial estimate given with --claim (§3.1.4). With --iid, use only the most common
    /// value estimate
    #[arg(long, requires = "claim")]
    restart: bool,
    #[command(flatten)]
    threads: ThreadArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &AssessArguments) -> Result<(), CommandError> {
    let name = arguments.file.display();
    let raw = input::read(&arguments.file, arguments.samples)?;
    input::note_text(&raw);
    let samples = Samples::new(raw, arguments.bits)
        .map_err(|error| CommandError::data(format!("{name}: {error}")))?;
    let bits = f64::from(samples.bits());
    if let Some(claim) = arguments.claim.filter(|claim| *claim > bits) {
        return Err(CommandError::usage(format!(
            "claim: must be from 0 to {bits}, the bits of a sample (got {claim})"
        )));
    }
    noise_capture::note_few_samples(samples.len());
    let output = arguments.assess(&samples).map_err(CommandError::data)?;
    let text = if arguments.json { output.json } else { output.text };
    print::line_if_read(text.trim_end())?;
    output.complaint.map_or(Ok(()), |complaint| Err(CommandError::failure(complaint)))
}

impl AssessArguments {
    /// Runs the restart tests, the tests for IID, or the estimators.
    fn assess(&self, samples: &Samples) -> Result<AssessmentOutput, String> {
        let threads = self.threads.count();
        match self.claim {
            Some(initial) if self.restart => {
                let bar = Bar::new("assessing starts");
                let progress = |done| bar.set(done);
                assess::test_restarts(samples, initial, self.iid, threads, &progress)
                    .map(|found| restart::show(&found))
                    .map_err(|error| error.to_string())
            }
            claim if self.iid => {
                let mut seed = [0; assess::SHUFFLE_SEED_BYTES];
                getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
                let bar = Bar::new("shuffling");
                let found = assess::test_iid(samples, seed, threads, &|done| bar.set(done));
                Ok(iid::show(samples, &found, claim))
            }
            claim => {
                let bar = Bar::new("assessing");
                let found = assess::assess(samples, threads, &|done| bar.set(done));
                Ok(estimates::show(samples, &found, claim))
            }
        }
    }
}

fn claim(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|claim| (0.0..=8.0).contains(claim))
        .ok_or_else(|| format!("must be a number from 0 to 8 (got {text})"))
}
