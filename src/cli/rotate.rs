//! `lavawall rotate`: new keys for what is there.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Deserialize;

use crate::cli::error::Stop;
use crate::cli::keys;
use crate::cli::keys::Version;
use crate::cli::operator::{Keyring, Operator, Proof};
use crate::cli::print;
use crate::cli::progress::Bar;
use crate::client::AdminArguments;
use crate::exitcode::Exit;

/// How often it is looked how far a rotation is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Make new keys for what is there
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Root(RootArguments),
    Namespace(NamespaceArguments),
}

/// Make a new root key, and seal all other keys under it
///
/// No record is touched. Asks for what opens the keyring.
#[derive(Debug, Args)]
struct RootArguments {
    #[command(flatten)]
    admin: AdminArguments,
}

/// Make a new key version of a namespace, and seal its records anew under it
///
/// What is written from now on is under the new version at once; older records follow, while the
/// service goes on, at the rate of `kv.rotation-rate`. Stopping this command, or the service, stops
/// nothing for good: what is left goes on. When no record needs an older version any more, that
/// version is destroyed.
#[derive(Debug, Args)]
struct NamespaceArguments {
    /// Title or id of the namespace
    namespace: String,
    /// Do not wait for the older records
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let done = match &arguments.command {
        Command::Root(arguments) => root(arguments),
        Command::Namespace(arguments) => namespace(arguments),
    };
    done.map_or_else(Stop::say, |()| Exit::Ok)
}

fn root(arguments: &RootArguments) -> Result<(), Stop> {
    rotate_root(&Operator::new(&arguments.admin)?)
}

/// Asks for the proof that this needs.
pub(crate) fn rotate_root(operator: &Operator) -> Result<(), Stop> {
    #[derive(serde::Serialize)]
    struct Body {
        proof: Proof,
    }
    let proof = operator.ask_for_proof()?;
    let Keyring { .. } = operator.post("/admin/keyring/rotate", &Body { proof })?;
    print::note(&"the root key is a new one");
    Ok(())
}

fn namespace(arguments: &NamespaceArguments) -> Result<(), Stop> {
    let operator = Operator::new(&arguments.admin)?;
    let namespace = keys::find_namespace(&keys::all(&operator)?, &arguments.namespace)?;
    rotate_namespace(&operator, &namespace)?;
    if arguments.no_wait { Ok(()) } else { wait(&operator, &namespace) }
}

/// Makes a new version.
pub(crate) fn rotate_namespace(operator: &Operator, namespace: &str) -> Result<(), Stop> {
    let path = format!("/admin/namespaces/{namespace}/rotate");
    let Version { version } = operator.post(&path, &())?;
    print::note(&format!("namespace {namespace}: version {version} seals from now on"));
    Ok(())
}

#[derive(Deserialize)]
struct Status {
    keyring: Option<KeyringStatus>,
}

#[derive(Deserialize)]
struct KeyringStatus {
    state: String,
    rotations: Vec<Rotation>,
}

#[derive(Deserialize)]
struct Rotation {
    namespace: String,
    done: u64,
    left: u64,
    dependents: BTreeMap<u32, u64>,
}

/// Waits, with a bar, until no record of the namespace is under an older version.
pub(crate) fn wait(operator: &Operator, namespace: &str) -> Result<(), Stop> {
    let bar = Bar::new("sealing anew");
    let mut last: Option<(u64, u32)> = None;
    loop {
        let status: Status = operator.get("/status")?;
        let keyring = status.keyring.filter(|keyring| keyring.state == "open");
        let Some(keyring) = keyring else {
            return Err(Stop::new(
                Exit::Unavailable,
                "the keyring was sealed meanwhile; the rotation goes on once it is unsealed",
            ));
        };
        let Some(rotation) = keyring.rotations.iter().find(|it| it.namespace == namespace) else {
            break;
        };
        bar.set(share(rotation.done, rotation.left));
        // What does not open is never sealed anew, and keeps its version.
        let waited = last.filter(|(left, _)| *left == rotation.left).map_or(0, |(_, times)| times);
        if waited >= STUCK_AFTER {
            let versions: Vec<_> = rotation.dependents.keys().map(ToString::to_string).collect();
            return Err(Stop::no(format!(
                "{} records of namespace {namespace} are still under version {}: they do not open, \
                 or wait for their turn; `lavawall status` says more",
                rotation.left,
                versions.join(", ")
            )));
        }
        last = Some((rotation.left, waited + 1));
        thread::sleep(LOOK_EVERY);
    }
    drop(bar);
    print::note(&format!("namespace {namespace}: every record is under the new version"));
    Ok(())
}

/// Looks without progress before the command gives up waiting: half a minute.
const STUCK_AFTER: u32 = 150;

#[expect(clippy::cast_precision_loss, reason = "a bar has a hundred steps")]
fn share(done: u64, left: u64) -> f64 {
    done as f64 / (done + left).max(1) as f64
}
