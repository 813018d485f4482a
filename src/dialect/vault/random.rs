//! Random bytes: `sys/tools/random` and `transit/random`.

use data_encoding::{BASE64, Encoding, HEXLOWER};
use hyper::Response;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::caller::usage::Protocol;
use crate::dialect::vault::envelope;
use crate::dialect::vault::fields::{Fields, SETTINGS};
use crate::dialect::vault::path::RandomPath;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::call::{Call, OwnedCall};
use crate::http::refusal::Refusal;
use crate::machine::this_machine;

/// Vault's own limit (`APIMaxBytes`).
const BYTES_MOST: i64 = 128 * 1024;

/// Vault's own default.
const BYTES: i64 = 32;

/// Random bytes of an answer that takes no memory from the budget of large ones.
const SHORT: usize = 16 * 1024;

/// Where bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The generator, which has the operating system's bytes in every answer.
    Generator,
    /// The operating system alone.
    Platform,
}

#[derive(Serialize)]
struct Bytes {
    random_bytes: Zeroizing<String>,
}

/// What a call asks for.
struct Asked {
    bytes: usize,
    encoding: Encoding,
    source: Source,
}

/// Answers a call whose path says everything, if the answer is short; else `None`.
pub(crate) fn without_body(
    call: &Call<'_>,
    path: &RandomPath,
) -> Option<Result<Response<Body>, Refusal>> {
    let answer = |asked| Ok(envelope::data(call.id, draw(call.app, &call.caller, &asked)?));
    match Asked::read(call.app, path, &Fields::default()) {
        Ok(asked) if asked.bytes > SHORT => None,
        Ok(asked) => Some(answer(asked)),
        Err(refusal) => Some(Err(refusal)),
    }
}

/// Answers a call whose body may say more.
pub(crate) async fn with_body(
    call: &mut OwnedCall,
    path: RandomPath,
) -> Result<Response<Body>, Refusal> {
    let body = call.receive(SETTINGS).await?;
    let fields = Fields::read(&body.bytes, &["bytes", "format", "source"])?;
    let asked = Asked::read(&call.app, &path, &fields)?;
    if asked.bytes <= SHORT {
        return Ok(envelope::data(&call.id, draw(&call.app, &call.caller, &asked)?));
    }
    // Hexadecimal digits, and the rest of the envelope.
    let memory = call.app.memory.take(asked.bytes * 2 + SHORT).await?;
    let drawn = draw(&call.app, &call.caller, &asked)?;
    Ok(envelope::held(&call.id, drawn, call.answer_permit(memory)))
}

impl Asked {
    fn read(app: &App, path: &RandomPath, fields: &Fields<'_>) -> Result<Self, Refusal> {
        let bytes = match &path.bytes {
            Some(text) => number(text)?,
            None => fields.number("bytes")?.unwrap_or(BYTES),
        };
        if bytes < 1 {
            return Err(Refusal::invalid("'bytes' cannot be less than 1"));
        }
        if bytes > BYTES_MOST {
            return Err(Refusal::invalid(format!("'bytes' should be less than {BYTES_MOST}")));
        }
        let format = fields.text("format")?;
        let encoding = match format.as_deref() {
            None | Some("base64" | "") => BASE64,
            Some("hex") => HEXLOWER,
            Some(other) => {
                let other = shown(other);
                return Err(Refusal::invalid(format!(
                    "unsupported encoding format {other:?}; must be \"hex\" or \"base64\""
                )));
            }
        };
        let source = match &path.source {
            Some(source) => source_of(app, source)?,
            None => match fields.text("source")? {
                Some(source) if !source.is_empty() => source_of(app, &source)?,
                _ => Source::Generator,
            },
        };
        let bytes = usize::try_from(bytes).expect("within the limits");
        Ok(Self { bytes, encoding, source })
    }
}

fn draw(app: &App, caller: &Caller, asked: &Asked) -> Result<Bytes, Refusal> {
    let mut drawn = Zeroizing::new(vec![0; asked.bytes]);
    match asked.source {
        Source::Generator => app.generator.fill(&mut drawn)?,
        Source::Platform => (this_machine().os)(&mut drawn).map_err(|_| {
            Refusal::unavailable("the operating system gives no random bytes at the moment")
        })?,
    }
    let random_bytes = Zeroizing::new(asked.encoding.encode(&drawn));
    if let Some(tenant) = app.limits.limited(caller) {
        // In the form that is sent: hexadecimal digits are twice as many.
        tenant.charge(Protocol::Vault, random_bytes.len() as u64)?;
    }
    app.meters.add_bytes(asked.bytes);
    Ok(Bytes { random_bytes })
}

/// The source of a name. `seal` and `all` are the generator, and so is the default: Vault's is the operating
/// system, which is the weaker one.
fn source_of(app: &App, name: &str) -> Result<Source, Refusal> {
    match name {
        "seal" | "all" => Ok(Source::Generator),
        "platform" if app.vault_platform_random => Ok(Source::Platform),
        "platform" => Err(Refusal::invalid(
            "unsupported entropy source \"platform\": it is the operating system alone, which \
             http.vault-platform-random does not allow; must be \"seal\" or \"all\"",
        )),
        other => {
            let other = shown(other);
            Err(Refusal::invalid(format!(
                "unsupported entropy source {other:?}; must be \"platform\" or \"seal\", or \"all\""
            )))
        }
    }
}

/// A count in a path, with the errors of Go's `strconv.Atoi`.
fn number(text: &str) -> Result<i64, Refusal> {
    text.parse::<i64>().map_err(|error| {
        let fault = match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                "value out of range"
            }
            _ => "invalid syntax",
        };
        let text = shown(text);
        Refusal::invalid(format!(
            "error parsing url-set byte count: strconv.Atoi: parsing {text:?}: {fault}"
        ))
    })
}

/// As much of a text as an error repeats.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}
