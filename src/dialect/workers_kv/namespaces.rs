//! Calls about namespaces.

use std::sync::Arc;

use hyper::Response;
use serde::Deserialize;

use crate::api::store::NamespaceEntry;
use crate::audit::Actor;
use crate::dialect::workers_kv::path::{KvQuery, namespace_not_found, shortened};
use crate::dialect::workers_kv::permissions::Access;
use crate::dialect::workers_kv::{envelope, permissions};
use crate::http::body::Body;
use crate::http::call::OwnedCall;
use crate::http::refusal::{Class, Part, Refusal, Subject};
use crate::keyring::{NamespaceId, NamespaceInfo};
use crate::kv::Store;

/// The most bytes of a namespace's description.
const BODY_LIMIT: usize = 64 * 1024;

fn shown(info: &NamespaceInfo) -> NamespaceEntry {
    let (id, title) = (info.id.to_string(), info.title.clone());
    NamespaceEntry { id, supports_url_encoding: true, title }
}

fn find(store: &Store, id: NamespaceId) -> Result<NamespaceInfo, Refusal> {
    let found = store.namespaces()?.into_iter().find(|info| info.id == id);
    found.ok_or_else(namespace_not_found)
}

/// Whether a parameter with two choices has the second; it has the first when it is absent.
fn second(query: &KvQuery, name: &str, choices: [&str; 2], part: Part) -> Result<bool, Refusal> {
    match query.text(name) {
        None => Ok(false),
        Some(text) if choices.contains(&text) => Ok(text == choices[1]),
        Some(text) => {
            let [first, second] = choices;
            let why = format!("{name}: must be {first} or {second} (got {})", shortened(text));
            Err(Refusal::invalid_part(part, why))
        }
    }
}

/// The title in a request's body.
async fn title(call: &mut OwnedCall) -> Result<String, Refusal> {
    /// As [`crate::api::store::TitleRequest`], before its only member is checked.
    #[derive(Deserialize)]
    struct Given {
        title: Option<serde_json::Value>,
    }
    let Given { title } = call.json(BODY_LIMIT).await?;
    match title {
        Some(serde_json::Value::String(title)) => Ok(title),
        _ => Err(Refusal::new(Class::Invalid, Subject::Title, "title: must be given, as text")),
    }
}

pub(crate) async fn create(call: &mut OwnedCall) -> Result<Response<Body>, Refusal> {
    let title = title(call).await?;
    let (app, caller) = (Arc::clone(&call.app), call.caller.clone());
    let create = move |store: &Store, actor: &Actor| {
        permissions::while_known(&app, &caller, || {
            permissions::check_title(&app, &caller, &title)?;
            Ok(store.create_namespace(actor, &title)?)
        })
    };
    let info = call.act_on_store(create).await?;
    Ok(envelope::result(shown(&info)))
}

pub(crate) async fn list(call: &OwnedCall, query: &KvQuery) -> Result<Response<Body>, Refusal> {
    let page = query.page()?;
    let by_title = second(query, "order", ["id", "title"], Part::Order)?;
    let descends = second(query, "direction", ["asc", "desc"], Part::Direction)?;
    let mut infos = call.on_store(|store| Ok(store.namespaces()?)).await?;
    infos.retain(|info| permissions::is_visible(&call.caller, info));
    if by_title {
        infos.sort_by(|one, other| one.title.cmp(&other.title));
    }
    if descends {
        infos.reverse();
    }
    let shown: Vec<_> = infos.iter().skip(page.skipped()).take(page.size).map(shown).collect();
    let info = page.info(shown.len(), infos.len());
    Ok(envelope::page(shown, info))
}

pub(crate) async fn get(call: &OwnedCall, id: NamespaceId) -> Result<Response<Body>, Refusal> {
    let info = call.on_store(move |store| find(store, id)).await?;
    Ok(envelope::result(shown(&info)))
}

pub(crate) async fn rename(
    call: &mut OwnedCall,
    id: NamespaceId,
) -> Result<Response<Body>, Refusal> {
    let title = title(call).await?;
    let (app, caller) = (Arc::clone(&call.app), call.caller.clone());
    let rename = move |store: &Store, actor: &Actor| {
        permissions::check_rename(&app, &caller, id, &title)?;
        store.rename_namespace(actor, id, &title)?;
        find(store, id)
    };
    Ok(envelope::result(shown(&call.act_on_store(rename).await?)))
}

pub(crate) async fn delete(call: &OwnedCall, id: NamespaceId) -> Result<Response<Body>, Refusal> {
    let (app, caller) = (Arc::clone(&call.app), call.caller.clone());
    let delete = move |store: &Store, actor: &Actor| {
        permissions::check(&app, &caller, id, Access::Write)?;
        Ok(store.delete_namespace(actor, id)?)
    };
    call.act_on_store(delete).await?;
    Ok(envelope::result(()))
}
