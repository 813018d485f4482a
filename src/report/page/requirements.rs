//! Requirements of standards, and whether the program meets them.

use maud::{Markup, html};

use crate::report::conformance::judged;
use crate::report::content::Report;
use crate::report::requirement::Standing;

pub(crate) fn section(report: &Report) -> Markup {
    let all = judged(report);
    let count = |standing| all.iter().filter(|it| it.standing == standing).count();
    html! {
        section #requirements {
            h2 { "Requirements of standards" }
            p {
                "The program's own view of SP 800-90B (2018), SP 800-90C (2025) and AIS 20/31, whose "
                "clauses are numbered as in version 2 unless version 3 is named: "
                (count(Standing::Met)) " met, " (count(Standing::Partly)) " partly, "
                (count(Standing::Not)) " not. A row that a credited source of this report does not meet is at most partly met."
            }
            div.wide { table.requirements {
                thead { tr {
                    th scope="col" { "clause" }
                    th scope="col" { "asks for" }
                    th scope="col" { "standing" }
                    th scope="col" { "how, and where" }
                } }
                tbody { @for it in &all {
                    tr {
                        th scope="row" { (it.standard) " " span.clause { (it.clause) } }
                        td { (it.asks) }
                        td { span class={ "state " (class(it.standing)) } { (it.standing.name()) } }
                        td {
                            (it.how)
                            @for place in &it.places { " " code { (place) } }
                        }
                    }
                } }
            } }
        }
    }
}

fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Met => "good",
        Standing::Partly => "middling",
        Standing::Not => "bad",
    }
}
