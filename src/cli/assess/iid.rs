//! The tests of independence, as a table and as JSON.

use std::fmt::Write;

use serde_json::json;

use crate::cli::assess::outcome::{AssessmentOutput, below_claim};
use lavawall_assess::{ChiSquare, IidTests, IidVerdict, Samples, WANTED_SAMPLES};

pub(crate) fn show(samples: &Samples, found: &IidTests, claim: Option<f64>) -> AssessmentOutput {
    let refuted = match found.verdict() {
        IidVerdict::Independent => None,
        IidVerdict::Dependent => Some(
            "the samples are not independent and identically distributed: assess them without --iid"
                .to_owned(),
        ),
        IidVerdict::Undecided { needed } => Some(format!(
            "no verdict: a chi-square test needs about {needed} such samples (got {}); the standard \
             requires {WANTED_SAMPLES}",
            samples.len()
        )),
    };
    AssessmentOutput {
        text: table(samples, found),
        json: json(samples, found),
        complaint: refuted.or_else(|| below_claim(found.min_entropy, claim)),
    }
}

fn json(samples: &Samples, found: &IidTests) -> String {
    let chi_square = |test: &ChiSquare| {
        json!({
            "score": test.score,
            "degrees": test.degrees,
            "p_value": test.p_value,
            "passed": test.is_decisive().then_some(test.passes()),
            "needed": test.needed,
        })
    };
    let permutation =
        |(statistic, value, counts): &(_, f64, lavawall_assess::PermutationCounts)| {
            let statistic: &lavawall_assess::PermutationStatistic = statistic;
            json!({
                "name": statistic.to_string(),
                "value": value,
                "greater": counts.greater,
                "equal": counts.equal,
                "less": counts.less,
                "passed": counts.pass(),
            })
        };
    let answer = json!({
        "samples": samples.len(),
        "bits": samples.bits(),
        "iid": match found.verdict() {
            IidVerdict::Independent => Some(true),
            IidVerdict::Dependent => Some(false),
            IidVerdict::Undecided { .. } => None,
        },
        "reference_iid": found.passes_reference(),
        "min_entropy": found.min_entropy,
        "independence": chi_square(&found.independence),
        "goodness_of_fit": chi_square(&found.goodness_of_fit),
        "longest_repeat": {"length": found.longest_repeat.0, "passed": found.longest_repeat.1},
        "permutation": found.statistics.iter().map(permutation).collect::<Vec<_>>(),
    });
    format!("{answer:#}")
}

fn table(samples: &Samples, found: &IidTests) -> String {
    let verdict = |passed| if passed { "" } else { "  FAILED" };
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{} samples of {} bits\n", samples.len(), samples.bits());
    for (name, test) in
        [("independence", &found.independence), ("goodness of fit", &found.goodness_of_fit)]
    {
        let _ = writeln!(
            out,
            "  {name:<24} chi-square {:.3} of {} degrees, p {:.6}{}",
            test.score,
            test.degrees,
            test.p_value,
            match test.needed {
                Some(needed) => format!("  no verdict, needs about {needed} samples"),
                None => verdict(test.passes()).to_owned(),
            }
        );
    }
    let (length, passed) = found.longest_repeat;
    let _ = writeln!(out, "  {:<24} {length} symbols{}\n", "longest repeat", verdict(passed));
    let _ = writeln!(
        out,
        "  {:<24} {:>16} {:>8} {:>8} {:>8}",
        "shuffled samples have", "value", "greater", "equal", "less"
    );
    for (statistic, value, counts) in &found.statistics {
        let _ = writeln!(
            out,
            "  {statistic:<24} {value:>16.4} {:>8} {:>8} {:>8}{}",
            counts.greater,
            counts.equal,
            counts.less,
            verdict(counts.pass())
        );
    }
    let _ = writeln!(out);
    let _ = match found.verdict() {
        IidVerdict::Independent => {
            let (h, bits) = (found.min_entropy, samples.bits());
            writeln!(out, "min-entropy {h:.6} bits per sample of {bits}")
        }
        IidVerdict::Dependent => writeln!(out, "not independent and identically distributed"),
        IidVerdict::Undecided { .. } => writeln!(out, "no verdict: too few samples"),
    };
    if matches!(found.verdict(), IidVerdict::Undecided { .. }) {
        let _ = writeln!(
            out,
            "the reference program, which only warns of fewer than {WANTED_SAMPLES} samples, would say: {}",
            if found.passes_reference() { "passed" } else { "failed" }
        );
    }
    out
}
