//! `/docs`: the interface for people. Its script draws the calls from `/openapi.json`; the problems are
//! in the page, because `type` of a problem leads to them.

use std::sync::LazyLock;

use hyper::Response;
use maud::{Markup, html};

use crate::dialect::web::page::PageFrame;
use crate::http::body::Body;

pub(crate) static FRAME: LazyLock<PageFrame> = LazyLock::new(|| {
    let (style, script) = (include_str!("docs.css"), include_str!("docs.js"));
    PageFrame::new("lavawall: the interface", style, script)
});

/// The answer of `/docs`.
pub(crate) fn docs() -> Response<Body> {
    FRAME.answer(None, &content())
}

pub(crate) fn content() -> Markup {
    html! {
        header {
            h1 { "lavawall" }
            small { "the interface, " (env!("CARGO_PKG_VERSION")) }
            nav {
                a href="/" { "dashboard" }
                a href="/openapi.json" { "openapi.json" }
            }
        }
        main {
            p #description {}
            noscript {
                p {
                    "The list of calls is drawn by a script from "
                    a href="/openapi.json" { "/openapi.json" }
                    ", which can be read as it is."
                }
            }
            div #calls {}
            h2 #problems { "Problems" }
            p.soft {
                "A call that fails gets an " code { "application/problem+json" } " (RFC 9457), whose "
                code { "type" } " leads here."
            }
            section { (problems()) }
            h2 { "Data" }
            div #schemas {}
        }
    }
}

/// One paragraph per kind of problem.
fn problems() -> Markup {
    html! {
        dl {
            dt #problem-invalid-parameter { "Invalid parameter · 400" }
            dd {
                "A parameter is unknown, given twice, missing or out of range: " code { "field" }
                " names it, " code { "limit" } " says what would be right, " code { "value" }
                " repeats what was given."
            }
            dt #problem-host { "Not one host · 400" }
            dd {
                "A request of HTTP/1.1 has one " code { "Host" } " header, no more and no less; one of "
                "HTTP/2 has " code { ":authority" } ", and a " code { "Host" } " beside it is the same."
            }
            dt #problem-misdirected { "Not a name of this service · 421" }
            dd {
                "Call the service by its address or as " code { "localhost" } ", or ask the operator to "
                "add the name to " code { "http.hosts" } "."
            }
            dt #problem-cross-site { "Sent by a page of another site · 403" }
            dd {
                code { "Sec-Fetch-Site" } " or " code { "Origin" } " says that a browser sent this for "
                "another site. Pages of the service itself may call it; a link may lead to its pages."
            }
            dt #problem-unauthorized { "Unauthorized · 401" }
            dd {
                "The operator has set tokens. Send one as " code { "Authorization: Bearer …" } "."
            }
            dt #problem-not-found { "Not found · 404" }
            dd { "There is nothing at this path; or there is no recorded or drawn wall to show." }
            dt #problem-method-not-allowed { "Method not allowed · 405" }
            dd { "The " code { "Allow" } " header names the methods that are answered." }
            dt #problem-not-acceptable { "Not acceptable · 406" }
            dd {
                "None of the media types in " code { "Accept" } " can be given; " code { "limit" }
                " lists those that can."
            }
            dt #problem-not-ready { "Not enough independent randomness · 503" }
            dd {
                "The generator has no seed, or may no longer use it. " code { "present" } " and "
                code { "needed" } " say which kinds of source are healthy and how many it takes. Try "
                "again after " code { "Retry-After" } " seconds; do not fall back on something weaker."
            }
            dt #problem-not-fresh { "No fresh seed in time · 503" }
            dd {
                code { "fresh=true" } " waited, and the sources did not give enough new entropy. "
                "Without " code { "fresh" } " the call may well be answered."
            }
            dt #problem-busy { "Too many connections · 503" }
            dd {
                "All connections are in use. Try again after " code { "Retry-After" }
                " seconds, and keep connections open rather than opening one for each call."
            }
            dt #problem-keys { "Key operation not done · 400 to 503" }
            dd {
                "A call of the operator failed; " code { "detail" } " gives the whole reason. With "
                code { "Retry-After" } " it can succeed later."
            }
        }
    }
}
