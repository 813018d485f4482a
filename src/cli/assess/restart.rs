//! The restart tests, as a table and as JSON.

use std::fmt::Write;

use serde_json::json;

use crate::cli::assess::outcome::{AssessmentOutput, number};
use lavawall_assess::RestartTests;

pub(crate) fn show(found: &RestartTests) -> AssessmentOutput {
    let complaint = if found.is_sane() {
        let least = found.least[0].min(found.least[1]);
        format!("the restarts have {least:.6} bits per sample, less than half of {}", found.initial)
    } else {
        format!(
            "one symbol occurs {} times in a row or column; at most {} are allowed",
            found.most, found.cutoff
        )
    };
    AssessmentOutput {
        text: table(found),
        json: json(found),
        complaint: (!found.is_valid()).then_some(complaint),
    }
}

fn json(found: &RestartTests) -> String {
    let estimators: Vec<_> = found
        .estimates
        .iter()
        .map(|(estimator, [row, column])| {
            json!({"name": estimator.name(), "row": row, "column": column})
        })
        .collect();
    let answer = json!({
        "h_initial": found.initial,
        "most": found.most,
        "cutoff": found.cutoff,
        "sane": found.is_sane(),
        "h_row": found.least[0],
        "h_column": found.least[1],
        "valid": found.is_valid(),
        "min_entropy": found.min_entropy(),
        "estimators": estimators,
    });
    format!("{answer:#}")
}

fn table(found: &RestartTests) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "most common symbol of a row or column: {} of 1000, at most {} allowed\n\n  {:<18} {:>12} {:>12}",
        found.most, found.cutoff, "bits of entropy in", "rows", "columns"
    );
    for (estimator, [row, column]) in &found.estimates {
        let _ = writeln!(
            out,
            "  {:<18} {:>12} {:>12}",
            estimator.name(),
            number(*row),
            number(*column)
        );
    }
    let _ = writeln!(out, "  {:<18} {:>12.6} {:>12.6}\n", "least", found.least[0], found.least[1]);
    let _ = match found.min_entropy() {
        Some(h) => writeln!(out, "min-entropy {h:.6} bits per sample"),
        None => writeln!(out, "the restart tests failed"),
    };
    out
}
