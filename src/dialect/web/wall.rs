//! `/wall.png`: the recorded or drawn wall, made a PNG once for each picture.
//!
//! A live camera's frame is a secret and never gets here. Two places hold that: its runner puts
//! nothing on the board, and what is on the board is shown only if its source is one that can
//! never be credited.

mod png;

use std::sync::Arc;

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use tokio::sync::Mutex;

use crate::collector::status::{Board, Picture};
use crate::http::body::Body;
use crate::http::refusal::Refusal;
use lavawall_entropy::Kind;
use png::Unshowable;

/// The last picture that was asked for. One is made at a time, and runners put up a new one at
/// most once a second: callers cannot make it cost more than that.
#[derive(Default)]
pub(crate) struct Wall {
    last: Arc<Mutex<Option<Encoded>>>,
}

struct Encoded {
    picture: Arc<Picture>,
    png: Result<Bytes, Unshowable>,
}

impl Wall {
    /// The answer of `/wall.png`.
    pub(crate) async fn answer(&self, board: &Board) -> Result<Response<Body>, Refusal> {
        let png = self.current(board).await?;
        let mut response = Response::new(Body::whole(png));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/png"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(response)
    }

    async fn current(&self, board: &Board) -> Result<Bytes, Refusal> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        let Some(picture) = showable(board) else {
            *last = None;
            return Err(Refusal::not_found("there is no recorded or drawn wall to show"));
        };
        if let Some(encoded) = last.as_ref().filter(|last| Arc::ptr_eq(&last.picture, &picture)) {
            return encoded.png.clone().map_err(Refusal::from);
        }
        // The work takes the lock with it: a caller who leaves does not make room for another.
        let work = tokio::task::spawn_blocking(move || {
            let png = png::encode(&picture).map(Bytes::from);
            if let Err(why) = &png {
                tracing::warn!(source = picture.source, "its picture cannot be shown: {why}");
            }
            *last = Some(Encoded { picture, png: png.clone() });
            png
        });
        work.await.unwrap_or(Err(Unshowable::Crashed)).map_err(Refusal::from)
    }
}

/// The source whose picture `/wall.png` shows, if there is one.
pub(crate) fn showing(board: &Board) -> Option<String> {
    showable(board).map(|picture| picture.source.clone())
}

/// The picture on the board, if it comes from a source that is never credited.
fn showable(board: &Board) -> Option<Arc<Picture>> {
    let picture = board.picture()?;
    let sources = board.sources();
    let source = sources.iter().find(|source| source.id == picture.source)?;
    (source.kind == Kind::None).then_some(picture)
}

impl From<Unshowable> for Refusal {
    fn from(_: Unshowable) -> Self {
        Self::not_found("the last picture of the wall is damaged; the log says how")
    }
}
