//! `lavawall assess`: what a file of noise is worth.

mod estimates;
mod iid;
mod restart;

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::print;
use crate::cli::progress::Bar;
use crate::exitcode::Exit;
use lavawall_assess as assess;
use lavawall_assess::{Samples, WANTED_SAMPLES};

/// Assess the min-entropy of raw noise by SP 800-90B
///
/// The file has one sample a byte. The figures are those of NIST's reference program. For example:
/// lavawall assess raw.bin --bits 8 --claim 2.5
///
/// Exits with 0, or with 1 when the claim is not met or a test has failed.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Raw samples, one a byte; - for standard input
    file: PathBuf,
    /// Bits a sample, 1 to 8 [default: as many as the largest sample has]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=8))]
    bits: Option<u8>,
    /// The min-entropy claimed, in bits a sample: exit with 1 when there is less
    #[arg(long, value_name = "H", value_parser = claim)]
    claim: Option<f64>,
    /// Test whether the samples are independent and identically distributed (§5) instead
    #[arg(long)]
    iid: bool,
    /// The file has 1,000 samples of each of 1,000 starts, one start after the other: test them
    /// against the initial estimate given with --claim (§3.1.4). With --iid only the most common
    /// value counts
    #[arg(long, requires = "claim")]
    restart: bool,
    /// How many threads to use [default: as many as there are cores]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let raw = match read(&arguments.file) {
        Ok(raw) => raw,
        Err(error) => {
            print::error(&format!("{}: {error}", arguments.file.display()));
            return Exit::Io;
        }
    };
    let samples = match Samples::new(raw, arguments.bits) {
        Ok(samples) => samples,
        Err(error) => {
            print::error(&format!("{}: {error}", arguments.file.display()));
            return Exit::Data;
        }
    };
    let bits = f64::from(samples.bits());
    if let Some(claim) = arguments.claim.filter(|claim| *claim > bits) {
        print::error(&format!(
            "claim: must be from 0 to {bits}, the bits of a sample (got {claim})"
        ));
        return Exit::Usage;
    }
    remark_few(samples.len());
    let shown = match arguments.examine(&samples) {
        Ok(shown) => shown,
        Err(error) => {
            print::error(&error);
            return Exit::Data;
        }
    };
    let text = if arguments.json { shown.json } else { shown.text };
    match (print::line(text.trim_end()), shown.complaint) {
        (Exit::Ok, Some(complaint)) => {
            print::error(&complaint);
            Exit::Failure
        }
        (written, _) => written,
    }
}

/// What whoever reads figures of fewer samples than the standard asks for should know.
pub(crate) fn remark_few(samples: usize) {
    if samples < WANTED_SAMPLES {
        print::note(&format!(
            "SP 800-90B asks for {WANTED_SAMPLES} samples; with {samples} the figures are less sure"
        ));
    }
}

/// What there is to show.
struct Shown {
    text: String,
    json: String,
    /// What is not as claimed.
    complaint: Option<String>,
}

impl Arguments {
    /// Does what was asked for.
    fn examine(&self, samples: &Samples) -> Result<Shown, String> {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = self.threads.unwrap_or_else(cores);
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

/// What is to be said of a min-entropy below the claim.
fn below_claim(min_entropy: f64, claim: Option<f64>) -> Option<String> {
    let claim = claim.filter(|claim| min_entropy < *claim)?;
    Some(format!("the claim of {claim} bits a sample is not met: {min_entropy:.6}"))
}

fn number(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.6}"))
}

/// The whole of a file, or of standard input.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().read_to_end(&mut raw)?;
    } else {
        File::open(file)?.read_to_end(&mut raw)?;
    }
    Ok(raw)
}

fn claim(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|claim| (0.0..=8.0).contains(claim))
        .ok_or_else(|| format!("must be a number from 0 to 8 (got {text})"))
}
