//! Bodies that callers send: bounded in size, in time, and all together in memory.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT};
use multer::{Constraints, Multipart, SizeLimit};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::api::json::Json;
use crate::dialect::workers_kv::WorkersKv;
use crate::dialect::workers_kv::envelope::Refusal;
use crate::kv::{METADATA_LIMIT, VALUE_LIMIT};
use lavawall_entropy::append_secret;

/// What a form adds to the value it carries.
const FORM_BYTES: usize = 64 * 1024;

/// The most that is taken of a request whose body nobody wants, in bytes, and for how long.
const DISCARDED_BYTES: usize = 64 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// A body, all of it. Wiped when dropped.
pub(crate) type Received = Zeroizing<Vec<u8>>;

/// A value and what came with it.
pub(crate) struct Written {
    pub(crate) value: Received,
    pub(crate) metadata: Option<Received>,
}

/// Receives a body of at most `limit` bytes.
pub(crate) async fn receive(
    dialect: &WorkersKv,
    request: &mut Request<Incoming>,
    limit: usize,
) -> Result<Received, Refusal> {
    let body = request.body_mut();
    let announced = body.size_hint().exact().and_then(|len| usize::try_from(len).ok());
    if announced.is_some_and(|len| len > limit) {
        return Err(Refusal::too_large(limit));
    }
    let most = announced.unwrap_or(limit);
    let mib = u32::try_from(most >> 20).unwrap_or(u32::MAX) + 1;
    let room = timeout(dialect.idle_timeout, dialect.room.acquire_many(mib)).await;
    let Ok(Ok(_room)) = room else {
        return Err(Refusal::unavailable("too much is being written at once, try later"));
    };
    let mut received = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(0)));
    loop {
        let frame = timeout(dialect.idle_timeout, body.frame()).await;
        let frame = match frame {
            Err(_) => return Err(Refusal::too_slow()),
            Ok(None) => return Ok(received),
            Ok(Some(Err(_))) => return Err(Refusal::invalid("the body is cut short")),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        if received.len() + data.len() > limit {
            return Err(Refusal::too_large(limit));
        }
        append_secret(&mut received, &data);
    }
}

/// Takes what is still to come of a request, as far as it is short and comes at once, so that the connection
/// can go on. Says whether that was all.
///
/// Who asked whether to send a body (`Expect: 100-continue`) is not made to: the answer is there.
pub(crate) async fn discard(request: &mut Request<Incoming>) -> bool {
    let asks = request.headers().contains_key(EXPECT);
    let body = request.body_mut();
    if body.is_end_stream() || asks {
        return body.is_end_stream();
    }
    let read = async {
        let mut left = DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, hyper::body::Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return false };
            left = rest;
        }
        true
    };
    // Whoever takes longer is heard out when the connection is closed.
    timeout(DISCARD_TIMEOUT, read).await.unwrap_or(false)
}

/// Receives JSON.
pub(crate) async fn json<T: DeserializeOwned>(
    dialect: &WorkersKv,
    request: &mut Request<Incoming>,
    limit: usize,
) -> Result<T, Refusal> {
    let received = receive(dialect, request, limit).await?;
    serde_json::from_slice(&received).map_err(|error| Refusal::invalid(not_that(&error)))
}

/// What is wrong with a body of JSON, and where.
fn not_that(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    let said = error.to_string();
    // Its other messages quote what was sent; this one only names a member of ours.
    let missing = said.split_once(" at line").map(|(what, _)| what);
    match missing.filter(|what| what.starts_with("missing field `")) {
        Some(missing) => format!("the body is not the JSON that belongs here: {missing}, {place}"),
        None => format!("the body is not the JSON that belongs here: {place}"),
    }
}

/// Receives a value: the body itself, or a form with the parts `value` and `metadata`.
pub(crate) async fn value(
    dialect: &WorkersKv,
    request: &mut Request<Incoming>,
) -> Result<Written, Refusal> {
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let form_type = media_type.filter(|media_type| {
        media_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data")
    });
    let Some(form_type) = form_type else {
        let value = receive(dialect, request, VALUE_LIMIT).await?;
        return Ok(Written { value, metadata: None });
    };
    let boundary = multer::parse_boundary(form_type)
        .map_err(|_| Refusal::invalid("content-type: the form has no boundary"))?;
    let body = receive(dialect, request, VALUE_LIMIT + FORM_BYTES).await?;
    form(&body, &boundary).await
}

async fn form(body: &[u8], boundary: &str) -> Result<Written, Refusal> {
    let sizes = SizeLimit::new()
        .for_field("value", VALUE_LIMIT as u64)
        .for_field("metadata", METADATA_LIMIT as u64);
    let constraints = Constraints::new().size_limit(sizes);
    let mut parts = Multipart::with_reader_with_constraints(body, boundary, constraints);
    let (mut value, mut metadata) = (None, None);
    while let Some(part) = parts.next_field().await.map_err(|error| broken_form(&error))? {
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|error| broken_form(&error))?;
        let bytes = Zeroizing::new(bytes.to_vec());
        let part = match name.as_str() {
            "value" => &mut value,
            "metadata" => &mut metadata,
            // Clients that take an object apart send its numbers as text: nothing whole comes of it.
            name if name.starts_with("metadata[") => {
                let why = "metadata: must be one part of JSON, as JSON.stringify gives it";
                return Err(Refusal::invalid(why));
            }
            _ => continue,
        };
        if part.replace(bytes).is_some() {
            return Err(Refusal::invalid(format!("the form has two parts named {name}")));
        }
    }
    let value = value.ok_or_else(|| Refusal::invalid("the form has no part named value"))?;
    let metadata = metadata.map(|json| match Json::read(&json) {
        Ok(json) => Ok(Zeroizing::new(json.text().as_bytes().to_vec())),
        Err(_) => Err(Refusal::invalid("metadata: is not JSON, or too deep or large to be read")),
    });
    Ok(Written { value, metadata: metadata.transpose()? })
}

fn broken_form(error: &multer::Error) -> Refusal {
    match error {
        // As for a value that is the whole body.
        multer::Error::FieldSizeExceeded { field_name: Some(field), .. } if field == "value" => {
            Refusal::too_large(VALUE_LIMIT)
        }
        multer::Error::FieldSizeExceeded { limit, field_name } => Refusal::invalid(format!(
            "{}: at most {limit} bytes",
            field_name.as_deref().unwrap_or("a part of the form")
        )),
        _ => Refusal::invalid("the form is cut short or damaged"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<(Vec<u8>, Option<Vec<u8>>), Refusal> {
        read_bytes(body.as_bytes())
    }

    fn read_bytes(body: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), Refusal> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let written = runtime.block_on(form(body, "x"))?;
        Ok((written.value.to_vec(), written.metadata.map(|json| json.to_vec())))
    }

    fn part(name: &str, content: &str) -> String {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    }

    #[test]
    fn a_form_carries_a_value_and_metadata_in_any_order() {
        let (value, metadata) = (part("value", "a\r\nb"), part("metadata", "{\"a\":1}"));
        for body in [format!("{value}{metadata}--x--\r\n"), format!("{metadata}{value}--x--\r\n")] {
            let expected = (b"a\r\nb".to_vec(), Some(b"{\"a\":1}".to_vec()));
            assert_eq!(read(&body).expect("a form"), expected);
        }
        assert_eq!(read(&format!("{}--x--\r\n", part("value", ""))).expect("empty").0, b"");
    }

    #[test]
    fn a_form_without_value_with_bad_metadata_or_cut_short_is_refused() {
        let value = part("value", "a");
        for body in [
            format!("{}--x--\r\n", part("other", "a")),
            format!("{value}{}--x--\r\n", part("metadata", "{not json")),
            format!("{value}{}--x--\r\n", part("metadata[colour]", "red")),
            format!("{value}{}--x--\r\n", part("metadata", &" ".repeat(METADATA_LIMIT + 1))),
            value.clone(),
            "nothing".to_owned(),
            String::new(),
        ] {
            assert!(read(&body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_missing_member_is_named_and_nothing_that_was_sent_is() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only refused")]
        struct Titled {
            title: String,
        }
        for (body, named) in [
            ("{\"secret\":1}", "missing field `title`, line 1, column 12"),
            ("{\"title\":\"secret", "line 1, column 16"),
            ("{\"title\":[\"secret\"]}", "line 1, column 9"),
            ("\"missing field `secret` at line\"", "line 1, column 32"),
        ] {
            let error = serde_json::from_str::<Titled>(body).expect_err("not that");
            let said = not_that(&error);
            assert!(said.ends_with(named) && !said.contains("secret"), "{body}: {said}");
        }
    }

    #[test]
    fn metadata_that_could_not_be_shown_again_is_refused_and_not_kept_as_nothing() {
        let with = |metadata: &[u8]| {
            let value = part("value", "a");
            let head = "--x\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n";
            [value.as_bytes(), head.as_bytes(), metadata, b"\r\n--x--\r\n"].concat()
        };
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        for metadata in [b"{\"n\":1e308}".as_slice(), deep(127).as_bytes(), b"\"\xc3\xa4\""] {
            assert!(read_bytes(&with(metadata)).is_ok(), "{metadata:?}");
        }
        for metadata in [
            b"{\"n\":1e309}".as_slice(),
            deep(128).as_bytes(),
            b"\"\xff\"",
            b"\"\\ud800\"",
            b"{} {}",
        ] {
            assert!(read_bytes(&with(metadata)).is_err(), "{metadata:?}");
        }
    }

    #[test]
    fn a_value_in_a_form_that_is_too_large_has_the_status_of_one_that_is_the_body() {
        let body = format!("{}--x--\r\n", part("value", &"a".repeat(VALUE_LIMIT + 1)));
        let refusal = read(&body).expect_err("too large");
        assert_eq!(refusal.response().status(), hyper::StatusCode::PAYLOAD_TOO_LARGE);
    }
}
