//! `/wall.png`: the recorded or drawn wall, encoded as PNG once per picture.
//!
//! A live camera's frame is a secret and never gets here. Two checks: its runner puts nothing on the
//! board, and a picture on the board is shown only if its source is never credited.

mod png;

use std::sync::Arc;

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use tokio::sync::Mutex;

use crate::collector::status::{Picture, StatusBoard};
use crate::http::body::Body;
use crate::http::refusal::Refusal;
use crate::http::status::showable;
use png::Unshowable;

/// The last encoded picture. One is encoded at a time, and runners put up a new one at most once per
/// second, so that callers cannot cause more work than that.
#[derive(Default)]
pub(crate) struct WallImage {
    last: Arc<Mutex<Option<Encoded>>>,
}

struct Encoded {
    picture: Arc<Picture>,
    png: Result<Bytes, Unshowable>,
}

impl WallImage {
    /// The answer of `/wall.png`.
    pub(crate) async fn answer(&self, board: &StatusBoard) -> Result<Response<Body>, Refusal> {
        let png = self.current(board).await?;
        let mut response = Response::new(Body::whole(png));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/png"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(response)
    }

    async fn current(&self, board: &StatusBoard) -> Result<Bytes, Refusal> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        let Some(picture) = showable(board) else {
            *last = None;
            return Err(Refusal::not_found("there is no recorded or drawn wall to show"));
        };
        if let Some(encoded) = last.as_ref().filter(|last| Arc::ptr_eq(&last.picture, &picture)) {
            return encoded.png.clone().map_err(Refusal::from);
        }
        // The work holds the lock: a caller that disconnects does not let another start.
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

impl From<Unshowable> for Refusal {
    fn from(_: Unshowable) -> Self {
        Self::not_found("the last picture of the wall is damaged; the log says how")
    }
}
