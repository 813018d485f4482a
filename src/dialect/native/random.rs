//! `/random`: the hot path. No allocation that is not needed, no layer, no waiting unless asked.

use std::sync::Arc;
use std::time::Instant;

use hyper::header::ACCEPT;
use hyper::{HeaderMap, Response};

use crate::http::app::{App, ok};
use crate::http::body::Body;
use crate::http::format::{Format, negotiate};
use crate::http::problem::Problem;
use crate::http::query::RandomQuery;
use crate::http::stream::RandomStream;

/// What was asked for, when it can be given at all.
pub(crate) fn parse(
    app: &App,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<(RandomQuery, Format), Problem> {
    let query = RandomQuery::parse(query.unwrap_or_default(), app.max_bytes)?;
    let format = match query.format {
        Some(format) => format,
        None => accepted(headers, &Format::OFFERS)?,
    };
    Ok((query, format))
}

/// The offer that the caller's `Accept` prefers.
pub(crate) fn accepted<T: Copy>(
    headers: &HeaderMap,
    offers: &[(&'static str, T)],
) -> Result<T, Problem> {
    let accept = headers.get(ACCEPT).map(|value| value.to_str().unwrap_or("?"));
    negotiate(accept, offers).ok_or_else(|| {
        Problem::not_acceptable(&offers.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    })
}

/// The answer: the first piece is drawn at once, so that a refusal is a 503 and not half a body.
pub(crate) fn answer(app: &App, bytes: u64, format: Format) -> Result<Response<Body>, Problem> {
    let headers = app.random_headers(format.media_type());
    let mut stream = RandomStream::new(Arc::clone(&app.generator), format, bytes);
    let first = stream.next_piece()?.unwrap_or_default();
    app.meters.add_bytes(first.len());
    let body = if stream.length() == 0 {
        Body::whole(first)
    } else {
        Body::random(first, stream, Arc::clone(&app.meters))
    };
    Ok(ok(headers, body))
}

/// Waits until the generator has a seed of samples taken after this call. One that would refuse
/// anyway says so at once.
pub(crate) async fn wait_for_fresh_seed(app: &App) -> Result<(), Problem> {
    app.generator.check(Instant::now())?;
    match tokio::time::timeout(app.fresh_timeout, (app.fresh)()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Problem::not_fresh(app.fresh_timeout)),
    }
}
