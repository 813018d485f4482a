//! Calls about namespaces.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::dialect::workers_kv::envelope;
use crate::dialect::workers_kv::envelope::Refusal;
use crate::dialect::workers_kv::path::Query;
use crate::dialect::workers_kv::{WorkersKv, actor, upload};
use crate::http::body::Body;
use crate::keyring::{NamespaceId, NamespaceInfo};
use crate::kv::Store;

/// No description of a namespace is longer.
const BODY_LIMIT: usize = 64 * 1024;

/// How many namespaces a page has when nobody says, and at the most.
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
    found.ok_or_else(Refusal::namespace_not_found)
}

pub(crate) async fn create(
    dialect: &Arc<WorkersKv>,
    request: &mut Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let Titled { title } = upload::json(dialect, request, BODY_LIMIT).await?;
    let actor = actor();
    let create = move |store: &Store| Ok(store.create_namespace(&actor, &title)?);
    let info = dialect.on_disk(create).await?;
    Ok(envelope::result(&shown(&info)))
}

pub(crate) async fn list(
    dialect: &Arc<WorkersKv>,
    query: &Query,
) -> Result<Response<Body>, Refusal> {
    let page = query.number("page", 1..=u64::from(u32::MAX))?.unwrap_or(1);
    let per_page = query.number("per_page", 1..=PER_PAGE_LIMIT)?.unwrap_or(PER_PAGE);
    let mut infos = dialect.on_disk(|store| Ok(store.namespaces()?)).await?;
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

pub(crate) async fn get(
    dialect: &Arc<WorkersKv>,
    id: NamespaceId,
) -> Result<Response<Body>, Refusal> {
    let info = dialect.on_disk(move |store| find(store, id)).await?;
    Ok(envelope::result(&shown(&info)))
}

pub(crate) async fn rename(
    dialect: &Arc<WorkersKv>,
    id: NamespaceId,
    request: &mut Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let Titled { title } = upload::json(dialect, request, BODY_LIMIT).await?;
    let actor = actor();
    let rename = move |store: &Store| {
        store.rename_namespace(&actor, id, &title)?;
        find(store, id)
    };
    Ok(envelope::result(&shown(&dialect.on_disk(rename).await?)))
}

pub(crate) async fn delete(
    dialect: &Arc<WorkersKv>,
    id: NamespaceId,
) -> Result<Response<Body>, Refusal> {
    let actor = actor();
    dialect.on_disk(move |store| Ok(store.delete_namespace(&actor, id)?)).await?;
    Ok(envelope::result(&Value::Null))
}
