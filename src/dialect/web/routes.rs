//! The paths of the pages, the description of the interface, and the wall.

use std::sync::Arc;
use std::time::Instant;

use crate::caller::permission::Needed;
use crate::caller::usage::Protocol;
use crate::dialect::web::dashboard::dashboard;
use crate::dialect::web::docs::docs;
use crate::dialect::web::openapi::openapi;
use crate::dialect::web::wall::WallImage;
use crate::http::call::{Call, Reply};
use crate::http::dialect::{Dialect, ROOT};
use crate::http::interface::Interface;
use crate::http::problem;
use crate::http::refusal::Refusal;
use crate::http::routes::{self, Route};

const ROUTES: [Route<Web>; 4] = [
    ("/openapi.json", |_, _| Ok(Reply::Now(openapi()))),
    ("/docs", |_, _| Ok(Reply::Now(docs()))),
    ("/", |_, call| Ok(Reply::Now(dashboard(call.app, Instant::now())))),
    ("/wall.png", |web, call| Ok(web.wall(call))),
];

/// The dialect of browsers.
#[derive(Default)]
pub(crate) struct Web {
    wall: Arc<WallImage>,
}

impl Dialect for Web {
    fn prefix(&self) -> &'static str {
        ROOT
    }

    fn endpoints(&self) -> Vec<&'static str> {
        routes::paths(&ROUTES)
    }

    fn protocol(&self) -> Protocol {
        Protocol::Web
    }

    fn interface(&self, _path: &str) -> Option<Interface> {
        Some(Interface::Pages)
    }

    /// The data of the pages are the status.
    fn needed(&self, _path: &str) -> Option<Needed<'static>> {
        Some(Needed::StatusRead)
    }

    fn is_page(&self, path: &str) -> bool {
        matches!(path, "/" | "/docs")
    }

    fn answer(&self, call: Call<'_>) -> Reply {
        routes::answer(self, &ROUTES, call)
            .unwrap_or_else(|refusal: Refusal| Reply::Now(self.render(refusal)))
    }
}

impl Web {
    fn wall(&self, call: Call<'_>) -> Reply {
        let (wall, call) = (Arc::clone(&self.wall), call.into_owned());
        Reply::later(async move {
            let answer = wall.answer(&call.app.board).await;
            answer.unwrap_or_else(|refusal| problem::render(&refusal))
        })
    }
}
