//! Uploaded values: the body itself, or a form.

use hyper::header::CONTENT_TYPE;
use multer::{Constraints, Multipart, SizeLimit};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use crate::api::json::Json;
use crate::http::body_reading::{BodyLimits, ReceivedBody};
use crate::http::call::{OwnedCall, on_thread};
use crate::http::refusal::{Class, Part, Refusal, Subject};
use crate::kv::{METADATA_LIMIT, VALUE_LIMIT};

/// The most that a form adds to its value.
const FORM_BYTES: usize = 64 * 1024;

/// Memory for each byte of a form: the body, and its value in the parser and out of it.
const FORM_COPIES: usize = 3;

/// A value and its metadata.
pub(crate) struct UploadedValue {
    body: ReceivedBody,
    metadata: Option<Zeroizing<Vec<u8>>>,
}

/// The parts of a form.
struct FormParts {
    value: Zeroizing<Vec<u8>>,
    metadata: Option<Zeroizing<Vec<u8>>>,
}

impl UploadedValue {
    pub(crate) fn value(&self) -> &[u8] {
        &self.body.bytes
    }

    pub(crate) fn metadata(&self) -> Option<&[u8]> {
        self.metadata.as_deref().map(Vec::as_slice)
    }
}

/// Receives a value: the body itself, or a form with the parts `value` and `metadata`.
pub(crate) async fn value(call: &mut OwnedCall) -> Result<UploadedValue, Refusal> {
    let media_type = call.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let form_type = media_type.filter(|media_type| {
        media_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data")
    });
    let Some(form_type) = form_type else {
        let body = call.receive(BodyLimits { bytes: VALUE_LIMIT, copies: 1 }).await?;
        return Ok(UploadedValue { body, metadata: None });
    };
    let boundary = multer::parse_boundary(form_type)
        .map_err(|_| Refusal::invalid("content-type: the form has no boundary"))?;
    let limits = BodyLimits { bytes: VALUE_LIMIT + FORM_BYTES, copies: FORM_COPIES };
    let mut body = call.receive(limits).await?;
    // The form is in memory: nothing in it waits.
    let runtime = Handle::current();
    on_thread(move || {
        let FormParts { value, metadata } = runtime.block_on(form(&body.bytes, &boundary))?;
        body.bytes = value;
        body.permit.shrink(body.bytes.capacity());
        Ok(UploadedValue { body, metadata })
    })
    .await
}

async fn form(body: &[u8], boundary: &str) -> Result<FormParts, Refusal> {
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
            // Some clients flatten an object and send its numbers as text: it cannot be rebuilt.
            name if name.starts_with("metadata[") => {
                let why = "metadata: must be one part of JSON, as JSON.stringify gives it";
                return Err(Refusal::invalid_part(Part::Metadata, why));
            }
            _ => continue,
        };
        if part.replace(bytes).is_some() {
            return Err(Refusal::invalid(format!("the form has two parts named {name}")));
        }
    }
    let value = value.ok_or_else(|| Refusal::invalid("the form has no part named value"))?;
    let metadata = metadata.map(|json| {
        let read = Json::read(&json).map_err(|_| {
            let why = "metadata: is not JSON, or too deep or large to be read";
            Refusal::invalid_part(Part::Metadata, why)
        })?;
        Ok::<_, Refusal>(Zeroizing::new(read.text().as_bytes().to_vec()))
    });
    Ok(FormParts { value, metadata: metadata.transpose()? })
}

fn broken_form(error: &multer::Error) -> Refusal {
    match error {
        // The same as for a value that is the body itself.
        multer::Error::FieldSizeExceeded { field_name: Some(field), .. } if field == "value" => {
            Refusal::body_too_large(VALUE_LIMIT)
        }
        multer::Error::FieldSizeExceeded { limit, .. } => Refusal::new(
            Class::TooLarge,
            Subject::Part(Part::Metadata),
            format!("metadata: at most {limit} bytes"),
        ),
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
        assert_eq!(refusal.class.status(), hyper::StatusCode::PAYLOAD_TOO_LARGE);
    }
}
