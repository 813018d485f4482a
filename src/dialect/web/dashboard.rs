//! `/`: the dashboard. The page holds the essentials; its script polls `/status` for the rest.

use std::sync::LazyLock;
use std::time::Instant;

use hyper::Response;
use maud::{Markup, html};

use crate::dialect::web::page::PageFrame;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::status;

pub(crate) static FRAME: LazyLock<PageFrame> = LazyLock::new(|| {
    PageFrame::new("lavawall", include_str!("dashboard.css"), include_str!("dashboard.js"))
});

/// The answer of `/` at `now`. Without scripts it shows the state at that time.
pub(crate) fn dashboard(app: &App, now: Instant) -> Response<Body> {
    let status = status::of(app, now);
    let generation = status.generation.to_string();
    let seed_age = status.seed_age_seconds.map_or("–".to_owned(), |age| format!("{age} s"));
    let reason = status.reason.unwrap_or_default();
    let content = content(&status.state, &reason, &generation, &seed_age, &status.version);
    FRAME.answer(Some(&status.state), &content)
}

pub(crate) fn content(
    state: &str,
    reason: &str,
    generation: &str,
    seed_age: &str,
    version: &str,
) -> Markup {
    html! {
        header {
            h1 { "lavawall" }
            small { (version) }
            nav {
                a href="/docs" { "API" }
                a href="/status" { "status" }
                a href="/metrics" { "metrics" }
            }
        }
        main {
            section.hero {
                (lamp())
                div {
                    p #state role="status" { (state) }
                    p #meaning {}
                    p #reason { (reason) }
                    dl #facts {
                        div { dt { "Generation" } dd { (generation) } }
                        div { dt { "Seed age" } dd { (seed_age) } }
                    }
                }
            }
            noscript {
                section {
                    "Without scripts this page shows the state when it was loaded; all the rest is in "
                    a href="/status" { "/status" } "."
                }
            }
            figure #wall hidden { img alt="The lava wall"; figcaption.soft {} }
            section #sources hidden {
                h2 { "Sources" }
                table {
                    thead {
                        tr {
                            @for name in ["Source", "Health", "Credit", "Credit rests on", "Last alarm"] {
                                th { (name) }
                            }
                        }
                    }
                    tbody {}
                }
            }
            section #incidents hidden { h2 { "Incidents" } ol {} }
        }
        footer.soft #updated {}
    }
}

/// A lava lamp, coloured by the state.
fn lamp() -> Markup {
    html! {
        svg viewBox="0 0 72 128" aria-hidden="true" {
            path.lamp-metal d="M26 4h20l3 16H23z" {}
            path.lamp-glass d="M23 20h26l11 62H12z" {}
            ellipse.lava.sink cx="36" cy="54" rx="7" ry="9" {}
            circle.lava.rise cx="30" cy="70" r="6" {}
            circle.lava.sink cx="41" cy="66" r="4" {}
            path.lava d="M14 72q10-8 22-3t22 3l2 10H12z" {}
            path.lamp-metal d="M12 82h48l-8 18 10 24H10l10-24z" {}
        }
    }
}
