use std::num::NonZeroUsize;

use super::*;
use lavawall_assess::{Samples, test_restarts};
use lavawall_entropy::{ALPHA_USUAL, EntropyClaim, HealthLimit, Inspect, SymbolTests};

/// Text that must stay text.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=https://example.org/x onerror=a()>&";

/// A page about one source, all of whose texts are `text`.
fn report(text: &str) -> Report {
    let facts = || vec![Fact::new(text, text)];
    let text = || text.to_owned();
    let claim = EntropyClaim { h_per_symbol: 1.0, alpha: ALPHA_USUAL, credited: true };
    let mut limits = SymbolTests::new(claim).limits();
    let severity = lavawall_entropy::Severity::Notice;
    limits.push(HealthLimit::threshold(lavawall_entropy::HealthTest::Frozen, severity, text()));
    let running = RunningSource {
        id: text(),
        state: text(),
        credit_basis: text(),
        live: Some(text()),
        samples: 1_234_567,
        credited_bits: 2,
        alarms: 3,
        last_alarm: Some(text()),
    };
    Report {
        made_at: text(),
        versions: facts(),
        sources: vec![ReportedSource {
            id: text(),
            source_type: text(),
            kind: text(),
            credit_basis: text(),
            credited: Some(1.0),
            facts: facts(),
            limits,
            noise: Ok(Analysis { facts: facts(), found: noise(40_000) }),
            restart: Some(Err(text())),
        }],
        service: Ok(RunningService {
            facts: facts(),
            sources: vec![running],
            incidents: vec![ReportedIncident { source: text(), at: text(), text: text() }],
        }),
        configuration: vec![(text(), facts())],
        configuration_origin: text(),
    }
}

fn symbols(count: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(next).collect()
}

fn noise(count: u32) -> Noise {
    Noise::of(symbols(count), Some(8), false, NonZeroUsize::MIN, &|_| ())
}

#[test]
fn whatever_a_text_says_it_stays_text() {
    let html = report(HOSTILE).html();
    assert!(!html.contains("<script"), "a script");
    assert!(!html.contains("<img src=https"), "a picture");
    assert!(!html.contains("\"'>"), "the end of an attribute");
    let plain = report("plain").html();
    let tags = |html: &str| html.matches('<').count();
    assert_eq!(tags(&html), tags(&plain), "no text makes an element");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn more_credit_than_was_assessed_is_remarked_on() {
    let mut report = report("plain");
    assert!(report.html().contains("No source that was assessed is credited more"));
    report.sources[0].credited = Some(8.0);
    let html = report.html();
    assert!(html.contains("is credited 8.0000 bits per symbol, more than the"), "the excess");
    assert!(!html.contains("No source that was assessed is credited more"));
    report.sources[0].noise = Err("plain".to_owned());
    assert!(report.html().contains("Credited and not assessed here: plain"));
}

#[test]
fn a_limit_that_is_never_reached_is_marked_and_its_requirement_is_not_met() {
    let standing = |report: &Report, clause: &str| {
        let all = conformance::judged(report);
        let found = all.iter().find(|it| it.clause == clause).expect("a requirement");
        (found.standing, found.how.clone())
    };
    let mut report = report("plain");
    assert_eq!(standing(&report, "§4.4.2").0, requirement::Standing::Met);
    assert!(!report.html().contains(">never<"));
    for limit in &mut report.sources[0].limits {
        if let lavawall_entropy::LimitRule::Cutoff(cutoff) = &mut limit.rule
            && let Some(window) = cutoff.window
        {
            cutoff.count = window + 1;
        }
    }
    let (found, how) = standing(&report, "§4.4.2");
    assert_eq!(found, requirement::Standing::Partly);
    assert!(how.contains("plain: the limit of 513 can never be reached"), "{how}");
    assert!(report.html().contains(">never<"));
    report.sources[0].limits.clear();
    assert!(standing(&report, "§4.4.1").1.contains("plain: no repetition-count"));
    report.sources[0].credited = None;
    assert_eq!(standing(&report, "§4.4.1").0, requirement::Standing::Met);
}

#[test]
fn few_samples_and_missing_restarts_are_gaps_of_the_report() {
    let all = conformance::judged(&report("plain"));
    let how = |clause: &str| &all.iter().find(|it| it.clause == clause).expect("one").how;
    assert!(how("§3.1.1").contains("plain: 40000 samples"), "{}", how("§3.1.1"));
    assert!(how("§3.1.4").contains("in this report plain: plain"), "{}", how("§3.1.4"));
}

#[test]
fn a_page_loads_nothing_and_runs_nothing() {
    let html = report("plain").html();
    assert!(
        html.contains("content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"")
    );
    for name in ["src", "href", "action", "srcset", "data", "poster", "background"] {
        for value in attributes(&html, name) {
            let is_inside = value.starts_with('#') || value.starts_with("data:image/png;base64,");
            assert!(is_inside, "{name}=\"{value}\"");
        }
    }
    for part in ["<script", "<link", "<iframe", "<object", "<embed", "@import", "url(", " on"] {
        let markup = if part == " on" { events(&html) } else { html.contains(part) };
        assert!(!markup, "{part}");
    }
    let elsewhere = html.replace("http://www.w3.org/2000/svg", "");
    assert!(!elsewhere.contains("://"), "an address");
}

/// The values of every attribute of this name.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let after = html.match_indices(&start).map(|(at, start)| &html[at + start.len()..]);
    after.filter_map(|rest| rest.split('"').next()).collect()
}

/// Whether an element has an event handler.
fn events(html: &str) -> bool {
    let inside = html.split('<').filter_map(|part| part.split('>').next());
    inside.flat_map(str::split_whitespace).any(|word| word.starts_with("on") && word.contains('='))
}

#[test]
fn every_part_of_the_report_is_on_the_page() {
    let page = report("plain").html();
    assert_eq!(page.matches("<svg").count(), 2, "histogram and correlation");
    assert_eq!(page.matches("data:image/png").count(), 8, "one picture a bit plane");
    for estimator in lavawall_assess::Estimator::ALL {
        assert!(page.contains(&format!(">{estimator}<")), "{estimator}");
    }
    assert_eq!(page.matches(">decides<").count(), 1);
    // H = 1, α = 2⁻²⁰: 21 and 311 (`health::cutoff`).
    for part in [">21<", ">311<", "1 + ⌈a / H⌉ with H = 1, a = 20", "W = 512", "1,234,567"] {
        assert!(page.contains(part), "{part}");
    }
    for requirement in requirements() {
        assert!(page.contains(&requirement.clause), "{}", requirement.clause);
    }
}

#[test]
fn what_is_not_there_is_said() {
    let mut report = report("plain");
    report.service = Err("nobody answers".to_owned());
    report.sources[0].noise = Err("it is not plugged in".to_owned());
    report.sources[0].restart = None;
    let page = report.html();
    for part in [
        "Nothing is known of alarms since the start: nobody answers",
        "None is shown: it is not plugged in",
        "No restart data was given.",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<svg").count(), 0);
}

#[test]
fn restarts_that_pass_and_restarts_that_fail_are_told_apart() {
    let page = |symbols: Vec<u8>, initial| {
        let samples = Samples::new(symbols, Some(8)).expect("samples");
        let found = test_restarts(&samples, initial, true, NonZeroUsize::MIN, &|_| ());
        let mut report = report("plain");
        let found = found.expect("a matrix");
        report.sources[0].restart = Some(Ok(Analysis { facts: Vec::new(), found }));
        report.html()
    };
    let good = symbols(1_000_000);
    assert!(page(good.clone(), 6.0).contains("Passed: <strong>6.000000</strong>"));
    let mut stuck = good;
    stuck[..1000].fill(7);
    let page = page(stuck, 6.0);
    assert!(page.contains(">Failed<") && !page.contains("Passed"), "a row of one symbol");
}

#[test]
fn noise_that_cannot_be_assessed_is_still_shown() {
    let mut report = report("plain");
    let constant = Noise::of(vec![7; 5000], Some(8), false, NonZeroUsize::MIN, &|_| ());
    report.sources[0].noise = Ok(Analysis { facts: Vec::new(), found: constant });
    let page = report.html();
    assert!(page.contains("Not assessed: samples: all 5000 are 7"));
    assert_eq!(page.matches("data:image/png").count(), 8);
    for count in [0, 1, 2, 3, 300] {
        report.sources[0].noise = Ok(Analysis { facts: Vec::new(), found: noise(count) });
        let page = report.html();
        assert_eq!(page.contains("There is nothing to draw."), count < 2, "{count} symbols");
    }
}
