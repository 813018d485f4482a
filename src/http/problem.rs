//! A refusal as an RFC 9457 problem: the shape of the native dialect, the operator's and the pages.

use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use crate::api::problem::ProblemDocument;
use crate::http::body::Body;
use crate::http::refusal::{Class, Refusal, Subject};
use lavawall_entropy::NotReady;

/// The media type of RFC 9457 §3.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The response.
pub(crate) fn render(refusal: &Refusal) -> Response<Body> {
    let (slug, title) = kind(refusal);
    let mut problem = ProblemDocument {
        kind: format!("/docs#problem-{slug}"),
        title: title.into(),
        status: refusal.class.status().as_u16(),
        detail: refusal.message.to_string(),
        ..ProblemDocument::default()
    };
    match &refusal.subject {
        Subject::Host { limit, value } => {
            problem.field = Some("Host".to_owned());
            problem.limit = Some((*limit).to_owned());
            problem.value = Some(value.clone());
        }
        Subject::Sender { field, value } => {
            problem.field = Some((*field).to_owned());
            problem.limit = Some("this service's own pages".to_owned());
            problem.value = Some(value.clone());
        }
        Subject::Parameter(invalid) => {
            problem.field = Some(invalid.field.clone());
            problem.limit = Some(invalid.limit.clone());
            problem.value = Some(invalid.value.clone());
        }
        Subject::Limit(limit) => {
            problem.field = Some(limit.field.to_owned());
            problem.limit = Some(limit.limit.clone());
            problem.value = Some(limit.value.clone());
        }
        Subject::Permission(permission) => {
            problem.field = Some("permission".to_owned());
            problem.limit = Some(permission.clone());
        }
        Subject::Accept(offers) => {
            problem.field = Some("Accept".to_owned());
            problem.limit = Some(offers.clone());
        }
        Subject::Seed(why) => {
            if let NotReady::Starting(quorum) | NotReady::Expired(quorum) = &**why {
                problem.present =
                    Some(quorum.present.iter().map(|kind| kind.name().into()).collect());
                problem.needed = u64::try_from(quorum.needed).ok();
            }
        }
        _ => {}
    }
    let body = serde_json::to_vec(&problem).expect("the members are strings and numbers");
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = refusal.class.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    refusal.add_headers(headers);
    response
}

/// The slug of the problem type and its title.
fn kind(refusal: &Refusal) -> (&'static str, &'static str) {
    match &refusal.subject {
        Subject::Path => ("not-found", "Not found"),
        Subject::Method(_) => ("method-not-allowed", "Method not allowed"),
        Subject::Host { .. } if refusal.class == Class::Misdirected => {
            ("misdirected", "Not a name of this service")
        }
        Subject::Host { .. } => ("host", "Not one host"),
        Subject::Sender { .. } => ("cross-site", "Sent by a page of another site"),
        Subject::Token | Subject::ForeignCredentials => ("unauthorized", "Unauthorized"),
        Subject::Permission(_) => ("not-permitted", "Not permitted"),
        Subject::Limit(_) => ("too-many-requests", "A limit is reached"),
        Subject::Parameter(_) => ("invalid-parameter", "Invalid parameter"),
        Subject::Accept(_) => ("not-acceptable", "Not acceptable"),
        Subject::Seed(_) => ("not-ready", "Not enough independent randomness"),
        Subject::FreshSeed(_) => ("not-fresh", "No fresh seed in time"),
        Subject::Connections => ("busy", "Too many connections"),
        Subject::Operation
        | Subject::Namespace
        | Subject::Title
        | Subject::Record
        | Subject::Part(_) => {
            let title = match refusal.class {
                Class::Incomplete => "This was done, but not all of it",
                _ => "This was not done",
            };
            ("keys", title)
        }
    }
}
