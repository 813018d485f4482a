//! A namespace as the service's dialect shows it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::api::json::Json;
use crate::cli::error::Stop;
use crate::cli::kv::connection::Connection;
use crate::cli::print::shown;
use crate::client::{Answer, Client, ClientError, Payload};
use crate::exitcode::Exit;

/// Where namespaces are.
const NAMESPACES: &str = "/client/v4/accounts/default/storage/kv/namespaces";

/// How many namespaces, or names, a page has at the most.
const PAGE: usize = 1000;

/// No page is longer: a thousand names of 512 bytes and metadata of 1 KiB, every letter escaped.
const PAGE_BYTES: usize = PAGE * 6 * 2048;

/// Everything else stands for itself in a path and in a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One namespace, and the service that has it.
pub(crate) struct Space {
    client: Client,
    pub(crate) info: Info,
}

/// What is known of a namespace.
#[derive(Debug, Deserialize)]
pub(crate) struct Info {
    pub(crate) id: String,
    pub(crate) title: String,
}

/// A record as a list shows it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// In seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expiration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Json>,
}

/// What answers are wrapped in.
#[derive(Deserialize)]
struct Envelope<T> {
    result: T,
    #[serde(default)]
    result_info: PageInfo,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PageInfo {
    cursor: String,
    total_pages: usize,
}

/// The service's namespaces, all of them.
pub(crate) fn all(client: &Client) -> Result<Vec<Info>, Stop> {
    let mut found = Vec::new();
    for page in 1_usize.. {
        let path = format!("{NAMESPACES}?per_page={PAGE}&page={page}");
        let answer = client.call("GET", &path, None)?.accepted(&[200])?;
        let envelope: Envelope<Vec<Info>> = read(answer)?;
        let more = page < envelope.result_info.total_pages && !envelope.result.is_empty();
        found.extend(envelope.result);
        if !more {
            break;
        }
    }
    Ok(found)
}

/// Makes a namespace.
pub(crate) fn create(client: &Client, title: &str) -> Result<Info, Stop> {
    let body = serde_json::json!({ "title": title }).to_string();
    let answer = client.call("POST", NAMESPACES, Some(json(body.as_bytes())))?.accepted(&[200])?;
    Ok(read::<Info>(answer)?.result)
}

impl Space {
    /// The namespace that is called so, by its title or its id.
    pub(crate) fn find(connection: &Connection, wanted: &str) -> Result<Self, Stop> {
        let client = connection.client()?;
        let is_it = |info: &Info| info.id == wanted || info.title == wanted;
        let mut found: Vec<_> = all(&client)?.into_iter().filter(is_it).collect();
        match (found.pop(), found.pop()) {
            (Some(info), None) => Ok(Self { client, info }),
            (None, _) => Err(Stop::no(format!(
                "there is no namespace {}; make it with: lavawall kv namespaces create",
                shown(wanted)
            ))),
            (Some(one), Some(other)) => Err(Stop::usage(format!(
                "{wanted} is the title of one namespace and the id of another: {} ({}) and {} ({})",
                one.id,
                shown(&one.title),
                other.id,
                shown(&other.title),
            ))),
        }
    }

    /// Asks for what is below this namespace, which is there for `accepted` alone.
    pub(crate) fn call(
        &self,
        method: &str,
        below: &str,
        payload: Option<Payload<'_>>,
        accepted: &[u16],
    ) -> Result<Answer, ClientError> {
        let path = format!("{NAMESPACES}/{}{below}", self.info.id);
        self.client.call(method, &path, payload)?.accepted(accepted)
    }

    /// Gives every page of the names that begin with `prefix` to `act`, at most `limit` names.
    pub(crate) fn pages(
        &self,
        prefix: &str,
        limit: Option<usize>,
        mut act: impl FnMut(Vec<Listed>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut left = limit.unwrap_or(usize::MAX);
        let mut cursor = String::new();
        while left > 0 {
            let path = format!(
                "/keys?limit={}&prefix={}&cursor={}",
                left.min(PAGE),
                escaped(prefix),
                escaped(&cursor)
            );
            let page: Envelope<Vec<Listed>> = read(self.call("GET", &path, None, &[200])?)?;
            left = left.saturating_sub(page.result.len());
            act(page.result)?;
            cursor = page.result_info.cursor;
            if cursor.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

/// What an answer holds, of the form that belongs here.
fn read<T: DeserializeOwned>(answer: Answer) -> Result<Envelope<T>, Stop> {
    parse(&answer.read(PAGE_BYTES)?)
}

/// The result of an answer.
pub(crate) fn result<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Stop> {
    Ok(parse(answer)?.result)
}

fn parse<T: DeserializeOwned>(answer: &[u8]) -> Result<Envelope<T>, Stop> {
    serde_json::from_slice(answer).map_err(|error| {
        // Its own message quotes what was sent.
        let place = format!("line {}, column {}", error.line(), error.column());
        let reason = format!("this does not look like a lavawall's answer: {place}");
        Stop::new(Exit::Unavailable, reason)
    })
}

/// JSON to send.
pub(crate) fn json(bytes: &[u8]) -> Payload<'_> {
    Payload { media_type: "application/json", bytes }
}

/// A text as a part of a path or a query.
pub(crate) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Where a record's value is, below its namespace.
pub(crate) fn value_of(name: &str) -> String {
    format!("/values/{}", escaped(name))
}
