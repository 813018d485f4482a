//! `lavawall assess`: what a file of noise is worth.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::assess::{self, Assessment, Figure, Samples, SamplesError, WANTED_SAMPLES};
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::exitcode::Exit;

/// Assess the min-entropy of raw noise by SP 800-90B
///
/// The file has one sample a byte. The figures are those of NIST's reference program. For example:
/// lavawall assess raw.bin --bits 8 --claim 2.5
///
/// Exits with 0, or with 1 when the claim is not met.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Raw samples, one a byte; - for standard input
    file: PathBuf,
    /// Bits a sample, 1 to 8 [default: as many as the largest sample has]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=8))]
    bits: Option<u8>,
    /// The min-entropy claimed, in bits a sample: exit with 1 when there is less
    #[arg(long, value_name = "H", value_parser = claim)]
    claim: Option<f64>,
    /// How many threads to use [default: as many as there are cores]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let raw = match read(&arguments.file) {
        Ok(raw) => raw,
        Err(error) => {
            print::error(&format!("{}: {error}", arguments.file.display()));
            return Exit::Io;
        }
    };
    let samples = match Samples::new(raw, arguments.bits) {
        Ok(samples) => samples,
        Err(error) => return refuse(&arguments.file, &error),
    };
    let bits = f64::from(samples.bits());
    if let Some(claim) = arguments.claim.filter(|claim| *claim > bits) {
        print::error(&format!(
            "claim: must be from 0 to {bits}, the bits of a sample (got {claim})"
        ));
        return Exit::Usage;
    }
    if samples.len() < WANTED_SAMPLES {
        print::note(&format!(
            "SP 800-90B asks for {WANTED_SAMPLES} samples; with {} the figures are less sure",
            samples.len()
        ));
    }
    let found = assess(&samples, arguments.threads);
    let shown = if arguments.json { json(&found) } else { table(&samples, &found) };
    match print::line(shown.trim_end()) {
        Exit::Ok => verdict(&found, arguments.claim),
        failed => failed,
    }
}

fn assess(samples: &Samples, threads: Option<NonZeroUsize>) -> Assessment {
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let bar = Bar::new("assessing");
    assess::assess(samples, threads.unwrap_or_else(cores), &|done| bar.set(done))
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

fn refuse(file: &Path, error: &SamplesError) -> Exit {
    print::error(&format!("{}: {error}", file.display()));
    Exit::Data
}

/// Whether the claim is met.
fn verdict(found: &Assessment, claim: Option<f64>) -> Exit {
    match claim.filter(|claim| found.min_entropy() < *claim) {
        None => Exit::Ok,
        Some(claim) => {
            let h = found.min_entropy();
            print::error(&format!("the claim of {claim} bits a sample is not met: {h:.6}"));
            Exit::Failure
        }
    }
}

fn claim(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|claim| (0.0..=8.0).contains(claim))
        .ok_or_else(|| format!("must be a number from 0 to 8 (got {text})"))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    samples: usize,
    bits: u8,
    h_original: Option<f64>,
    h_bitstring: Option<f64>,
    min_entropy: f64,
    estimators: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    literal: Option<f64>,
    bitstring: Option<f64>,
}

fn json(found: &Assessment) -> String {
    let row = |figure: &Figure| Row {
        name: figure.estimator.name(),
        literal: figure.literal,
        bitstring: figure.bitstring,
    };
    let answer = Answer {
        samples: found.samples,
        bits: found.bits,
        h_original: found.h_original(),
        h_bitstring: found.h_bitstring(),
        min_entropy: found.min_entropy(),
        estimators: found.figures.iter().map(row).collect(),
    };
    serde_json::to_string_pretty(&answer).expect("numbers and names make JSON")
}

fn table(samples: &Samples, found: &Assessment) -> String {
    let decisive = found.decisive();
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{} samples of {} bits, {} distinct\n\n  {:<18} {:>12} {:>12}",
        found.samples,
        found.bits,
        samples.alphabet(),
        "bits of entropy in",
        "a symbol",
        "a bit"
    );
    for figure in &found.figures {
        let mark = if figure.estimator == decisive.estimator { "  decides" } else { "" };
        let _ = writeln!(
            out,
            "  {:<18} {:>12} {:>12}{mark}",
            figure.estimator.name(),
            number(figure.literal),
            number(figure.bitstring)
        );
    }
    let _ = writeln!(
        out,
        "  {:<18} {:>12} {:>12}\n\nmin-entropy {:.6} bits a sample of {}",
        "least",
        number(found.h_original()),
        number(found.h_bitstring()),
        found.min_entropy(),
        found.bits
    );
    out
}

fn number(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.6}"))
}
