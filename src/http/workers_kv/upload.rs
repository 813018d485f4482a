//! Bodies that callers send: bounded in size, in time, and all together in memory.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_TYPE;
use multer::{Constraints, Multipart, SizeLimit};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::WorkersKv;
use super::envelope::Refusal;
use crate::kv::{METADATA_LIMIT, VALUE_LIMIT};
use crate::secret;

/// What a form adds to the value it carries.
const FORM_BYTES: usize = 64 * 1024;

/// The most that is taken of a request whose body nobody wants, in bytes, and for how long.
const DISCARDED_BYTES: usize = 64 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// A body, all of it. Wiped when dropped.
pub(super) type Received = Zeroizing<Vec<u8>>;

/// A value and what came with it.
pub(super) struct Written {
    pub(super) value: Received,
    pub(super) metadata: Option<Received>,
}

/// Receives a body of at most `limit` bytes.
pub(super) async fn receive(
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
        secret::append(&mut received, &data);
    }
}

/// Takes what is still to come of a request, as far as it is short and comes at once: a client that finds
/// its connection closed while it sends does not read the answer.
pub(in crate::http) async fn discard(request: &mut Request<Incoming>) {
    let body = request.body_mut();
    let read = async {
        let mut left = DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, hyper::body::Bytes::len);
            let Some(rest) = left.checked_sub(length) else { break };
            left = rest;
        }
    };
    // Whoever takes longer learns it another way.
    let _ = timeout(DISCARD_TIMEOUT, read).await;
}

/// Receives JSON.
pub(in crate::http) async fn json<T: DeserializeOwned>(
    dialect: &WorkersKv,
    request: &mut Request<Incoming>,
    limit: usize,
) -> Result<T, Refusal> {
    let received = receive(dialect, request, limit).await?;
    serde_json::from_slice(&received).map_err(|error| {
        // Its own message quotes what was sent.
        let place = format!("line {}, column {}", error.line(), error.column());
        Refusal::invalid(format!("the body is not the JSON that belongs here: {place}"))
    })
}

/// Receives a value: the body itself, or a form with the parts `value` and `metadata`.
pub(super) async fn value(
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
        match name.as_str() {
            "value" => value = Some(bytes),
            "metadata" => metadata = Some(bytes),
            // Clients that take an object apart send its numbers as text: nothing whole comes of it.
            name if name.starts_with("metadata[") => {
                let why = "metadata: must be one part of JSON, as JSON.stringify gives it";
                return Err(Refusal::invalid(why));
            }
            _ => {}
        }
    }
    let value = value.ok_or_else(|| Refusal::invalid("the form has no part named value"))?;
    if let Some(json) = &metadata {
        serde_json::from_slice::<serde::de::IgnoredAny>(json)
            .map_err(|_| Refusal::invalid("metadata: is not JSON"))?;
    }
    Ok(Written { value, metadata })
}

fn broken_form(error: &multer::Error) -> Refusal {
    match error {
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
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let written = runtime.block_on(form(body.as_bytes(), "x"))?;
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
}
