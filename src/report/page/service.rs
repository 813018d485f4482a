//! The running service: its state, its alarms since the start, its incidents.

use maud::{Markup, html};

use crate::report::content::{Report, RunningService};
use crate::report::page::parts::{grouped, list, state_class};

pub(crate) fn section(report: &Report) -> Markup {
    html! {
        section #service {
            h2 { "Running service" }
            @match &report.service {
                Ok(service) => { (running(service)) }
                Err(reason) => { p.remark {
                    "Nothing is known of alarms since the start: " (reason)
                } }
            }
        }
    }
}

fn running(service: &RunningService) -> Markup {
    html! {
        (list(&service.facts))
        h3 { "Alarms since its start" }
        div.wide { table {
            thead { tr {
                th scope="col" { "source" }
                th scope="col" { "state" }
                th scope="col" { "credit rests on" }
                th scope="col" { "live assessment" }
                th.number scope="col" { "samples" }
                th.number scope="col" { "bits credited" }
                th.number scope="col" { "alarms" }
                th scope="col" { "last alarm" }
            } }
            tbody { @for source in &service.sources {
                tr {
                    th scope="row" { (source.id) }
                    td { span class={ "state " (state_class(&source.state)) } { (source.state) } }
                    td { (source.credit_basis) }
                    td { (source.live.as_deref().unwrap_or("none yet")) }
                    td.number { (grouped(source.samples)) }
                    td.number { (grouped(source.credited_bits)) }
                    td.number { (grouped(source.alarms)) }
                    td { (source.last_alarm.as_deref().unwrap_or("none")) }
                }
            } }
        } }
        h3 { "Incidents" }
        @if service.incidents.is_empty() { p { "None since its start." } } @else {
            ul { @for incident in &service.incidents {
                li { time { (incident.at) } " " strong { (incident.source) } ": " (incident.text) }
            } }
        }
    }
}
