//! `lavawall keys`: all keys, present and former, with their provenance and their records.

mod table;

use clap::{Args, Subcommand, ValueEnum};

use crate::api::keys::{KeyEntry, RevokeRequest, VersionAnswer};
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::key_versions::Revocable;
use crate::cli::operator::Operator;
use crate::cli::when::When;
use crate::cli::{key_versions, print, rotation};

/// List keys with their provenance, and rotate those that should not be trusted
///
/// For each key: when it was made, the state of the generator then, the independent kinds of noise
/// source that were credited in its seed, and the number of records under it. Keys that callers use by
/// name have their purpose, owner, name and oldest versions instead. The key itself is never shown. For example,
/// to replace all keys that were made while a source was missing:
///   lavawall keys --made-while degraded --rotate
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct KeysArguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only keys made from A to B, each a time as 2026-01-31T08:00:00Z or a day in UTC as 2026-01-31
    ///
    /// Both ends are included: 2026-11-01 2026-11-02 are two days, and the same date twice is one day.
    #[arg(long, num_args = 2, value_names = ["A", "B"], value_parser = When::read)]
    made_between: Option<Vec<When>>,
    /// Only keys made while the generator was in this state
    #[arg(long, value_enum)]
    made_while: Option<MadeWhile>,
    /// Rotate exactly the keys shown, and reseal their records; what callers sealed, they reseal themselves
    #[arg(long)]
    rotate: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    Revoke(RevokeArguments),
}

/// Revoke a key version
///
/// Of a namespace: its records cannot be read until they are resealed, which the service begins at once. Of a
/// key that callers use by name: it seals, signs, opens and verifies nothing any more, and what it sealed can
/// only be sealed again, by those who have it.
#[derive(Debug, Args)]
struct RevokeArguments {
    /// Title or id of the namespace, or name or id of the key
    #[arg(value_name = "NAMESPACE OR KEY")]
    of: String,
    /// Number of the version; the active one must be rotated first
    #[arg(id = "key-version", value_name = "VERSION")]
    version: u32,
    /// What it is for, where several have the name
    #[arg(long, value_parser = key_versions::REVOCABLE)]
    purpose: Option<String>,
    /// Tenant whose key it is; without it the operator's
    #[arg(long)]
    tenant: Option<String>,
    /// Do not wait for the records of a namespace
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MadeWhile {
    /// The quorum of sources was met
    Ready,
    /// Too few sources: the last seed was used, within the grace period
    Degraded,
}

pub(crate) fn run(arguments: &KeysArguments) -> Result<(), CommandError> {
    match &arguments.command {
        Some(Command::Revoke(arguments)) => revoke(arguments),
        None => list(arguments),
    }
}

fn list(arguments: &KeysArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let mut keys = key_versions::all(&operator)?;
    keys.retain(|key| arguments.picks(key));
    let printed = arguments.print(&keys);
    // Rotated also when the list cannot be printed.
    if arguments.rotate {
        rotate_all(&operator, &keys)?;
    }
    printed
}

impl KeysArguments {
    fn print(&self, keys: &[KeyEntry]) -> Result<(), CommandError> {
        if !self.json {
            return Ok(print::line(table::of(keys).trim_end())?);
        }
        Ok(keys.iter().try_for_each(print::json)?)
    }

    fn picks(&self, key: &KeyEntry) -> bool {
        let is_between = match self.made_between.as_deref() {
            // The later one first.
            Some([b, a]) if b.first > a.last => (a.first..=b.last).contains(&key.made_at),
            Some([a, b]) => (a.first..=b.last).contains(&key.made_at),
            _ => true,
        };
        let is_while = self.made_while.is_none_or(|state| {
            let name = match state {
                MadeWhile::Ready => "ready",
                MadeWhile::Degraded => "degraded",
            };
            key.made_while == name
        });
        is_between && is_while
    }
}

/// Rotates these keys. The records of a retired version are being resealed already.
fn rotate_all(operator: &Operator, keys: &[KeyEntry]) -> Result<(), CommandError> {
    let mut waiting = Vec::new();
    let mut failed = None;
    for key in keys.iter().filter(|key| key.state != "destroyed") {
        match (&key.namespace, &key.id) {
            (None, None) => rotation::rotate_root(operator)?,
            (None, Some(id)) if key.state == "active" => {
                // A key that its owner deletes, or fills with versions, keeps no other as it is.
                if let Err(error) = rotation::rotate_named(operator, id) {
                    print::note(&format!("key {id} is not rotated: {error}"));
                    failed.get_or_insert(error);
                }
            }
            // What a retired version sealed is with the callers.
            (None, Some(_)) => {}
            (Some(namespace), _) => {
                if key.state == "active" {
                    rotation::rotate_namespace(operator, namespace)?;
                }
                waiting.push(namespace);
            }
        }
    }
    warn_of_degraded(operator, keys)?;
    waiting.dedup();
    waiting.into_iter().try_for_each(|namespace| rotation::wait(operator, namespace))?;
    failed.map_or(Ok(()), Err)
}

/// Says which of these keys have an active version that was made in a degraded hour again.
fn warn_of_degraded(operator: &Operator, rotated: &[KeyEntry]) -> Result<(), CommandError> {
    let is_rotated = |key: &KeyEntry| {
        rotated.iter().any(|it| (&it.namespace, &it.id) == (&key.namespace, &key.id))
    };
    let is_degraded = |key: &&KeyEntry| key.state == "active" && key.made_while == "degraded";
    for key in key_versions::all(operator)?.iter().filter(is_degraded).filter(|it| is_rotated(it)) {
        let of = match (&key.namespace, &key.id) {
            (Some(id), _) => format!("namespace {id}: version {}", key.version),
            (None, Some(id)) => format!("key {id}: version {}", key.version),
            (None, None) => "the root key".to_owned(),
        };
        print::note(&format!(
            "warning: {of} was made while degraded again; rotate once lavawall status says ready"
        ));
    }
    Ok(())
}

fn revoke(arguments: &RevokeArguments) -> Result<(), CommandError> {
    let operator = Operator::new(&arguments.admin)?;
    let keys = key_versions::all(&operator)?;
    let (purpose, owner) = (arguments.purpose.as_deref(), arguments.tenant.as_deref());
    let request = RevokeRequest { version: arguments.version };
    match key_versions::find_revocable(&keys, &arguments.of, purpose, owner)? {
        Revocable::Namespace(namespace) => {
            let path = format!("/admin/namespaces/{namespace}/revoke");
            let VersionAnswer { version } = operator.post(&path, &request)?;
            print::note(&format!("namespace {namespace}: version {version} is revoked"));
            if arguments.no_wait { Ok(()) } else { rotation::wait(&operator, &namespace) }
        }
        Revocable::Key { id, purpose } => {
            let path = format!("/admin/keys/{id}/revoke");
            let VersionAnswer { version } = operator.post(&path, &request)?;
            print::note(&format!("key {id}: version {version} is revoked"));
            print::note(&dependents(&purpose));
            Ok(())
        }
    }
}

/// What depends on a revoked version of a key. Its texts and signatures are with the callers.
fn dependents(purpose: &str) -> &'static str {
    match purpose {
        "kms" => {
            "what depends on it is not known here: Kubernetes has what it sealed, and cannot open that \
             any more"
        }
        "sign" => "what depends on it is not known here: its signatures are not verified any more",
        "aws-kms" => {
            "what depends on it is not known here: the callers seal again with ReEncrypt what it sealed; MACs \
             of a key for HMAC are not verified any more"
        }
        "mac" => "what depends on it is not known here: its MACs are not verified any more",
        _ => {
            "what depends on it is not known here: the callers have what it sealed, and seal that again \
             with transit/rewrap"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: KeysArguments,
    }

    fn picks(between: [&str; 2], made_at: &str) -> bool {
        let line = ["keys", "--made-between", between[0], between[1]];
        let line = Line::try_parse_from(line).expect("a command line");
        let made_at = made_at.parse::<jiff::Timestamp>().expect("a moment").as_second();
        let key = KeyEntry {
            purpose: "root".into(),
            id: None,
            owner: None,
            name: None,
            min_decryption_version: None,
            min_encryption_version: None,
            namespace: None,
            title: None,
            version: 0,
            state: "active".into(),
            made_at,
            generation: 1,
            made_while: "ready".into(),
            kinds: Vec::new(),
            records: None,
        };
        line.arguments.picks(&key)
    }

    #[test]
    fn of_two_dates_both_days_are_whole_in_either_order() {
        for (made_at, expected) in [
            ("2026-10-31T23:59:59Z", false),
            ("2026-11-01T00:00:00Z", true),
            ("2026-11-02T23:59:59Z", true),
            ("2026-11-03T00:00:00Z", false),
        ] {
            for between in [["2026-11-01", "2026-11-02"], ["2026-11-02", "2026-11-01"]] {
                assert_eq!(picks(between, made_at), expected, "{between:?} {made_at}");
            }
        }
        assert!(picks(["2026-11-01", "2026-11-01"], "2026-11-01T12:00:00Z"), "one day");
        assert!(picks(["2026-11-01T08:00:00Z", "2026-11-01"], "2026-11-01T08:00:00Z"));
        assert!(!picks(["2026-11-01T08:00:00Z", "2026-11-01"], "2026-11-01T07:59:59Z"));
    }
}
