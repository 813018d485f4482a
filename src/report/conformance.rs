//! What this report's own sources say about the requirements of SP 800-90B.

use lavawall_assess::WANTED_SAMPLES;
use lavawall_entropy::{HealthTest, LimitRule};

use crate::report::content::{Report, ReportedSource};
use crate::report::requirement::{Requirement, Standing, requirements};

/// The requirements, each with what the credited sources of this report lack. A requirement that a source
/// does not meet is at most partly met.
pub(crate) fn judged(report: &Report) -> Vec<Requirement> {
    let mut all = requirements();
    for requirement in all.iter_mut().filter(|it| it.standard == "SP 800-90B") {
        let credited = report.sources.iter().filter(|source| source.credited.is_some());
        let gaps: Vec<_> = credited
            .filter_map(|source| {
                Some(format!("{}: {}", source.id, gap(&requirement.clause, source)?))
            })
            .collect();
        if !gaps.is_empty() {
            if requirement.standing == Standing::Met {
                requirement.standing = Standing::Partly;
            }
            requirement.how.push_str("; in this report ");
            requirement.how.push_str(&gaps.join("; "));
        }
    }
    all
}

/// What a source lacks for a clause.
fn gap(clause: &str, source: &ReportedSource) -> Option<String> {
    match clause {
        "§3.1.1" => few_samples(source).or_else(|| no_restarts(source)),
        "§3.1.3, §6.3" => match &source.noise {
            Err(_) => Some("no noise".to_owned()),
            Ok(noise) => noise.found.assessment.as_ref().err().map(|_| "not assessed".to_owned()),
        },
        "§3.1.4" => no_restarts(source).or_else(|| failed_restarts(source)),
        "§4.4.1" => limits(source, HealthTest::RepetitionCount),
        "§4.4.2" => limits(source, HealthTest::AdaptiveProportion),
        _ => None,
    }
}

fn few_samples(source: &ReportedSource) -> Option<String> {
    let symbols = source.noise.as_ref().map_or(0, |noise| noise.found.symbols);
    (symbols < WANTED_SAMPLES).then(|| format!("{symbols} samples"))
}

fn no_restarts(source: &ReportedSource) -> Option<String> {
    source.restart.is_none().then(|| "no restart data".to_owned())
}

fn failed_restarts(source: &ReportedSource) -> Option<String> {
    match source.restart.as_ref()? {
        Err(reason) => Some(reason.clone()),
        Ok(tests) if tests.found.min_entropy().is_none() => Some("restart tests failed".to_owned()),
        Ok(_) => None,
    }
}

/// The test is missing, or a limit of it cannot be reached.
fn limits(source: &ReportedSource, test: HealthTest) -> Option<String> {
    let mut limits = source.limits.iter().filter(|limit| limit.test == test).peekable();
    if limits.peek().is_none() {
        return Some(format!("no {test}"));
    }
    let mut cutoffs = limits.filter_map(|limit| match &limit.rule {
        LimitRule::Cutoff(cutoff) => Some(cutoff),
        LimitRule::Threshold(_) => None,
    });
    let dead = cutoffs.find(|cutoff| !cutoff.can_be_reached())?;
    Some(format!("the limit of {} can never be reached", dead.count))
}
