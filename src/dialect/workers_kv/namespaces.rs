//! Calls about namespaces.

use hyper::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::dialect::workers_kv::envelope;
use crate::dialect::workers_kv::path::{KvQuery, namespace_not_found};
use crate::http::body::Body;
use crate::http::call::OwnedCall;
use crate::http::refusal::Refusal;
use crate::keyring::{NamespaceId, NamespaceInfo};
use crate::kv::Store;

/// The most bytes of a namespace's description.
const BODY_LIMIT: usize = 64 * 1024;

/// Namespaces per page, by default and at the most.
const PER_PAGE: u64 = 20;
const PER_PAGE_LIMIT: u64 = 1000;

#[derive(Deserialize)]
struct Titled {
    title: String,
}

fn shown(info: &NamespaceInfo) -> Value {
    json!({ "id": info.id.to_string(), "title": info.title, "supports_url_encoding": true })
}

fn find(store: &Store, id: NamespaceId) -> Result<NamespaceInfo, Refusal> {
    let found = store.namespaces()?.into_iter().find(|info| info.id == id);
    found.ok_or_else(namespace_not_found)
}

pub(crate) async fn create(call: &mut OwnedCall) -> Result<Response<Body>, Refusal> {
    let Titled { title } = call.json(BODY_LIMIT).await?;
    let info = call.on_store(move |store| Ok(store.create_namespace(&title)?)).await?;
    Ok(envelope::result(&shown(&info)))
}

pub(crate) async fn list(call: &OwnedCall, query: &KvQuery) -> Result<Response<Body>, Refusal> {
    let page = query.number("page", 1..=u64::from(u32::MAX))?.unwrap_or(1);
    let per_page = query.number("per_page", 1..=PER_PAGE_LIMIT)?.unwrap_or(PER_PAGE);
    let mut infos = call.on_store(|store| Ok(store.namespaces()?)).await?;
    if query.text("order") == Some("title") {
        infos.sort_by(|one, other| one.title.cmp(&other.title));
    }
    if query.text("direction") == Some("desc") {
        infos.reverse();
    }
    let fits = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let skipped = fits((page - 1).saturating_mul(per_page));
    let shown: Vec<_> = infos.iter().skip(skipped).take(fits(per_page)).map(shown).collect();
    let info = json!({
        "page": page,
        "per_page": per_page,
        "count": shown.len(),
        "total_count": infos.len(),
        "total_pages": infos.len().div_ceil(fits(per_page)),
    });
    Ok(envelope::page(&shown, &info))
}

pub(crate) async fn get(call: &OwnedCall, id: NamespaceId) -> Result<Response<Body>, Refusal> {
    let info = call.on_store(move |store| find(store, id)).await?;
    Ok(envelope::result(&shown(&info)))
}

pub(crate) async fn rename(
    call: &mut OwnedCall,
    id: NamespaceId,
) -> Result<Response<Body>, Refusal> {
    let Titled { title } = call.json(BODY_LIMIT).await?;
    let rename = move |store: &Store| {
        store.rename_namespace(id, &title)?;
        find(store, id)
    };
    Ok(envelope::result(&shown(&call.on_store(rename).await?)))
}

pub(crate) async fn delete(call: &OwnedCall, id: NamespaceId) -> Result<Response<Body>, Refusal> {
    call.on_store(move |store| Ok(store.delete_namespace(id)?)).await?;
    Ok(envelope::result(&Value::Null))
}
