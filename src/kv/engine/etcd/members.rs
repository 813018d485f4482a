//! Calls of etcd: over one member at a time, each with a deadline, and over the next one after a failure.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Error, Identity, TlsOptions};
use tokio::runtime::Runtime;

use crate::kv::engine::shared_storage::Revision;
use crate::kv::engine::storage::{StorageAccess, StorageError};
use crate::kv::etcd_config::EtcdConfig;

/// The longest wait for the answer of one member. A member that is stopped answers nothing.
pub(super) const TRY: Duration = Duration::from_millis(700);

/// The attempts of one read. With the longest waits they take 2.1 s, in which etcd elects a leader.
const TRIES: usize = 3;

/// gRPC's codes of calls that another member may answer, by their numbers: cancelled, unknown, deadline exceeded,
/// resource exhausted, unavailable.
const TRY_ANOTHER: [i32; 4] = [1, 2, 4, 14];

/// Clients of all members.
pub(super) struct Members {
    /// `None` when it is dropped.
    runtime: Option<Runtime>,
    clients: Vec<Client>,
    /// The member that answered last.
    current: AtomicUsize,
}

impl Members {
    pub(super) fn new(config: &EtcdConfig) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("etcd")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let mut options = ConnectOptions::new().with_connect_timeout(TRY).with_require_leader(true);
        if config.endpoints.iter().any(|endpoint| endpoint.starts_with("https://")) {
            options = options.with_tls(tls(config)?);
        }
        let clients = config.endpoints.iter().map(|endpoint| {
            // Connects at the first call.
            runtime
                .block_on(Client::connect([endpoint], Some(options.clone())))
                .map_err(|error| format!("kv.etcd.endpoints: {endpoint}: {error}"))
        });
        let clients = clients.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { runtime: Some(runtime), clients, current: AtomicUsize::new(0) })
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is there until the drop")
    }

    /// The client of the current member, and its number.
    pub(super) fn current(&self) -> (usize, Client) {
        let number = self.current.load(Ordering::Relaxed) % self.clients.len();
        (number, self.clients[number].clone())
    }

    /// Goes on with the next member, unless another call did already.
    pub(super) fn leave(&self, number: usize) {
        let next = (number + 1) % self.clients.len();
        let _ = self.current.compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Reads, of up to three members in turn.
    pub(super) fn read<T>(
        &self,
        call: impl AsyncFn(Client) -> Result<T, Error>,
    ) -> Result<T, StorageError> {
        let mut tried = self.attempt(StorageAccess::Read, &call);
        for _ in 1..TRIES {
            match tried {
                Err((_, true)) => tried = self.attempt(StorageAccess::Read, &call),
                _ => break,
            }
        }
        tried.map_err(|(error, _)| error)
    }

    /// Writes, once: after an error only who wrote knows how to find out what became of it.
    pub(super) fn write<T>(
        &self,
        call: impl AsyncFnOnce(Client) -> Result<T, Error>,
    ) -> Result<T, StorageError> {
        self.attempt(StorageAccess::Write, call).map_err(|(error, _)| error)
    }

    /// One call of the current member; an error, and whether another member may answer.
    fn attempt<T>(
        &self,
        what: StorageAccess,
        call: impl AsyncFnOnce(Client) -> Result<T, Error>,
    ) -> Result<T, (StorageError, bool)> {
        let (number, client) = self.current();
        let answer =
            self.runtime().block_on(async { tokio::time::timeout(TRY, call(client)).await });
        let (reason, goes_on) = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Error::GRpcStatus(status))) => {
                let goes_on = TRY_ANOTHER.contains(&i32::from(status.code()));
                (format!("etcd: {}", status.message()), goes_on)
            }
            Ok(Err(error)) => (format!("etcd: {error}"), true),
            Err(_) => (format!("etcd: no answer within {} ms", TRY.as_millis()), true),
        };
        if goes_on {
            self.leave(number);
        }
        Err((StorageError { what, reason }, goes_on))
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        // Without a wait: the last owner may be a task of a runtime, which may not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn tls(config: &EtcdConfig) -> Result<TlsOptions, String> {
    let read = |field: &str, path: &Path| {
        fs::read(path).map_err(|error| format!("kv.etcd.{field}: {}: {error}", path.display()))
    };
    let mut tls = TlsOptions::new();
    if let Some(ca) = &config.ca {
        tls = tls.ca_certificate(Certificate::from_pem(read("ca", ca)?));
    }
    if let (Some(certificate), Some(key)) = (&config.certificate, &config.key) {
        let identity = Identity::from_pem(read("certificate", certificate)?, read("key", key)?);
        tls = tls.identity(identity);
    }
    Ok(tls)
}

/// etcd's number of a revision.
pub(super) fn revision_of(revision: i64) -> Revision {
    Revision(u64::try_from(revision).unwrap_or_default())
}
