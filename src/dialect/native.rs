//! The service's own dialect: randomness, health, status and metrics.

pub(crate) mod list_query;
pub(crate) mod lists;
pub(crate) mod metrics;
pub(crate) mod random;
pub(crate) mod sampling;
pub(crate) mod sealed_seed;

use std::time::Instant;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde_json::json;

use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::caller::usage::Protocol;
use crate::dialect::native::list_query::List;
use crate::http::app::App;
use crate::http::call::{Call, Reply};
use crate::http::dialect::{Dialect, ROOT};
use crate::http::interface::{Interface, is_random};
use crate::http::listener::Ingress;
use crate::http::refusal::Refusal;
use crate::http::respond::json_line;
use crate::http::routes::{self, Route};
use crate::http::{problem, status, tenant_usage};

/// Answered without a token: a monitor need not be a caller.
const LIVE: &str = "/health/live";
const READY: &str = "/health/ready";

/// A tenant may always know what it has used.
const OWN_USAGE: &str = "/tenants/me/usage";

const RANDOM: &str = "/random";

/// Takes a body, besides GET.
const SEED: &str = "/seed";

/// The hot path first.
const ROUTES: [Route<Native>; 10] = [
    (RANDOM, |_, call| random::answer(call)),
    ("/random/integers", |_, call| lists::answer(&call, List::integers)),
    ("/random/uuids", |_, call| lists::answer(&call, List::uuids)),
    ("/random/strings", |_, call| lists::answer(&call, List::strings)),
    ("/random/shuffle", |_, call| lists::answer(&call, List::shuffle)),
    (LIVE, |_, _| Ok(Reply::Now(json_line(StatusCode::OK, &json!({ "status": "live" }))))),
    (READY, |_, call| ready(&call)),
    ("/status", |_, call| {
        let status = status::shown_to(call.app, &call.caller, Instant::now());
        Ok(Reply::Now(json_line(StatusCode::OK, &status)))
    }),
    (OWN_USAGE, |_, call| own_usage(call)),
    ("/metrics", |_, call| {
        Ok(Reply::Now(metrics::answer(
            call.app,
            &call.caller,
            call.request.headers(),
            Instant::now(),
        )))
    }),
];

/// The service's own dialect.
pub(crate) struct Native;

impl Dialect for Native {
    fn prefix(&self) -> &'static str {
        ROOT
    }

    fn endpoints(&self) -> Vec<&'static str> {
        [routes::paths(&ROUTES), vec![SEED]].concat()
    }

    fn protocol(&self) -> Protocol {
        Protocol::Native
    }

    fn interface(&self, path: &str) -> Option<Interface> {
        match path {
            LIVE | READY | OWN_USAGE => None,
            SEED => Some(Interface::Seed),
            _ if is_random(path) => Some(Interface::Random),
            _ => Some(Interface::Status),
        }
    }

    fn needed(&self, path: &str) -> Option<Needed<'static>> {
        match path {
            LIVE | READY | OWN_USAGE => None,
            SEED => Some(Needed::Seed),
            _ if is_random(path) => Some(Needed::Random),
            // Also paths that do not exist.
            _ => Some(Needed::StatusRead),
        }
    }

    fn authenticate(
        &self,
        app: &App,
        ingress: &Ingress,
        request: &Request<Incoming>,
    ) -> Result<Caller, Refusal> {
        if matches!(request.uri().path(), LIVE | READY) {
            return Ok(ingress.operator().map_or(Caller::Anonymous, Caller::Peer));
        }
        app.identify(ingress, request.headers())
    }

    fn answer(&self, call: Call<'_>) -> Reply {
        if call.path() == SEED {
            return sealed_seed::answer(call);
        }
        routes::answer(self, &ROUTES, call)
            .unwrap_or_else(|refusal| Reply::Now(self.render(refusal)))
    }
}

fn own_usage(call: Call<'_>) -> Result<Reply, Refusal> {
    let days = tenant_usage::days(call.query())?;
    let tenant = call.caller.tenant().filter(|tenant| tenant.is_stored());
    let name = tenant.ok_or_else(Refusal::no_tenant)?.name.to_string();
    let call = call.into_owned();
    Ok(Reply::later(async move {
        let answer = tenant_usage::answer(&call, name, days).await;
        answer.unwrap_or_else(|refusal| problem::render(&refusal))
    }))
}

fn ready(call: &Call<'_>) -> Result<Reply, Refusal> {
    let now = Instant::now();
    call.app.generator.check(now)?;
    let state = call.app.generator.state(now);
    Ok(Reply::Now(json_line(StatusCode::OK, &json!({ "state": state }))))
}
