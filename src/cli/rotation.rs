//! Rotation of keys: starts one, and follows the resealing of records.

use std::thread;
use std::time::Duration;

use crate::api::keys::{KeyringAnswer, ProofRequest, VersionAnswer};
use crate::api::status::Status;
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::exitcode::Exit;

/// How often progress is asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// How many polls without progress end the command: half a minute.
const STUCK_POLLS: u32 = 150;

/// Makes a new root key. Asks for the proof.
pub(crate) fn rotate_root(operator: &Operator) -> Result<(), CommandError> {
    let proof = operator.ask_for_proof()?;
    let KeyringAnswer { .. } = operator.post("/admin/keyring/rotate", &ProofRequest { proof })?;
    print::note(&"the root key is rotated");
    Ok(())
}

/// Makes a new key version of a namespace.
pub(crate) fn rotate_namespace(operator: &Operator, namespace: &str) -> Result<(), CommandError> {
    let path = format!("/admin/namespaces/{namespace}/rotate");
    let VersionAnswer { version } = operator.post(&path, &())?;
    print::note(&format!("namespace {namespace}: version {version} seals from now on"));
    Ok(())
}

/// Makes a new version of a key that callers use by name.
pub(crate) fn rotate_named(operator: &Operator, id: &str) -> Result<(), CommandError> {
    let VersionAnswer { version } = operator.post(&format!("/admin/keys/{id}/rotate"), &())?;
    print::note(&format!("key {id}: version {version} seals from now on"));
    Ok(())
}

/// Waits, with a progress bar, until no record of the namespace is under an older version.
pub(crate) fn wait(operator: &Operator, namespace: &str) -> Result<(), CommandError> {
    let bar = Bar::new("resealing");
    let mut last: Option<(u64, u32)> = None;
    loop {
        let status: Status = operator.get("/status")?;
        let keyring = status.keyring.filter(|keyring| keyring.state == "open");
        let Some(keyring) = keyring else {
            return Err(CommandError::new(
                Exit::Unavailable,
                "the keyring was sealed during the rotation, which goes on after the next unseal",
            ));
        };
        let Some(rotation) = keyring.rotations.iter().find(|it| it.namespace == namespace) else {
            break;
        };
        bar.set(share(rotation.done, rotation.left));
        // A record that does not open is never resealed, and keeps its version.
        let polls = last.filter(|(left, _)| *left == rotation.left).map_or(0, |(_, polls)| polls);
        if polls >= STUCK_POLLS {
            let versions: Vec<_> = rotation.dependents.keys().map(ToString::to_string).collect();
            return Err(CommandError::failure(format!(
                "{} records of namespace {namespace} are still under version {}: they do not open, \
                 or wait for their turn; see: lavawall status",
                rotation.left,
                versions.join(", ")
            )));
        }
        last = Some((rotation.left, polls + 1));
        thread::sleep(POLL_INTERVAL);
    }
    drop(bar);
    print::note(&format!("namespace {namespace}: every record is under the new version"));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a bar has a hundred steps")]
fn share(done: u64, left: u64) -> f64 {
    done as f64 / (done + left).max(1) as f64
}
