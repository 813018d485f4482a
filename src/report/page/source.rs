//! One source: its noise, assessment and limits.

use maud::{Markup, PreEscaped, html};

use crate::report::content::{Analysis, ReportedSource};
use crate::report::noise::{Noise, PICTURED};
use crate::report::page::limits;
use crate::report::page::parts::{grouped, list};
use crate::report::{planes, plots};
use lavawall_assess::{Assessment, RestartTests, WANTED_SAMPLES};

/// The assessed min-entropy, in bits per symbol.
pub(crate) fn assessed(source: &ReportedSource) -> Option<f64> {
    assessment(source).map(Assessment::min_entropy)
}

fn assessment(source: &ReportedSource) -> Option<&Assessment> {
    source.noise.as_ref().ok().and_then(|noise| noise.found.assessment.as_ref().ok())
}

/// The assessed min-entropy in words.
pub(crate) fn worth(source: &ReportedSource) -> String {
    assessment(source).map_or_else(
        || "-".to_owned(),
        |found| format!("{:.4} of {}", found.min_entropy(), found.bits),
    )
}

pub(crate) fn section(number: usize, source: &ReportedSource) -> Markup {
    html! {
        section.source id={ "source-" (number) } {
            h2 { (source.id) " " small { (source.source_type) ", " (source.kind) } }
            dl {
                div { dt { "credit rests on" } dd { (source.credit_basis) } }
                @for fact in &source.facts { div { dt { (fact.name) } dd { (fact.value) } } }
            }
            h3 { "Raw noise" }
            @match &source.noise {
                Ok(noise) => { (raw(noise)) }
                Err(reason) => { p.remark { "None is shown: " (reason) } }
            }
            h3 { "Restarts" }
            @match &source.restart {
                Some(Ok(restart)) => { (restarts(restart)) }
                Some(Err(reason)) => { p.remark { "Not tested: " (reason) } }
                None => { p { "No restart data was given." } }
            }
            h3 { "Health tests" }
            (limits::table(&source.limits))
        }
    }
}

fn raw(noise: &Analysis<Noise>) -> Markup {
    let found = &noise.found;
    html! {
        (list(&noise.facts))
        @if found.symbols < WANTED_SAMPLES {
            p.remark {
                "SP 800-90B asks for " (grouped(WANTED_SAMPLES)) " symbols; with " (grouped(found.symbols))
                " the figures are less sure."
            }
        }
        @match &found.assessment {
            Ok(assessment) => { (estimators(assessment)) }
            Err(reason) => { p.remark { "Not assessed: " (reason) } }
        }
        div.plots {
            (plot("How often each symbol comes", plots::histogram(found)))
            (plot(
                "Correlation of a symbol with later ones; white noise stays between the lines",
                plots::correlation(found),
            ))
        }
        (bit_planes(found))
    }
}

fn plot(caption: &str, svg: Option<String>) -> Markup {
    html! {
        figure.plot {
            @match svg {
                Some(svg) => { div role="img" aria-label=(caption) { (PreEscaped(svg)) } }
                None => { p.remark { "There is nothing to draw." } }
            }
            figcaption { (caption) }
        }
    }
}

fn bit_planes(noise: &Noise) -> Markup {
    let pictures = planes::pictures(noise);
    html! {
        @if !pictures.is_empty() {
            div.planes {
                @for (plane, address) in pictures {
                    figure {
                        img src=(address) width="256" alt={ "bits of weight 2 to the " (plane) };
                        figcaption { "bit " (plane) }
                    }
                }
            }
            @for remark in planes::remarks(noise) { p.remark { (remark) } }
            p.caption {
                "Each plane of bits over time, along the rows: the first "
                (grouped(noise.first.len().min(PICTURED))) " symbols, one pixel each. A plane is remarked on whose bits are biased, or correlated at a "
                "distance up to " (planes::WIDTH) ", by more than 6 standard errors of fair bits."
            }
        }
    }
}

fn estimators(found: &Assessment) -> Markup {
    let decisive = found.decisive();
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |it| format!("{it:.6}"));
    let bar = |value: Option<f64>, most: f64| {
        html! { @if let Some(value) = value { meter min="0" max=(most) value=(value) {} } }
    };
    let bits = f64::from(found.bits);
    html! {
        p {
            "Min-entropy " strong { (format!("{:.6}", found.min_entropy())) } " bits per symbol of "
            (found.bits) ", by the " (decisive.estimator) " estimator (SP 800-90B §6.3), over "
            (grouped(found.samples)) " symbols."
        }
        div.wide { table.estimators {
            thead { tr {
                th scope="col" { "estimator" }
                th.number scope="col" { "per symbol" }
                th scope="col" {}
                th.number scope="col" { "per bit" }
                th scope="col" {}
                th scope="col" {}
            } }
            tbody { @for row in &found.estimates {
                tr.decides[row.estimator == decisive.estimator] {
                    th scope="row" { (row.estimator) }
                    td.number { (figure(row.literal)) }
                    td { (bar(row.literal, bits)) }
                    td.number { (figure(row.bitstring)) }
                    td { (bar(row.bitstring, 1.0)) }
                    td { @if row.estimator == decisive.estimator { "decides" } }
                }
            } }
            tfoot { tr {
                th scope="row" { "least" }
                td.number { (figure(found.h_original())) }
                td {}
                td.number { (figure(found.h_bitstring())) }
                td {}
                td {}
            } }
        } }
    }
}

fn restarts(restart: &Analysis<RestartTests>) -> Markup {
    let found = &restart.found;
    let [rows, columns] = found.least;
    html! {
        (list(&restart.facts))
        p {
            @match found.min_entropy() {
                Some(h) => { "Passed: " strong { (format!("{h:.6}")) } " bits per symbol may be claimed." }
                None => { strong.bad { "Failed" } ": restarts are not worth what the sequence is." }
            }
            " (SP 800-90B §3.1.4)"
        }
        dl {
            div { dt { "initial estimate" } dd { (format!("{:.6}", found.initial)) } }
            div { dt { "rows, columns" } dd { (format!("{rows:.6}, {columns:.6}; at least half the initial estimate")) } }
            div { dt { "most equal symbols in a row or column" } dd { (found.most) ", at most " (found.cutoff) } }
        }
    }
}
