//! The figures of the ten estimators, as a table and as JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::assess::outcome::{AssessmentOutput, below_claim, number};
use lavawall_assess::{Assessment, Estimate, Samples};

pub(crate) fn show(samples: &Samples, found: &Assessment, claim: Option<f64>) -> AssessmentOutput {
    AssessmentOutput {
        text: table(samples, found),
        json: json(found),
        complaint: below_claim(found.min_entropy(), claim),
    }
}

/// The output of `--json`.
#[derive(Serialize)]
struct Estimates {
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
    let row = |figure: &Estimate| Row {
        name: figure.estimator.name(),
        literal: figure.literal,
        bitstring: figure.bitstring,
    };
    let answer = Estimates {
        samples: found.samples,
        bits: found.bits,
        h_original: found.h_original(),
        h_bitstring: found.h_bitstring(),
        min_entropy: found.min_entropy(),
        estimators: found.estimates.iter().map(row).collect(),
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
    for figure in &found.estimates {
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
        "  {:<18} {:>12} {:>12}\n\nmin-entropy {:.6} bits per sample of {}",
        "least",
        number(found.h_original()),
        number(found.h_bitstring()),
        found.min_entropy(),
        found.bits
    );
    out
}
