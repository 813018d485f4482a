//! Parts that several sections use.

use std::fmt::Display;

use maud::{Markup, html};

use crate::report::content::Fact;

/// Facts as a list.
pub(crate) fn list(facts: &[Fact]) -> Markup {
    html! {
        @if facts.is_empty() { p { "Nothing." } } @else {
            dl { @for fact in facts { div { dt { (fact.name) } dd { (fact.value) } } } }
        }
    }
}

/// A count with separated thousands.
pub(crate) fn grouped(count: impl Display) -> String {
    let digits = format!("{count}");
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The colour of a state.
pub(crate) fn state_class(state: &str) -> &'static str {
    match state {
        "ready" | "healthy" => "good",
        "starting" | "degraded" => "middling",
        _ => "bad",
    }
}
