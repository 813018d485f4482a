//! The calls of the Workers KV dialect about namespaces and their names.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use crate::api::store::{
    ANY_NAMES, Envelope, LEAST_PAGE_ITEMS, ListedRecord, NAMES, NamespaceEntry, PAGE_ITEMS,
    TitleRequest,
};
use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::error::CommandError;
use crate::cli::print::shown;
use crate::client::{Client, ClientError, Payload, ServiceAnswer};
use crate::exitcode::Exit;

/// The path of namespaces.
const NAMESPACES: &str = "/client/v4/accounts/default/storage/kv/namespaces";

/// The most bytes of a page: a thousand names of 512 bytes and metadata of 1 KiB, every character
/// escaped.
const PAGE_BYTES: usize = PAGE_ITEMS * 6 * 2048;

/// Percent-encoded in paths and queries: all but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A client of one namespace.
pub(crate) struct NamespaceClient {
    client: Client,
    pub(crate) info: NamespaceEntry,
}

/// All namespaces of the service.
pub(crate) fn all(client: &Client) -> Result<Vec<NamespaceEntry>, CommandError> {
    let mut found = Vec::new();
    for page in 1_u64.. {
        let path = format!("{NAMESPACES}?per_page={PAGE_ITEMS}&page={page}");
        let answer = client.call("GET", &path, None)?.accepted(&[200])?;
        let envelope: Envelope<Vec<NamespaceEntry>> = read(answer)?;
        let pages = envelope.result_info.and_then(|info| info.total_pages).unwrap_or(0);
        let more = page < pages && !envelope.result.is_empty();
        found.extend(envelope.result);
        if !more {
            break;
        }
    }
    Ok(found)
}

/// Makes a namespace.
pub(crate) fn create(client: &Client, title: &str) -> Result<NamespaceEntry, CommandError> {
    let payload = Payload::json(titled(title)?);
    let answer = client.call("POST", NAMESPACES, Some(payload))?.accepted(&[200])?;
    Ok(read::<NamespaceEntry>(answer)?.result)
}

/// The body of a call that sets a title.
pub(crate) fn titled(title: &str) -> Result<Vec<u8>, CommandError> {
    serde_json::to_vec(&TitleRequest { title: title.to_owned() }).map_err(CommandError::data)
}

impl NamespaceClient {
    /// Finds the namespace with this title or id.
    pub(crate) fn find(
        connection: &ConnectionArguments,
        wanted: &str,
    ) -> Result<Self, CommandError> {
        let client = connection.client()?;
        let is_it = |info: &NamespaceEntry| info.id == wanted || info.title == wanted;
        let mut found: Vec<_> = all(&client)?.into_iter().filter(is_it).collect();
        match (found.pop(), found.pop()) {
            (Some(info), None) => Ok(Self { client, info }),
            (None, _) => Err(CommandError::failure(format!(
                "there is no namespace {}; make one with: lavawall kv namespaces create",
                shown(wanted)
            ))),
            (Some(one), Some(other)) => Err(CommandError::usage(format!(
                "{wanted} is the title of one namespace and the id of another: {} ({}) and {} ({})",
                one.id,
                shown(&one.title),
                other.id,
                shown(&other.title),
            ))),
        }
    }

    /// Calls the path `below` this namespace; any status but those `accepted` is an error.
    pub(crate) fn call(
        &self,
        method: &str,
        below: &str,
        payload: Option<Payload>,
        accepted: &[u16],
    ) -> Result<ServiceAnswer, ClientError> {
        let path = format!("{NAMESPACES}/{}{below}", self.info.id);
        self.client.call(method, &path, payload)?.accepted(accepted)
    }

    /// Calls `act` with every page of the names that begin with `prefix`, at most `limit` names.
    pub(crate) fn pages(
        &self,
        prefix: &str,
        limit: Option<usize>,
        mut act: impl FnMut(Vec<ListedRecord>) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let mut left = limit.unwrap_or(usize::MAX);
        let mut cursor = String::new();
        while left > 0 {
            let path = format!(
                "/keys?limit={}&prefix={}&cursor={}",
                left.clamp(LEAST_PAGE_ITEMS, PAGE_ITEMS),
                escaped(prefix),
                escaped(&cursor)
            );
            let mut page: Envelope<Vec<ListedRecord>> =
                read(self.call("GET", &path, None, &[200])?)?;
            page.result.truncate(left);
            left = left.saturating_sub(page.result.len());
            act(page.result)?;
            cursor = page.result_info.and_then(|info| info.cursor).unwrap_or_default();
            if cursor.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

/// Reads an answer with its wrapping.
fn read<T: DeserializeOwned>(answer: ServiceAnswer) -> Result<Envelope<T>, CommandError> {
    parse(&answer.read(PAGE_BYTES)?)
}

/// The result in an answer.
pub(crate) fn result<T: DeserializeOwned>(answer: &[u8]) -> Result<T, CommandError> {
    Ok(parse(answer)?.result)
}

fn parse<T: DeserializeOwned>(answer: &[u8]) -> Result<Envelope<T>, CommandError> {
    serde_json::from_slice(answer).map_err(|error| {
        // The error's own text quotes the answer, which may hold a secret.
        let place = format!("line {}, column {}", error.line(), error.column());
        let reason = format!("this does not look like a lavawall's answer: {place}");
        CommandError::new(Exit::Unavailable, reason)
    })
}

/// Percent-encodes a text for a path or a query.
pub(crate) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// A bulk write, below its namespace: names may be any that a record can have.
pub(crate) const BULK_PUT: &str = "/bulk?names=any";

/// The path of a write of a record's value, below its namespace.
pub(crate) fn write_of(name: &str) -> String {
    format!("{}?{NAMES}={ANY_NAMES}", value_of(name))
}

/// The path of a record's value, below its namespace.
pub(crate) fn value_of(name: &str) -> String {
    format!("/values/{}", escaped(name))
}
