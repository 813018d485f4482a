//! Exact paths that are answered to GET and HEAD.

use hyper::Method;

use crate::http::call::{Call, Reply};
use crate::http::refusal::Refusal;
use crate::http::respond;

/// A path of the dialect `D`, and the function that answers it.
pub(crate) type Route<D> = (&'static str, fn(&D, Call<'_>) -> Result<Reply, Refusal>);

/// The paths of `routes`.
pub(crate) fn paths<D>(routes: &[Route<D>]) -> Vec<&'static str> {
    routes.iter().map(|(path, _)| *path).collect()
}

/// Answers a call by its route.
pub(crate) fn answer<D>(
    dialect: &D,
    routes: &[Route<D>],
    call: Call<'_>,
) -> Result<Reply, Refusal> {
    let Some((_, answer)) = routes.iter().find(|(path, _)| *path == call.path()) else {
        return Err(Refusal::not_found("there is nothing at this path"));
    };
    if *call.request.method() == Method::OPTIONS {
        return Ok(Reply::Now(respond::options("GET,HEAD,OPTIONS")));
    }
    if !matches!(*call.request.method(), Method::GET | Method::HEAD) {
        return Err(Refusal::method_not_allowed("GET,HEAD", "only GET and HEAD are answered here"));
    }
    answer(dialect, call)
}
