//! The page and its sections.

mod limits;
mod parts;
mod requirements;
mod service;
mod source;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::content::{Report, ReportedSource};
use crate::report::page::parts::{list, state_class};

/// Loads nothing and runs nothing, whatever the text.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

const STYLE: &str = include_str!("style.css");

impl Report {
    /// The page.
    #[must_use]
    pub(crate) fn html(&self) -> String {
        page(self).into_string()
    }
}

fn page(report: &Report) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { "lavawall: noise sources, " (report.made_at) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Noise sources of a lavawall" }
                    p { "Made " time { (report.made_at) } " by the program itself: no certificate." }
                    (contents(report))
                }
                main {
                    (summary(report))
                    @for (number, source) in (1..).zip(&report.sources) {
                        (source::section(number, source))
                    }
                    (service::section(report))
                    (configuration(report))
                    (versions(report))
                    (requirements::section(report))
                    (reading())
                }
            }
        }
    }
}

fn contents(report: &Report) -> Markup {
    html! {
        nav aria-label="Contents" {
            a href="#summary" { "Summary" }
            @for (number, source) in (1..).zip(&report.sources) {
                a href={ "#source-" (number) } { (source.id) }
            }
            a href="#service" { "Service" }
            a href="#configuration" { "Configuration" }
            a href="#versions" { "Versions" }
            a href="#requirements" { "Requirements" }
            a href="#reading" { "How to read this" }
        }
    }
}

fn summary(report: &Report) -> Markup {
    let row = |number: usize, source: &ReportedSource| {
        let running = report.service.as_ref().ok();
        let running = running.and_then(|it| it.sources.iter().find(|it| it.id == source.id));
        html! {
            tr {
                th scope="row" { a href={ "#source-" (number) } { (source.id) } }
                td { (source.source_type) }
                td { (source.kind) }
                td.number { (source::worth(source)) }
                td.number { @match source.credited {
                    Some(h) => { (format!("{h:.4}")) }
                    None => { "0" }
                } }
                td { (running.map_or(&source.credit_basis, |it| &it.credit_basis)) }
                td { @match running {
                    Some(it) => { span class={ "state " (state_class(&it.state)) } { (it.state) } }
                    None => { "-" }
                } }
                td.number { @match running { Some(it) => { (it.alarms) } None => { "-" } } }
            }
        }
    };
    html! {
        section #summary {
            h2 { "Summary" }
            div.wide { table {
                thead { tr {
                    th scope="col" { "source" }
                    th scope="col" { "type" }
                    th scope="col" { "kind" }
                    th.number scope="col" { "assessed, bits per symbol" }
                    th.number scope="col" { "credited, bits per symbol" }
                    th scope="col" { "credit rests on" }
                    th scope="col" { "state" }
                    th.number scope="col" { "alarms" }
                } }
                tbody {
                    @for (number, source) in (1..).zip(&report.sources) { (row(number, source)) }
                }
            } }
            p {
                "A kind is a class of independence: two sources of one kind count once towards the "
                "quorum. What is assessed is an upper bound to be argued down from."
            }
            (excess(report))
            @if let Err(reason) = &report.service {
                p.remark { "States and alarms are not known: " (reason) }
            }
        }
    }
}

/// The sources that are credited more than was assessed.
fn excess(report: &Report) -> Markup {
    let compared = |source: &ReportedSource| Some((source.credited?, source::assessed(source)?));
    let credited = report.sources.iter().filter(|source| source.credited.is_some());
    let unknown: Vec<_> =
        credited.filter(|it| compared(it).is_none()).map(|it| it.id.as_str()).collect();
    let found: Vec<_> = report.sources.iter().filter_map(|it| Some((it, compared(it)?))).collect();
    html! {
        @for (source, (credited, assessed)) in &found {
            @if credited > assessed {
                p.remark {
                    (source.id) " is credited " (format!("{credited:.4}")) " bits per symbol, more than the "
                    (format!("{assessed:.4}")) " that were assessed: its credit rests on "
                    (source.credit_basis) ", not on this estimate. The estimators also stay below the "
                    "entropy of ideal noise: of 8 bits they find some 7.2 to 7.9."
                }
            }
        }
        @if !found.is_empty() && found.iter().all(|(_, (credited, assessed))| credited <= assessed) {
            p { "No source that was assessed is credited more than that." }
        }
        @if !unknown.is_empty() { p { "Credited and not assessed here: " (unknown.join(", ")) "." } }
    }
}

fn configuration(report: &Report) -> Markup {
    html! {
        section #configuration {
            h2 { "Configuration" }
            p { (report.configuration_origin) }
            p { "As it takes effect, defaults included. Files with secrets in them are named, never read." }
            div.cards {
                @for (section, facts) in &report.configuration {
                    div { h3 { (section) } (list(facts)) }
                }
            }
        }
    }
}

fn versions(report: &Report) -> Markup {
    html! {
        section #versions {
            h2 { "Versions" }
            (list(&report.versions))
        }
    }
}

fn reading() -> Markup {
    html! {
        section #reading {
            h2 { "How to read this" }
            p {
                "Estimators can show that a source is bad, never that it is good: a keyed generator "
                "whose key everybody knows passes all of them. The figures are those of NIST's "
                "reference program. The least one decides; then an argument about the source, not a "
                "figure, says how much of it is credited."
            }
            p {
                "The noise pictured here was captured to be looked at, and no seed was made of it. "
                "A histogram should be as wide as the physics says; bit planes should show no lines, "
                "bands or repeats; correlation should stay between the two lines but for one distance "
                "in three hundred."
            }
            p { "This is a report of the program on itself. It is no certificate, and no laboratory has looked." }
        }
    }
}
