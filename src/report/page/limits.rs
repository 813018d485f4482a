//! The limits of a source's health tests, and their derivation.

use maud::{Markup, html};

use crate::report::page::parts::grouped;
use lavawall_entropy::{HealthLimit, LimitRule, Severity};

pub(crate) fn table(limits: &[HealthLimit]) -> Markup {
    let level = |severity: Severity| match severity {
        Severity::Notice => "notice",
        Severity::Intermittent => "intermittent",
        Severity::Persistent => "persistent",
    };
    html! {
        @if limits.is_empty() { p { "None are known." } } @else {
            div.wide { table {
                thead { tr {
                    th scope="col" { "test" }
                    th scope="col" { "level" }
                    th.number scope="col" { "alarm at" }
                    th scope="col" { "which is" }
                } }
                tbody { @for limit in limits {
                    tr {
                        th scope="row" { (limit.test) }
                        td { (level(limit.severity)) }
                        @match &limit.rule {
                            LimitRule::Cutoff(it) => {
                                td.number { (grouped(it.count)) @if !it.can_be_reached() {
                                    " " span class="state bad" { "never" }
                                } }
                                td {
                                    (it.formula) " with H = " (bits(it.h)) ", a = " (it.alpha.0)
                                    " (α = 2" sup { "−" (it.alpha.0) } ")"
                                    @if let Some(window) = it.window { ", W = " (grouped(window)) }
                                }
                            }
                            LimitRule::Threshold(rule) => { td.number { "-" } td { (rule) } }
                        }
                    }
                } }
            } }
            p.caption {
                "H is the claimed min-entropy of a symbol in bits, or the tested one where nothing is claimed; α "
                "is the probability of a false alarm per symbol. "
                "An intermittent alarm withdraws the credit until 1,024 symbols have passed again; a "
                "persistent one is also an incident; a notice is reported only."
            }
        }
    }
}

/// Bits to their significant digits.
fn bits(bits: f64) -> String {
    format!("{bits:.6}").trim_end_matches('0').trim_end_matches('.').to_owned()
}
