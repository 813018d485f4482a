//! The protocol of pollen, for Debian's and Ubuntu's `pollinate`: a challenge in, its hash and a seed out.
//!
//! ```text
//! POST /      challenge=TEXT       or GET /?challenge=TEXT, and both at /pollen
//! 200         hex(SHA-512(TEXT)) ↵ hex(SHA-512(TEXT ‖ 64 random bytes)) ↵
//! ```
//! The client checks the first line, which shows that the answer is not an old one, and hashes the whole
//! answer into its kernel's pool. It takes any body for a seed when it sent no challenge: no answer but a seed
//! has the status 200.

use data_encoding::HEXLOWER;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Response, Uri};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::caller::usage::Protocol;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::body_reading::BodyLimits;
use crate::http::call::{Call, OwnedCall, Reply};
use crate::http::dialect::{Dialect, ROOT};
use crate::http::interface::Interface;
use crate::http::refusal::Refusal;
use crate::http::respond;

/// A path of its own, besides that of the dashboard.
const PATH: &str = "/pollen";

/// The name of the only field that counts.
const CHALLENGE: &str = "challenge";

/// The most of a body; that of `pollinate` has 138 bytes.
const FORM: BodyLimits = BodyLimits { bytes: 4096, copies: 2 };

/// Random bytes in a seed: as many as the hash gives.
const RANDOM_BYTES: usize = 64;

/// Hexadecimal digits of a hash.
const DIGITS: usize = 128;

/// The dialect.
pub(crate) struct Pollen;

impl Dialect for Pollen {
    fn prefix(&self) -> &'static str {
        ROOT
    }

    fn endpoints(&self) -> Vec<&'static str> {
        vec![PATH]
    }

    fn protocol(&self) -> Protocol {
        Protocol::Pollen
    }

    fn interface(&self, _path: &str) -> Option<Interface> {
        Some(Interface::Pollen)
    }

    fn needed(&self, _path: &str) -> Option<Needed<'static>> {
        Some(Needed::Random)
    }

    /// Its clients know an address without a path.
    fn claims(&self, method: &Method, target: &Uri, _headers: &HeaderMap) -> bool {
        target.path() == "/" && (*method == Method::POST || challenge(query(target)).is_some())
    }

    fn answer(&self, call: Call<'_>) -> Reply {
        match *call.request.method() {
            Method::OPTIONS => Reply::Now(respond::options("GET,HEAD,OPTIONS,POST")),
            Method::GET | Method::HEAD => {
                let text = challenge(query(call.request.uri()));
                let answer = seed(call.app, &call.caller, call.request.method(), text);
                Reply::Now(answer.unwrap_or_else(|refusal| self.render(refusal)))
            }
            Method::POST => {
                let mut call = call.into_owned();
                Reply::later(async move {
                    let answer = posted(&mut call).await;
                    call.finish(answer.unwrap_or_else(|refusal| Pollen.render(refusal))).await
                })
            }
            _ => {
                let message = "a challenge is sent with GET or POST";
                let refusal = Refusal::method_not_allowed("GET,HEAD,POST", message);
                Reply::Now(self.render(refusal))
            }
        }
    }

    /// One line of text: people see it in the log of `pollinate`.
    fn render(&self, refusal: Refusal) -> Response<Body> {
        let mut response = Response::new(Body::whole(format!("{}\n", refusal.message)));
        *response.status_mut() = refusal.class.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        refusal.add_headers(headers);
        response
    }
}

async fn posted(call: &mut OwnedCall) -> Result<Response<Body>, Refusal> {
    let body = call.receive(FORM).await?;
    let text = challenge(&body.bytes).or_else(|| challenge(query(call.request.uri())));
    seed(&call.app, &call.caller, call.request.method(), text)
}

fn seed(
    app: &App,
    caller: &Caller,
    method: &Method,
    challenge: Option<String>,
) -> Result<Response<Body>, Refusal> {
    let challenge = challenge.filter(|text| !text.is_empty()).ok_or_else(|| {
        Refusal::invalid("challenge: a text is needed, as pollinate sends it (got none)")
    })?;
    let headers = app.random_headers("text/plain");
    let mut random = Zeroizing::new([0; RANDOM_BYTES]);
    app.generator.fill(random.as_mut_slice())?;
    let answer = answer(&challenge, &random);
    // A refusal of the generator charges nothing, and neither does HEAD, which gives nothing.
    if let Some(tenant) = app.limits.limited(caller).filter(|_| *method != Method::HEAD) {
        tenant.charge(Protocol::Pollen, answer.len() as u64)?;
    }
    app.meters.add_bytes(RANDOM_BYTES);
    Ok(respond::ok(headers, Body::whole(answer.into_bytes())))
}

/// The two lines.
fn answer(challenge: &str, random: &[u8; RANDOM_BYTES]) -> String {
    let mut seed = Zeroizing::new([0; 64]);
    let hash = Sha512::new().chain_update(challenge).chain_update(random);
    hash.finalize_into((&mut *seed).into());
    let mut lines = String::with_capacity(2 * (DIGITS + 1));
    HEXLOWER.encode_append(&Sha512::digest(challenge), &mut lines);
    lines.push('\n');
    HEXLOWER.encode_append(seed.as_slice(), &mut lines);
    lines.push('\n');
    lines
}

/// For the fuzz target: the answer to a form with a challenge.
#[cfg(any(test, feature = "test-support"))]
#[must_use]
pub fn answered_challenge(form: &[u8]) -> Option<String> {
    challenge(form).map(|text| answer(&text, &[0; RANDOM_BYTES]))
}

fn query(target: &Uri) -> &[u8] {
    target.query().unwrap_or_default().as_bytes()
}

/// The first challenge of a form, as it was before it was encoded. Other fields do not count.
fn challenge(form: &[u8]) -> Option<String> {
    let mut fields = form_urlencoded::parse(form);
    fields.find(|(name, _)| name == CHALLENGE).map(|(_, text)| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_hash_of_the_challenge_and_a_seed() {
        let lines = answer("abc", &[7; RANDOM_BYTES]);
        let (first, rest) = lines.split_once('\n').expect("two lines");
        // FIPS 180-2, Appendix C.1.
        assert_eq!(
            first,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
        let hash = Sha512::digest([b"abc".as_slice(), &[7; 64]].concat());
        assert_eq!(rest, format!("{}\n", HEXLOWER.encode(&hash)));
        assert_ne!(answer("abc", &[8; RANDOM_BYTES]), lines);
    }

    #[test]
    fn a_challenge_is_found_in_a_form_and_decoded() {
        for (form, found) in [
            ("challenge=00ff", Some("00ff")),
            ("x=1&challenge=a%20b+c&challenge=d", Some("a b c")),
            ("challenge", Some("")),
            ("challenge=", Some("")),
            ("", None),
            ("Challenge=x", None),
            ("x=challenge", None),
        ] {
            assert_eq!(challenge(form.as_bytes()).as_deref(), found, "{form}");
        }
    }

    #[test]
    fn it_takes_calls_at_the_root_that_are_no_page() {
        for (method, target, is_claimed) in [
            (Method::POST, "/", true),
            (Method::POST, "/?challenge=x", true),
            (Method::GET, "/?challenge=x", true),
            (Method::GET, "/?challenge=", true),
            (Method::GET, "/", false),
            (Method::GET, "/?x=challenge", false),
            (Method::POST, "/docs", false),
        ] {
            let target: Uri = target.parse().expect("a target");
            assert_eq!(
                Pollen.claims(&method, &target, &HeaderMap::new()),
                is_claimed,
                "{method} {target}"
            );
        }
    }
}
