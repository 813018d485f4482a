//! The calls: each is one key operation, done where it may wait for a disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use crate::audit::Actor;
use crate::dialect::admin::Peer;
use crate::dialect::workers_kv::{Refusal, WorkersKv, read_json};
use crate::http::app::json_with;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::keyring::seal::shares::Share;
use crate::keyring::seal::{Choice, SealKind};
use crate::keyring::{
    Condition, KeyInfo, Keyring, KeyringError, NamespaceId, PreparedId, UnsealPiece,
};
use crate::kv::Store;

/// No passphrase and no set of shares is longer.
const BODY_LIMIT: usize = 64 * 1024;

/// How long an unsealing waits for the records to be loaded.
const RECORDS_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What whoever holds shares must know when they did not become what opens the keyring.
const NOT_IN_FORCE: &str = "the shares that were shown do not count, and the seal is as it was";

/// Who calls, and what is called.
pub(crate) struct Caller {
    pub(crate) dialect: Arc<WorkersKv>,
    pub(crate) peer: Peer,
}

/// A seal that is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SealWanted {
    seal: Wanted,
    #[serde(default)]
    proof: Vec<Zeroizing<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Wanted {
    File,
    Passphrase(Zeroizing<String>),
    Shares { threshold: u8, count: u8 },
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Pieces {
    piece: Option<Zeroizing<String>>,
    proof: Vec<Zeroizing<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionNamed {
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prepared {
    prepared: String,
}

/// How the keyring is.
#[derive(Serialize)]
struct Told {
    state: &'static str,
    seal: Option<SealKind>,
    /// Pieces given and needed to open it.
    have: Option<u8>,
    need: Option<u8>,
}

/// A key version, and what depends on it.
#[derive(Serialize)]
struct KeyTold {
    #[serde(flatten)]
    key: KeyInfo,
    title: Option<String>,
    /// Records under it; `None` while the store is closed.
    records: Option<u64>,
}

impl Caller {
    pub(crate) async fn keyring(self) -> Result<Response<Body>, Problem> {
        self.on_disk(|store| Ok(answer(&told(store.keyring())))).await
    }

    pub(crate) async fn init(
        self,
        request: &mut Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let wanted: SealWanted = self.json(request).await?;
        let actor = self.actor();
        self.on_disk(move |store| {
            let shares = store.init(&actor, &choice(wanted.seal))?;
            wait_for_records(store);
            Ok(handed_out(&shares, None))
        })
        .await
    }

    pub(crate) async fn unseal(
        self,
        request: &mut Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let Pieces { piece, .. } = self.json(request).await?;
        let actor = self.actor();
        self.on_disk(move |store| {
            let keyring = store.keyring();
            match piece {
                Some(piece) => drop(keyring.unseal(&actor, piece.as_bytes())?),
                None if keyring.unseal_stored(&actor)? => {}
                None => {
                    return Err(Problem::of_keys(
                        StatusCode::BAD_REQUEST,
                        "piece: this seal needs a passphrase or a share",
                    ));
                }
            }
            wait_for_records(store);
            Ok(answer(&told(keyring)))
        })
        .await
    }

    pub(crate) async fn seal(self) -> Result<Response<Body>, Problem> {
        let actor = self.actor();
        self.on_disk(move |store| {
            store.seal(&actor)?;
            Ok(answer(&told(store.keyring())))
        })
        .await
    }

    pub(crate) async fn rekey(
        self,
        request: &mut Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let wanted: SealWanted = self.json(request).await?;
        let actor = self.actor();
        self.on_disk(move |store| {
            let proof = pieces(&wanted.proof);
            let (id, shares) =
                store.keyring().prepare_seal(&actor, &proof, &choice(wanted.seal))?;
            if shares.is_empty() {
                store.keyring().put_in_force(&actor, &id)?;
                return Ok(handed_out(&shares, None));
            }
            // Whoever asks has to say first that they arrived.
            Ok(handed_out(&shares, Some(&id)))
        })
        .await
    }

    pub(crate) async fn confirm(
        self,
        request: &mut Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let Prepared { prepared } = self.json(request).await?;
        let id = HEXLOWER.decode(prepared.as_bytes()).ok().and_then(|id| id.try_into().ok());
        let id: PreparedId = id.ok_or(KeyringError::Unprepared)?;
        let actor = self.actor();
        self.on_disk(move |store| {
            let done = store.keyring().put_in_force(&actor, &id);
            let is_in_force = KeyringError::took_effect(&done);
            done.map_err(|error| {
                let problem = Problem::from(error);
                if is_in_force { problem } else { problem.prefixed(NOT_IN_FORCE) }
            })?;
            Ok(answer(&told(store.keyring())))
        })
        .await
    }

    pub(crate) async fn rotate_root(
        self,
        request: &mut Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let given: Pieces = self.json(request).await?;
        let actor = self.actor();
        self.on_disk(move |store| {
            store.keyring().rotate_root(&actor, &pieces(&given.proof))?;
            Ok(answer(&told(store.keyring())))
        })
        .await
    }

    pub(crate) async fn keys(self) -> Result<Response<Body>, Problem> {
        self.on_disk(|store| {
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
                .map(|key| KeyTold { title: title_of(key.namespace), records: records(&key), key })
                .collect();
            Ok(answer(&json!({ "keys": keys })))
        })
        .await
    }

    pub(crate) async fn rotate(self, id: NamespaceId) -> Result<Response<Body>, Problem> {
        let actor = self.actor();
        let rotate =
            move |store: &Store| Ok(answer(&json!({ "version": store.rotate(&actor, id)? })));
        self.on_disk(rotate).await
    }

    pub(crate) async fn revoke(
        self,
        id: NamespaceId,
        request: &mut Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let VersionNamed { version } = self.json(request).await?;
        let actor = self.actor();
        self.on_disk(move |store| {
            store.revoke(&actor, id, version)?;
            Ok(answer(&json!({ "version": version })))
        })
        .await
    }

    /// The caller, for the audit log.
    fn actor(&self) -> Actor {
        Actor::named(self.peer.actor())
    }

    async fn json<T: DeserializeOwned>(
        &self,
        request: &mut Request<Incoming>,
    ) -> Result<T, Problem> {
        read_json(&self.dialect, request, BODY_LIMIT).await.map_err(Refusal::problem)
    }

    async fn on_disk(
        self,
        work: impl FnOnce(&Store) -> Result<Response<Body>, Problem> + Send + 'static,
    ) -> Result<Response<Body>, Problem> {
        self.dialect.run(work).await.unwrap_or_else(|| {
            let detail = "an internal fault; the log says more";
            Err(Problem::of_keys(StatusCode::INTERNAL_SERVER_ERROR, detail))
        })
    }
}

/// Whoever opens the keyring wants to use records next. The service loads them.
fn wait_for_records(store: &Store) {
    let until = Instant::now() + RECORDS_TIMEOUT;
    let is_open = || matches!(store.keyring().condition(), Condition::Unsealed(_));
    while is_open() && !store.is_open() && Instant::now() < until {
        std::thread::sleep(LOOK_EVERY);
    }
}

fn told(keyring: &Keyring) -> Told {
    let condition = keyring.condition();
    let (have, need) = keyring.pieces().ok().unzip();
    Told { state: condition.name(), seal: condition.seal(), have, need }
}

fn choice(wanted: Wanted) -> Choice {
    match wanted {
        Wanted::File => Choice::File,
        Wanted::Passphrase(text) => Choice::Passphrase(Zeroizing::new(text.as_bytes().to_vec())),
        Wanted::Shares { threshold, count } => Choice::Shares { threshold, count },
    }
}

fn pieces(proof: &[Zeroizing<String>]) -> Vec<UnsealPiece> {
    proof.iter().map(|piece| Zeroizing::new(piece.as_bytes().to_vec())).collect()
}

/// The shares, which are kept nowhere; and by what the seal is put in force, if it is not.
fn handed_out(shares: &[Share], prepared: Option<&PreparedId>) -> Response<Body> {
    let texts: Vec<_> = shares.iter().map(Share::text).collect();
    let texts: Vec<_> = texts.iter().map(|text| text.as_str()).collect();
    answer(&json!({ "shares": texts, "prepared": prepared.map(|id| HEXLOWER.encode(id)) }))
}

fn answer(result: &impl Serialize) -> Response<Body> {
    json_with(StatusCode::OK, result)
}
