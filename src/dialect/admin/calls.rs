//! The calls: one key operation each, on a thread that may wait for a disk.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use data_encoding::HEXLOWER;
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::api::keys::{
    ClockAnswer, CompactionAnswer, ConfigurationAnswer, ConfirmRequest, KeyEntry, KeyList,
    KeyringAnswer, ProofRequest, RequestedSeal, RevokeRequest, SealAnswer, SealRequest,
    UnsealRequest, VersionAnswer,
};
use crate::api::store::{LostRecord, RepairAnswer};
use crate::http::body::Body;
use crate::http::call::OwnedCall;
use crate::http::refusal::Refusal;
use crate::http::respond::json as json_response;
use crate::http::status;
use crate::keyring::seal::SealChoice;
use crate::keyring::seal::shares::Share;
use crate::keyring::{
    Condition, KeyInfo, Keyring, KeyringError, NamespaceId, PreparedId, UnsealPiece, VersionState,
};
use crate::kv::{Compaction, Store};
use crate::machine::{ClockReading, compact_time, rfc3339, unix_now};

/// More bytes than any passphrase or set of shares has.
const BODY_LIMIT: usize = 64 * 1024;

/// The most time that an unsealing waits for the records to be loaded.
const RECORDS_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between two checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// For the holders of shares that did not come into force.
const NOT_IN_FORCE: &str =
    "the shares that were shown do not count, and the seal is as it was before";

/// The most lost records that an answer names; all of them are counted.
const LOST_NAMED_MOST: usize = 1000;

type Outcome = Result<Response<Body>, Refusal>;

pub(crate) async fn keyring(call: &OwnedCall) -> Outcome {
    call.on_store(|store| Ok(answer(&state(store.keyring())))).await
}

pub(crate) async fn init(call: &mut OwnedCall) -> Outcome {
    let request: SealRequest = call.json(BODY_LIMIT).await?;
    call.operate(move |store, actor| {
        let shares = store.init(actor, &choice(request.seal))?;
        wait_for_records(store);
        Ok(handed_out(&shares, None))
    })
    .await
}

pub(crate) async fn unseal(call: &mut OwnedCall) -> Outcome {
    let UnsealRequest { piece } = call.json(BODY_LIMIT).await?;
    call.operate(move |store, actor| {
        let keyring = store.keyring();
        match piece {
            Some(piece) => drop(keyring.unseal(actor, piece.as_bytes())?),
            None if keyring.unseal_stored(actor)? => {}
            None => {
                return Err(Refusal::invalid("piece: this seal needs a passphrase or a share"));
            }
        }
        wait_for_records(store);
        Ok(answer(&state(keyring)))
    })
    .await
}

pub(crate) async fn seal(call: &OwnedCall) -> Outcome {
    let tenants = Arc::clone(&call.app.tenants);
    let sealed = call
        .operate(move |store, actor| {
            // From here on it cannot be written.
            if let Err(error) = tenants.write_usage(store, unix_now()) {
                tracing::error!("the use of tenants in the last second is not written: {error}");
            }
            store.seal(actor)?;
            Ok(answer(&state(store.keyring())))
        })
        .await;
    call.app.close_connections.send_replace(());
    sealed
}

pub(crate) async fn rekey(call: &mut OwnedCall) -> Outcome {
    let request: SealRequest = call.json(BODY_LIMIT).await?;
    call.operate(move |store, actor| {
        let proof = pieces(&request.proof);
        let (id, shares) = store.keyring().prepare_seal(actor, &proof, &choice(request.seal))?;
        if shares.is_empty() {
            store.keyring().put_in_force(actor, &id)?;
            return Ok(handed_out(&shares, None));
        }
        // In force once the operator confirms that the shares have arrived.
        Ok(handed_out(&shares, Some(&id)))
    })
    .await
}

pub(crate) async fn confirm(call: &mut OwnedCall) -> Outcome {
    let ConfirmRequest { prepared } = call.json(BODY_LIMIT).await?;
    let id = HEXLOWER.decode(prepared.as_bytes()).ok().and_then(|id| id.try_into().ok());
    let id: PreparedId = id.ok_or(KeyringError::Unprepared)?;
    call.operate(move |store, actor| {
        let done = store.keyring().put_in_force(actor, &id);
        let is_in_force = KeyringError::took_effect(&done);
        done.map_err(|error| {
            let refusal = Refusal::from(error);
            if is_in_force {
                return refusal;
            }
            let message = format!("{NOT_IN_FORCE}: {}", refusal.operator_message());
            refusal.with_operator_message(message)
        })?;
        Ok(answer(&state(store.keyring())))
    })
    .await
}

pub(crate) async fn rotate_root(call: &mut OwnedCall) -> Outcome {
    let ProofRequest { proof } = call.json(BODY_LIMIT).await?;
    call.operate(move |store, actor| {
        store.keyring().rotate_root(actor, &pieces(&proof))?;
        Ok(answer(&state(store.keyring())))
    })
    .await
}

pub(crate) fn configuration(call: &OwnedCall) -> Response<Body> {
    answer(&ConfigurationAnswer {
        configuration: call.app.configuration.read().clone(),
        state_dir: call.app.state_dir.display().to_string(),
    })
}

pub(crate) async fn clock(call: &OwnedCall) -> Outcome {
    call.on_store(|store| Ok(answer(&clock_of(store)))).await
}

pub(crate) async fn confirm_clock(call: &OwnedCall) -> Outcome {
    call.operate(|store, actor| {
        store.confirm_clock(actor)?;
        Ok(answer(&clock_of(store)))
    })
    .await
}

fn clock_of(store: &Store) -> ClockAnswer {
    let now = ClockReading::now();
    ClockAnswer {
        now: rfc3339(now.calendar),
        synchronized: now.is_synchronized,
        doubt: store.clock_doubt(),
    }
}

pub(crate) async fn repair(call: &OwnedCall) -> Outcome {
    call.operate(|store, actor| {
        let repair =
            store.repair(actor, &format!(".damaged-{}", compact_time(SystemTime::now())))?;
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let lost = repair.lost.iter().take(LOST_NAMED_MOST).map(|(namespace, record)| LostRecord {
            namespace: namespace.to_string(),
            record: record.to_string(),
        });
        Ok(answer(&RepairAnswer {
            kept: repair.kept.map(|path| path.display().to_string()),
            records: wide(repair.records),
            lost_records: wide(repair.lost.len()),
            lost: lost.collect(),
            lost_pages: wide(repair.lost_pages),
            lost_commits: repair.lost_commits,
        }))
    })
    .await
}

pub(crate) async fn keys(call: &OwnedCall) -> Outcome {
    call.on_store(|store| {
        let titles = store.namespaces()?;
        let title_of = |id: Option<NamespaceId>| {
            titles.iter().find(|info| Some(info.id) == id).map(|info| info.title.clone())
        };
        let report = store.report().ok();
        let records = |key: &KeyInfo| {
            let report = report.as_ref()?;
            let of = report.iter().find(|it| Some(it.id) == key.namespace)?;
            Some(of.dependents.get(&key.version).copied().unwrap_or(0))
        };
        let keys = store.keyring().keys()?;
        let keys: Vec<_> = keys
            .into_iter()
            .map(|key| entry(title_of(key.namespace), records(&key), &key))
            .collect();
        // As a value its members are sorted.
        Ok(answer(&json!(KeyList { keys })))
    })
    .await
}

pub(crate) async fn compact(call: &OwnedCall) -> Outcome {
    call.operate(|store, actor| {
        let Compaction { before, after } = store.compact(actor)?;
        let (before, after) = (status::store_size(before), status::store_size(after));
        Ok(answer(&CompactionAnswer { before, after }))
    })
    .await
}

pub(crate) async fn rotate(call: &OwnedCall, id: NamespaceId) -> Outcome {
    call.operate(move |store, actor| {
        Ok(answer(&VersionAnswer { version: store.rotate(actor, id)? }))
    })
    .await
}

/// Rotates a key that callers use by name.
pub(crate) async fn rotate_named(call: &OwnedCall, id: [u8; 16]) -> Outcome {
    call.operate(move |store, actor| {
        let key = store.keyring().rotate_transit_key_of(actor, &id)?;
        Ok(answer(&VersionAnswer { version: key.latest() }))
    })
    .await
}

/// Revokes a version of such a key.
pub(crate) async fn revoke_named(call: &mut OwnedCall, id: [u8; 16]) -> Outcome {
    let RevokeRequest { version } = call.json(BODY_LIMIT).await?;
    call.operate(move |store, actor| {
        store.keyring().revoke_transit_version(actor, &id, version)?;
        Ok(answer(&VersionAnswer { version }))
    })
    .await
}

pub(crate) async fn revoke(call: &mut OwnedCall, id: NamespaceId) -> Outcome {
    let RevokeRequest { version } = call.json(BODY_LIMIT).await?;
    call.operate(move |store, actor| {
        store.revoke(actor, id, version)?;
        Ok(answer(&VersionAnswer { version }))
    })
    .await
}

/// Waits until the service has loaded the records: an operator who opens the keyring uses them next.
fn wait_for_records(store: &Store) {
    let until = Instant::now() + RECORDS_TIMEOUT;
    let is_open = || matches!(store.keyring().condition(), Condition::Unsealed(_));
    while is_open() && !store.is_open() && Instant::now() < until {
        std::thread::sleep(CHECK_INTERVAL);
    }
}

fn state(keyring: &Keyring) -> KeyringAnswer {
    let condition = keyring.condition();
    let (have, need) = keyring.pieces().ok().unzip();
    let seal = condition.seal().map(|seal| seal.to_string());
    KeyringAnswer { state: condition.name().to_owned(), seal, have, need }
}

fn entry(title: Option<String>, records: Option<u64>, key: &KeyInfo) -> KeyEntry {
    let state = match key.state {
        VersionState::Active => "active",
        VersionState::Retired => "retired",
        VersionState::Revoked => "revoked",
        VersionState::Destroyed => "destroyed",
    };
    let named = key.named.as_ref();
    let purpose = match (named, key.namespace) {
        (Some(named), _) => named.purpose,
        (None, Some(_)) => "namespace",
        (None, None) => "root",
    };
    let owner = named.map(|named| named.owner.clone()).filter(|owner| !owner.is_empty());
    KeyEntry {
        purpose: purpose.to_owned(),
        id: named.map(|named| HEXLOWER.encode(&named.id)),
        owner,
        name: named.map(|named| named.name.clone()),
        min_decryption_version: named.map(|named| named.min_decryption),
        min_encryption_version: named.map(|named| named.min_encryption),
        namespace: key.namespace.map(|id| id.to_string()),
        title,
        version: key.version,
        state: state.to_owned(),
        made_at: i64::try_from(key.provenance.made_at).unwrap_or(i64::MAX),
        generation: key.provenance.generation,
        made_while: key.provenance.state.to_string(),
        kinds: key.provenance.kinds.iter().map(ToString::to_string).collect(),
        records,
    }
}

fn choice(seal: RequestedSeal) -> SealChoice {
    match seal {
        RequestedSeal::File => SealChoice::File,
        RequestedSeal::Passphrase(text) => {
            SealChoice::Passphrase(Zeroizing::new(text.as_bytes().to_vec()))
        }
        RequestedSeal::Shares { threshold, count } => SealChoice::Shares { threshold, count },
    }
}

fn pieces(proof: &[Zeroizing<String>]) -> Vec<UnsealPiece> {
    proof.iter().map(|piece| Zeroizing::new(piece.as_bytes().to_vec())).collect()
}

/// The shares, which are stored nowhere, and the id with which the seal is put in force, unless it
/// is already.
fn handed_out(shares: &[Share], prepared: Option<&PreparedId>) -> Response<Body> {
    let shares = shares.iter().map(Share::text).collect();
    answer(&SealAnswer { prepared: prepared.map(|id| HEXLOWER.encode(id)), shares })
}

fn answer(result: &impl Serialize) -> Response<Body> {
    json_response(StatusCode::OK, result)
}
