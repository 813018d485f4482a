//! `/random`: the hot path. No needless allocation, no layer, no wait unless requested.

use std::sync::Arc;
use std::time::Instant;

use hyper::{HeaderMap, Method, Response};

use crate::caller::Caller;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::call::{Call, Reply};
use crate::http::format::{RandomFormat, accept, negotiate};
use crate::http::problem;
use crate::http::query::RandomQuery;
use crate::http::rate_limit;
use crate::http::refusal::Refusal;
use crate::http::respond::ok;
use crate::http::stream::RandomStream;
use crate::net::activity::Activity;

/// Answers at once, or after a fresh seed.
pub(crate) fn answer(call: Call<'_>) -> Result<Reply, Refusal> {
    let query = RandomQuery::parse(call.query(), call.app.max_bytes)?;
    let format = match query.format {
        Some(format) => format,
        None => accepted(call.request.headers(), &RandomFormat::OFFERS)?,
    };
    if !query.fresh {
        let asked = (call.request.method(), query.bytes, format);
        return draw(call.app, &call.caller, call.activity, asked).map(Reply::Now);
    }
    let call = call.into_owned();
    Ok(Reply::later(async move {
        let answer = match wait_for_fresh_seed(&call.app).await {
            Ok(()) => {
                let asked = (call.request.method(), query.bytes, format);
                draw(&call.app, &call.caller, &call.activity, asked)
            }
            Err(refusal) => Err(refusal),
        };
        answer.unwrap_or_else(|refusal| problem::render(&refusal))
    }))
}

/// The offer that the caller's `Accept` prefers.
pub(crate) fn accepted<T: Copy>(
    headers: &HeaderMap,
    offers: &[(&'static str, T)],
) -> Result<T, Refusal> {
    negotiate(accept(headers).as_deref(), offers).ok_or_else(|| {
        Refusal::not_acceptable(&offers.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    })
}

/// The answer: the first buffer is drawn at once, so that a refusal is a 503 and not half a body.
fn draw(
    app: &App,
    caller: &Caller,
    activity: &Arc<Activity>,
    (method, bytes, format): (&Method, u64, RandomFormat),
) -> Result<Response<Body>, Refusal> {
    let headers = app.random_headers(format.media_type());
    let mut stream = RandomStream::new(Arc::clone(&app.generator), format, bytes);
    let length = stream.length();
    if stream.is_one_buffer() {
        // A refusal of the generator charges nothing.
        let whole = stream.next_buffer()?.unwrap_or_default();
        rate_limit::charge(&app.limits, caller, method, length)?;
        app.meters.add_bytes(whole.len());
        return Ok(ok(headers, Body::whole(whole)));
    }
    let reservation = rate_limit::reserve(&app.limits, caller, method, length)?;
    let first = stream.next_buffer()?.unwrap_or_default();
    app.meters.add_bytes(first.len());
    let (meters, activity) = (Arc::clone(&app.meters), Arc::clone(activity));
    let body = Body::random(first, stream, meters, reservation, activity);
    Ok(ok(headers, body))
}

/// Waits until the generator has a seed of samples taken after this call. A generator that would
/// refuse anyway refuses at once.
async fn wait_for_fresh_seed(app: &App) -> Result<(), Refusal> {
    app.generator.check(Instant::now())?;
    match tokio::time::timeout(app.fresh_timeout, (app.fresh)()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Refusal::not_fresh(app.fresh_timeout)),
    }
}
