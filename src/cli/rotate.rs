//! `lavawall rotate`: new keys for the root and for namespaces.

use clap::{Args, Subcommand};

use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::{key_versions, rotation};

/// Make new keys, and reseal under them
#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Root(RootArguments),
    Namespace(NamespaceArguments),
    Key(KeyArguments),
}

/// Make a new root key, and reseal all other keys under it
///
/// Records do not change. Asks for the passphrase or the shares.
#[derive(Debug, Args)]
struct RootArguments {
    #[command(flatten)]
    admin: AdminArguments,
}

/// Make a new key version of a namespace, and reseal its records under it
///
/// New records use the new version at once. The service reseals older records in the background, at
/// the rate of `kv.rotation-rate`; if this command or the service is stopped, it resumes later. A
/// version that no record needs any more is destroyed.
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

/// Make a new version of a key that callers use by name
///
/// It seals or signs from now on, and older versions open and verify what they sealed and signed: callers reseal
/// it.
#[derive(Debug, Args)]
struct KeyArguments {
    /// Name or id of the key
    key: String,
    /// What the key is for, where several have the name
    #[arg(long, value_parser = key_versions::PURPOSES)]
    purpose: Option<String>,
    /// Tenant whose key it is; without it the operator's
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(crate) fn run(arguments: &RotateArguments) -> Result<(), CommandError> {
    match &arguments.command {
        Command::Root(arguments) => rotation::rotate_root(&Operator::new(&arguments.admin)?),
        Command::Namespace(arguments) => rotate_namespace(arguments),
        Command::Key(arguments) => rotate_key(arguments),
    }
}

fn rotate_namespace(arguments: &NamespaceArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let keys = key_versions::all(&operator)?;
    let namespace = key_versions::find_namespace(&keys, &arguments.namespace)?;
    rotation::rotate_namespace(&operator, &namespace)?;
    if arguments.no_wait { Ok(()) } else { rotation::wait(&operator, &namespace) }
}

fn rotate_key(arguments: &KeyArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let keys = key_versions::all(&operator)?;
    let (purpose, owner) = (arguments.purpose.as_deref(), arguments.tenant.as_deref());
    let id = key_versions::find_named(&keys, &arguments.key, purpose, owner)?;
    rotation::rotate_named(&operator, &id)
}
