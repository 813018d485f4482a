//! What people open in a browser: the dashboard, and the documentation of the interface.
//!
//! Each page is one file with its style and script inside. The policy sent with it allows those
//! two by their hashes and nothing else: whatever a device calls itself, it cannot become code.

pub(crate) mod routes;
pub(crate) mod wall;

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Instant;

use data_encoding::BASE64;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response};
use sha2::{Digest, Sha256};

use crate::dialect::native::status::Status;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::respond::ok;

/// The interface, described by hand in `OpenAPI` 3.1.
const OPENAPI: &str = include_str!("web/openapi.json");

static DASHBOARD: LazyLock<Page> = LazyLock::new(|| Page::new(include_str!("web/dashboard.html")));
static DOCS: LazyLock<Page> = LazyLock::new(|| Page::new(include_str!("web/docs.html")));

/// `/`: the essentials are in the page as it is sent, for whoever runs no scripts.
pub(crate) fn dashboard(app: &App, now: Instant) -> Response<Body> {
    let status = Status::of(app, now);
    let seed_age = status.seed_age_seconds.map_or("–".to_owned(), |age| format!("{age} s"));
    DASHBOARD.filled(&[
        ("{{state}}", status.state.to_string()),
        ("{{reason}}", status.reason.unwrap_or_default()),
        ("{{generation}}", status.generation.to_string()),
        ("{{seed-age}}", seed_age),
        ("{{version}}", status.version.to_owned()),
    ])
}

/// `/docs`
pub(crate) fn docs() -> Response<Body> {
    DOCS.filled(&[("{{version}}", env!("CARGO_PKG_VERSION").to_owned())])
}

/// `/openapi.json`
pub(crate) fn openapi() -> Response<Body> {
    ok(headers("application/json"), Body::whole(OPENAPI))
}

/// A page and the policy that goes with it.
struct Page {
    html: &'static str,
    policy: HeaderValue,
}

impl Page {
    fn new(html: &'static str) -> Self {
        let policy = format!(
            "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'sha256-{}'; \
             script-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash_of(html, "<style>", "</style>"),
            hash_of(html, "<script>", "</script>"),
        );
        Self { html, policy: HeaderValue::try_from(policy).expect("base64 and plain words") }
    }

    /// The page with every mark replaced by its text, which may hold anything.
    fn filled(&self, marks: &[(&str, String)]) -> Response<Body> {
        let mut html = Cow::Borrowed(self.html);
        for (mark, text) in marks {
            html = Cow::Owned(html.replace(mark, &escaped(text)));
        }
        let mut headers = headers("text/html; charset=utf-8");
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        ok(headers, Body::whole(html.into_owned()))
    }
}

fn headers(media_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
}

/// The hash, as a content security policy wants it, of what is between two tags of ours.
fn hash_of(html: &str, open: &str, close: &str) -> String {
    let (_, rest) = html.split_once(open).expect("our pages have one style and one script");
    let (inside, _) = rest.split_once(close).expect("which end");
    BASE64.encode(&Sha256::digest(inside))
}

/// The text for a place between tags or in a quoted attribute. Braces too: a text must not pass
/// for the next mark.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '{' => html.push_str("&#123;"),
            _ => html.push(letter),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(escaped("os: 3 of 4 – é"), "os: 3 of 4 – é");
        let hostile = "<b a='1' b=\"2\">&{{state}}";
        let safe = "&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;&#123;&#123;state}}";
        assert_eq!(escaped(hostile), safe);
    }

    #[test]
    fn the_pages_load_nothing_from_elsewhere_and_have_one_style_and_one_script() {
        for page in [&DASHBOARD, &DOCS] {
            for tag in ["<style", "<script"] {
                assert_eq!(page.html.matches(tag).count(), 1, "{tag}");
            }
            for forbidden in ["http://", "https://", " style=", " onclick=", "innerHTML", "eval("] {
                assert!(!page.html.contains(forbidden), "{forbidden}");
            }
        }
    }

    #[test]
    fn no_mark_is_left_in_a_page_or_stands_in_its_script() {
        for page in [&DASHBOARD, &DOCS] {
            let (_, script) = page.html.split_once("<script>").expect("one");
            assert!(!script.contains("{{"));
        }
    }

    #[test]
    fn the_description_names_every_path_that_is_served_and_no_other() {
        let described: serde_json::Value = serde_json::from_str(OPENAPI).expect("JSON");
        let paths = described["paths"].as_object().expect("paths");
        let described: BTreeSet<_> = paths.keys().map(String::as_str).collect();
        let dialects = crate::dialect::all();
        let is_described =
            |path: &&str| !path.starts_with("/client/") && !path.starts_with("/admin/");
        let served: BTreeSet<_> = dialects.endpoints().filter(is_described).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn the_description_is_of_this_version() {
        let described: serde_json::Value = serde_json::from_str(OPENAPI).expect("JSON");
        assert_eq!(described["openapi"], "3.1.0");
        assert_eq!(described["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
