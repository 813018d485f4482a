//! Signature Version 4: a request is signed with the secret of an access key.
//!
//! ```text
//! Authorization: AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/kms/aws4_request,
//!                SignedHeaders=host;x-amz-date;…, Signature=HEX
//! ```
//! Source: AWS, "Signature Version 4 signing process". Requests of this interface have the path `/` and no
//! query, and the signature covers the whole body.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hkdf::hmac::{Hmac, KeyInit, Mac};
use hyper::Request;
#[cfg(any(test, feature = "test-support"))]
use hyper::header::HeaderValue;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::dialect::aws_kms::fault::Fault;

/// The scheme in the header.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The service, and the end of every scope.
const SERVICE: &str = "kms";
const TERMINATOR: &str = "aws4_request";

/// The time of a request, as `20260131T235959Z`.
const DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// A token of temporary credentials, which this service does not give.
const SESSION: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The start of headers that must be signed.
const SIGNED_PREFIX: &str = "x-amz-";

/// The time of a request may differ by this much from this machine's, in seconds: that of AWS.
const SKEW_MOST: u64 = 5 * 60;

/// More headers than any client signs.
const HEADERS_MOST: usize = 64;

/// The signature of a request, before it is checked.
#[derive(Debug)]
pub(crate) struct Signature {
    /// The id of the access key.
    pub(crate) access_key: String,
    /// The region that the client has in its configuration.
    pub(crate) region: String,
    day: String,
    date: String,
    /// The canonical request without the hash of the body.
    canonical: String,
    given: [u8; 32],
}

impl Signature {
    /// Reads the signature of a request that came at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// When there is none, it is not complete, or it is of another time.
    pub(crate) fn of<B>(request: &Request<B>, now: u64) -> Result<Self, Fault> {
        let query = request.uri().query().unwrap_or_default();
        if !query.is_empty() {
            let message =
                "A query is not accepted: requests are signed in the Authorization header.";
            return Err(Fault::incomplete_signature(message));
        }
        let mut values = request.headers().get_all(AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().unwrap_or_default(),
            (None, _) => return Err(Fault::no_signature()),
            (Some(_), Some(_)) => {
                return Err(Fault::incomplete_signature("There are two Authorization headers."));
            }
        };
        let fields =
            value.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(' ')).ok_or_else(
                || Fault::incomplete_signature("The algorithm must be AWS4-HMAC-SHA256."),
            )?;
        let field = |name: &str| {
            let mut found = fields.split(',').filter_map(|field| {
                field.trim().strip_prefix(name).and_then(|rest| rest.strip_prefix('='))
            });
            match (found.next(), found.next()) {
                (Some(value), None) => Ok(value),
                _ => Err(Fault::incomplete_signature(format!(
                    "Authorization header requires '{name}' parameter."
                ))),
            }
        };
        let scope = field("Credential")?.split('/').collect::<Vec<_>>();
        let [access_key, day, region, SERVICE, TERMINATOR] = scope[..] else {
            return Err(Fault::incomplete_signature(
                "Credential must be ID/DATE/REGION/kms/aws4_request.",
            ));
        };
        let date = the_only(request, &DATE)?;
        check_time(date, day, now)?;
        if request.headers().contains_key(SESSION) {
            return Err(Fault::unknown_access_key());
        }
        let given = HEXLOWER_PERMISSIVE.decode(field("Signature")?.as_bytes()).ok();
        let given = given.and_then(|given| given.try_into().ok());
        let given = given.ok_or_else(Fault::wrong_signature)?;
        let canonical = canonical(request, field("SignedHeaders")?)?;
        Ok(Self {
            access_key: access_key.to_owned(),
            region: region.to_owned(),
            day: day.to_owned(),
            date: date.to_owned(),
            canonical,
            given,
        })
    }

    /// Whether the request was signed with this secret and has this body. Compared in constant time.
    pub(crate) fn is_of(&self, secret: &str, body: &[u8]) -> bool {
        let scope = format!("{}/{}/{SERVICE}/{TERMINATOR}", self.day, self.region);
        let request = format!("{}{}", self.canonical, HEXLOWER.encode(&Sha256::digest(body)));
        let hash = HEXLOWER.encode(&Sha256::digest(request.as_bytes()));
        let text = format!("{ALGORITHM}\n{}\n{scope}\n{hash}", self.date);
        let first = Zeroizing::new(format!("AWS4{secret}"));
        let mut key = Zeroizing::new(first.as_bytes().to_vec());
        for part in [&self.day, &self.region, SERVICE, TERMINATOR] {
            key = Zeroizing::new(started(&key, part).finalize().into_bytes().to_vec());
        }
        started(&key, &text).verify_slice(&self.given).is_ok()
    }
}

fn started(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(text.as_bytes());
    mac
}

/// Whether headers have the parts of a signature. `headers` has a name and a value on each line; what is no
/// header is left out.
///
/// # Panics
/// When a secret that nobody has signs it.
#[cfg(any(test, feature = "test-support"))]
#[must_use]
pub fn has_signature(headers: &[u8], body: &[u8], now: u64) -> bool {
    let mut request = Request::post("/").body(()).expect("a path");
    for line in headers.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = parts.next().and_then(|value| HeaderValue::from_bytes(value).ok());
        if let (Some(name), Some(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    let Ok(signature) = Signature::of(&request, now) else { return false };
    assert!(!signature.is_of("a secret that nobody has", body));
    true
}

/// The value of a header that must be there once.
fn the_only<'r, B>(request: &'r Request<B>, name: &HeaderName) -> Result<&'r str, Fault> {
    let mut values = request.headers().get_all(name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Fault::incomplete_signature(format!(
            "Authorization header requires existence of one '{name}' header."
        ))),
    }
}

/// Checks that a request is of now.
fn check_time(date: &str, day: &str, now: u64) -> Result<(), Fault> {
    let parsed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok();
    let parsed = parsed.filter(|_| date.len() == "20260131T235959Z".len());
    let at = parsed.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let at = at.and_then(|at| u64::try_from(at.timestamp().as_second()).ok());
    let Some(at) = at.filter(|_| date.starts_with(day) && day.len() == 8) else {
        return Err(Fault::incomplete_signature(
            "Date must be in the form 20260131T235959Z, and of the day in the credential.",
        ));
    };
    let shown = |at: u64| {
        let at = i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
        at.unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string()
    };
    if at + SKEW_MOST < now {
        return Err(Fault::skewed(format!(
            "Signature expired: {date} is now earlier than {} ({} - 5 min.)",
            shown(now - SKEW_MOST),
            shown(now)
        )));
    }
    if at > now + SKEW_MOST {
        return Err(Fault::skewed(format!(
            "Signature not yet current: {date} is still later than {} ({} + 5 min.)",
            shown(now + SKEW_MOST),
            shown(now)
        )));
    }
    Ok(())
}

/// The canonical request up to the hash of the body.
fn canonical<B>(request: &Request<B>, signed: &str) -> Result<String, Fault> {
    let names: Vec<_> = signed.split(';').collect();
    let is_sorted = names.is_sorted_by(|one, other| one < other);
    if !is_sorted || names.len() > HEADERS_MOST {
        return Err(Fault::incomplete_signature("SignedHeaders must be sorted, each once."));
    }
    let must_be_signed = request
        .headers()
        .keys()
        .map(HeaderName::as_str)
        .filter(|name| name.starts_with(SIGNED_PREFIX) || *name == CONTENT_TYPE.as_str());
    for name in must_be_signed.chain([HOST.as_str()]) {
        if !names.contains(&name) {
            return Err(Fault::incomplete_signature(format!("'{name}' must be a 'SignedHeader'.")));
        }
    }
    let mut canonical = format!("{}\n/\n\n", request.method());
    for name in &names {
        let values = request.headers().get_all(*name).iter().map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
        });
        let mut values: Vec<_> = values.collect();
        if values.is_empty() && *name == HOST.as_str() {
            // Over HTTP/2 it is not among the headers.
            values.extend(request.uri().authority().map(ToString::to_string));
        }
        if values.is_empty() {
            return Err(Fault::wrong_signature());
        }
        canonical.extend([name, ":", &values.join(","), "\n"]);
    }
    canonical.extend(["\n", signed, "\n"]);
    Ok(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-08-30 12:36:00 UTC, the time of AWS's published examples.
    const NOW: u64 = 1_440_938_160;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// A request as botocore 1.44.5 signs it with the example credentials of AWS's documents.
    fn signed(change: impl FnOnce(&mut Headers)) -> Request<()> {
        let mut headers = vec![
            ("host", "127.0.0.1:8080".to_owned()),
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-date", "20150830T123600Z".to_owned()),
            ("x-amz-target", "TrentService.GenerateRandom".to_owned()),
            ("authorization", AUTHORIZED.to_owned()),
        ];
        change(&mut headers);
        let mut request = Request::post("/");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(()).expect("a request")
    }

    type Headers = Vec<(&'static str, String)>;

    const BODY: &[u8] = b"{\"NumberOfBytes\": 32}";

    const AUTHORIZED: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/lavawall/kms/aws4_request, \
                              SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
                              Signature=8f5c7215e39a99698cd8c391b7131005339967a611db6f03f6d7d39bfa5961a4";

    #[test]
    fn a_request_that_botocore_signed_is_accepted_with_its_secret_and_body_alone() {
        let signature = Signature::of(&signed(|_| {}), NOW).expect("complete");
        assert_eq!((&*signature.access_key, &*signature.region), ("AKIDEXAMPLE", "lavawall"));
        assert!(signature.is_of(SECRET, BODY));
        assert!(!signature.is_of(&SECRET.replace('w', "W"), BODY));
        assert!(!signature.is_of(SECRET, b"{\"NumberOfBytes\": 33}"));
        assert!(!signature.is_of(SECRET, b""));
    }

    #[test]
    fn headers_that_are_read_from_text_have_a_signature_or_not() {
        let mut text = String::new();
        for (name, value) in signed(|_| {}).headers() {
            text.extend([name.as_str(), ":", value.to_str().expect("text"), "\n"]);
        }
        assert!(has_signature(text.as_bytes(), BODY, NOW));
        assert!(!has_signature(text.as_bytes(), BODY, NOW + 301));
        assert!(!has_signature(b"host:x\n\xff:\n::", BODY, NOW));
    }

    #[test]
    fn a_change_of_anything_that_is_signed_is_noticed() {
        for (name, value) in [
            ("host", "127.0.0.1:8081"),
            ("content-type", "text/plain"),
            ("x-amz-date", "20150830T123601Z"),
            ("x-amz-target", "TrentService.Decrypt"),
        ] {
            let changed = signed(|headers| {
                let header = headers.iter_mut().find(|it| it.0 == name).expect("there");
                header.1 = value.to_owned();
            });
            let signature = Signature::of(&changed, NOW).expect("complete");
            assert!(!signature.is_of(SECRET, BODY), "{name}");
        }
        for (from, to) in [("AKIDEXAMPLE/", "AKIDEXAMPLE2/"), ("lavawall/kms", "else/kms")] {
            let changed = signed(|headers| headers[4].1 = AUTHORIZED.replace(from, to));
            let signature = Signature::of(&changed, NOW).expect("complete");
            // The id is not signed itself: its secret is.
            assert_eq!(signature.is_of(SECRET, BODY), from.starts_with("AKID"), "{from}");
        }
    }

    #[test]
    fn what_is_not_complete_or_of_another_time_is_refused() {
        let refused = |change: &dyn Fn(&mut Headers), now| {
            Signature::of(&signed(|headers| change(headers)), now).expect_err("refused").code
        };
        let edited = |from: &str, to: &str| {
            let text = AUTHORIZED.replace(from, to);
            assert_ne!(text, AUTHORIZED);
            refused(&|headers| headers[4].1.clone_from(&text), NOW)
        };
        for (from, to) in [
            ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
            ("Credential", "Credentials"),
            ("/kms/", "/s3/"),
            ("/aws4_request", "/aws4"),
            ("20150830/", "20150831/"),
            ("host;", ""),
            ("content-type;", ""),
            (";x-amz-target", ""),
            ("content-type;host", "host;content-type"),
            ("host;", "host;host;"),
            ("SignedHeaders", "Signed"),
            ("Signature=", "Signature=00, Signature="),
        ] {
            assert_eq!(edited(from, to), "IncompleteSignatureException", "{from}");
        }
        assert_eq!(edited("Signature=", "Signature=0"), "InvalidSignatureException");
        for now in [NOW - 301, NOW + 301] {
            assert_eq!(refused(&|_| {}, now), "InvalidSignatureException");
        }
        for now in [NOW - 300, NOW + 300] {
            assert!(Signature::of(&signed(|_| {}), now).is_ok());
        }
        assert_eq!(
            refused(&|headers| headers.truncate(4), NOW),
            "MissingAuthenticationTokenException"
        );
        let session = ("x-amz-security-token", "x".to_owned());
        assert_eq!(
            refused(&|headers| headers.push(session.clone()), NOW),
            "UnrecognizedClientException"
        );
        let another = ("x-amz-meta", "x".to_owned());
        assert_eq!(
            refused(&|headers| headers.push(another.clone()), NOW),
            "IncompleteSignatureException"
        );
        let presigned = Request::post("/?X-Amz-Algorithm=AWS4-HMAC-SHA256").body(()).expect("one");
        let code = Signature::of(&presigned, NOW).expect_err("refused").code;
        assert_eq!(code, "IncompleteSignatureException");
    }
}
