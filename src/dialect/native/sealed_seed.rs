//! `/seed`: a sealed seed, and the identity of the service that sealed it.

use data_encoding::BASE64;
use hyper::{Method, Response, StatusCode};
use zeroize::Zeroizing;

use crate::api::sealed_seed::{IdentityAnswer, SeedAnswer, SeedRequest};
use crate::crypto::sealed_seed::{RANDOMNESS_BYTES, Recipient, SealedSeed, SeedSuite, seal};
use crate::crypto::service_identity::ServiceIdentity;
use crate::http::body::Body;
use crate::http::call::{Call, OwnedCall, Reply, on_thread};
use crate::http::query::Invalid;
use crate::http::refusal::Refusal;
use crate::http::{problem, rate_limit, respond};

/// The most bytes of a request: a key of X-Wing in base64 has 1,624.
const BODY_BYTES: usize = 4096;

/// The lengths of a seed in bytes: a key at least, and what a kernel's pool takes.
const SEED_BYTES: std::ops::RangeInclusive<u64> = 32..=64;
const SEED_BYTES_MOST: usize = 64;

/// The lengths of a nonce in bytes: random ones of 128 bits do not repeat by chance.
const NONCE_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

const METHODS: &str = "GET,HEAD,POST";

/// Answers POST with a seed, and GET with the identity.
pub(crate) fn answer(call: Call<'_>) -> Reply {
    match *call.request.method() {
        Method::OPTIONS => return Reply::Now(respond::options("GET,HEAD,OPTIONS,POST")),
        Method::GET | Method::HEAD | Method::POST => {}
        _ => {
            let message = "GET gives the identity, and POST a seed";
            let refusal = Refusal::method_not_allowed(METHODS, message);
            return Reply::Now(problem::render(&refusal));
        }
    }
    let mut call = call.into_owned();
    Reply::later(async move {
        let answer = if *call.request.method() == Method::POST {
            seed(&mut call).await
        } else {
            identity(&call).await
        };
        call.finish(answer.unwrap_or_else(|refusal| problem::render(&refusal))).await
    })
}

async fn identity(call: &OwnedCall) -> Result<Response<Body>, Refusal> {
    let identity = call.on_store(|store| Ok(store.keyring().service_key()?.identity())).await?;
    let suites = SeedSuite::ALL.map(|(suite, _)| suite).to_vec();
    let answer = IdentityAnswer { identity: encoded(identity), suites };
    Ok(respond::json_line(StatusCode::OK, &answer))
}

async fn seed(call: &mut OwnedCall) -> Result<Response<Body>, Refusal> {
    let asked = Asked::read(&call.json::<SeedRequest>(BODY_BYTES).await?)?;
    // Before anything is drawn: the answer is of this seed of the generator, or of a later one.
    let headers = call.app.random_headers("application/json");
    let (app, caller) = (call.app.clone(), call.caller.clone());
    let (answer, bytes) = on_thread(move || {
        rate_limit::check(&app.limits, &caller, &Method::POST, asked.bytes as u64)?;
        let key = app.store()?.keyring().service_key()?;
        let mut drawn = Zeroizing::new([0; RANDOMNESS_BYTES + SEED_BYTES_MOST]);
        app.generator.fill(drawn.as_mut_slice())?;
        let (randomness, seed) =
            drawn.split_first_chunk_mut().expect("it is longer than the first part");
        let recipient =
            Recipient { suite: asked.suite, public_key: &asked.public_key, nonce: &asked.nonce };
        let sealed = seal(&key, &recipient, &seed[..asked.bytes], randomness);
        let sealed = sealed.map_err(|_| {
            let length = format!("{} bytes", asked.public_key.len());
            Invalid::new(
                "public_key",
                "this is no public key of the suite",
                "a public key",
                &length,
            )
        })?;
        // A refusal of the generator, or of the public key, charges nothing.
        rate_limit::charge(&app.limits, &caller, &Method::POST, asked.bytes as u64)?;
        Ok((written(asked.suite, key.identity(), &sealed), asked.bytes))
    })
    .await?;
    call.app.meters.add_bytes(bytes);
    let mut response = respond::json_line(StatusCode::OK, &answer);
    response.headers_mut().extend(headers);
    Ok(response)
}

/// A request that is well formed.
struct Asked {
    suite: SeedSuite,
    public_key: Vec<u8>,
    nonce: Vec<u8>,
    bytes: usize,
}

impl Asked {
    fn read(request: &SeedRequest) -> Result<Self, Invalid> {
        let found = SeedSuite::ALL.iter().find(|(_, name)| *name == request.suite);
        let (suite, _) = found.ok_or_else(|| {
            let names = SeedSuite::ALL.map(|(_, name)| name).join(", ");
            Invalid::new("suite", "there is no such suite", names, &request.suite)
        })?;
        let nonce = decoded("nonce", &request.nonce)?;
        if !NONCE_BYTES.contains(&nonce.len()) {
            let (limit, value) = (limits(&NONCE_BYTES), format!("{} bytes", nonce.len()));
            return Err(Invalid::new("nonce", "its length is out of range", limit, &value));
        }
        if !SEED_BYTES.contains(&request.bytes) {
            let value = request.bytes.to_string();
            let limit = limits(&SEED_BYTES);
            return Err(Invalid::new("bytes", "the number is out of range", limit, &value));
        }
        Ok(Self {
            suite: *suite,
            public_key: decoded("public_key", &request.public_key)?,
            nonce,
            bytes: usize::try_from(request.bytes).unwrap_or(SEED_BYTES_MOST),
        })
    }
}

/// For the fuzz target: the lengths of nonce and seed of a request that is well formed.
#[cfg(any(test, feature = "test-support"))]
#[must_use]
pub fn accepted_seed_request(body: &[u8]) -> Option<(usize, usize)> {
    let request = crate::http::body_reading::read_json::<SeedRequest>(body).ok()?;
    let asked = Asked::read(&request).ok()?;
    Some((asked.nonce.len(), asked.bytes))
}

fn limits<T: std::fmt::Display>(range: &std::ops::RangeInclusive<T>) -> String {
    format!("{} to {} bytes", range.start(), range.end())
}

fn decoded(field: &str, text: &str) -> Result<Vec<u8>, Invalid> {
    let invalid = |_| Invalid::new(field, "this is not base64", "base64 with padding", text);
    BASE64.decode(text.as_bytes()).map_err(invalid)
}

fn encoded(identity: ServiceIdentity) -> String {
    BASE64.encode(&identity.to_bytes())
}

fn written(suite: SeedSuite, identity: ServiceIdentity, sealed: &SealedSeed) -> SeedAnswer {
    SeedAnswer {
        suite,
        enc: BASE64.encode(&sealed.enc),
        ciphertext: BASE64.encode(&sealed.ciphertext),
        identity: encoded(identity),
        signature: BASE64.encode(&sealed.signature),
    }
}
