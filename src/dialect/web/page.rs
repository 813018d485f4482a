//! The frame of a page: head, style, script, and the policy that allows them.

use data_encoding::BASE64;
use hyper::Response;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::http::body::Body;
use crate::http::respond::ok;

/// A page without its content.
pub(crate) struct PageFrame {
    title: &'static str,
    style: &'static str,
    script: &'static str,
    policy: HeaderValue,
}

impl PageFrame {
    pub(crate) fn new(title: &'static str, style: &'static str, script: &'static str) -> Self {
        let policy = format!(
            "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'sha256-{}'; \
             script-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            BASE64.encode(&Sha256::digest(style)),
            BASE64.encode(&Sha256::digest(script)),
        );
        let policy = HeaderValue::try_from(policy).expect("base64 and plain words");
        Self { title, style, script, policy }
    }

    /// The answer: the page around `content`. The style can depend on `state`.
    pub(crate) fn answer(&self, state: Option<&str>, content: &Markup) -> Response<Body> {
        let mut headers = headers("text/html; charset=utf-8");
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        ok(headers, Body::whole(self.html(state, content).into_string()))
    }

    fn html(&self, state: Option<&str>, content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    style { (PreEscaped(self.style)) }
                }
                body data-state=[state] {
                    (content)
                    script { (PreEscaped(self.script)) }
                }
            }
        }
    }
}

/// The headers that every page and the description have.
pub(crate) fn headers(media_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::web::{dashboard, docs};

    #[test]
    fn text_cannot_leave_its_place() {
        let hostile = "\"<b a=\"1\">&</body>";
        let text = html! { p title=(hostile) { (hostile) } }.into_string();
        let safe = "&quot;&lt;b a=&quot;1&quot;&gt;&amp;&lt;/body&gt;";
        assert_eq!(text, format!("<p title=\"{safe}\">{safe}</p>"));
    }

    #[test]
    fn the_pages_load_nothing_from_elsewhere_and_have_one_style_and_one_script() {
        for (frame, content) in [
            (&*dashboard::FRAME, dashboard::content("ready", "", "1", "2 s", "0.1.0")),
            (&*docs::FRAME, docs::content()),
        ] {
            let html = frame.html(None, &content).into_string();
            for tag in ["<style", "<script", "</style", "</script"] {
                assert_eq!(html.matches(tag).count(), 1, "{tag}");
            }
            for forbidden in ["http://", "https://", " style=", " onclick=", "innerHTML", "eval("] {
                assert!(!html.contains(forbidden), "{forbidden}");
            }
        }
    }
}
