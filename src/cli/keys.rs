//! `lavawall keys`: every key there is or was, where it came from, and what depends on it.

mod table;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::cli::error::Stop;
use crate::cli::operator::Operator;
use crate::cli::when::When;
use crate::cli::{print, rotate};
use crate::client::AdminArguments;
use crate::exitcode::Exit;

/// List keys with their provenance, and rotate those that should not be trusted
///
/// Of each key: when it was made, in which state the generator was, which independent kinds of noise
/// source had been credited in its seed, and how many records are under it. No key is shown. For
/// example, to replace all keys that were made while a source was missing:
///   lavawall keys --made-while degraded --rotate
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only keys made from A until B, each as 2026-01-31T08:00:00Z, or as 2026-01-31: the whole day in UTC
    ///
    /// Both ends are included: 2026-11-01 2026-11-02 are two days, and one date twice is one day.
    #[arg(long, num_args = 2, value_names = ["A", "B"], value_parser = When::read)]
    made_between: Option<Vec<When>>,
    /// Only keys made while the generator was in this state
    #[arg(long, value_enum)]
    made_while: Option<State>,
    /// Make new ones for exactly the keys shown, and seal anew what is under them
    #[arg(long)]
    rotate: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    Revoke(RevokeArguments),
}

/// Take a key version from all readers; its records are sealed anew before they can be read again
#[derive(Debug, Args)]
struct RevokeArguments {
    /// Title or id of the namespace
    namespace: String,
    /// Number of the version; not the active one: rotate first
    #[arg(id = "key-version", value_name = "VERSION")]
    version: u32,
    /// Do not wait for the records
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    /// The quorum of sources stood
    Ready,
    /// Too few sources: the last seed went on for the grace period
    Degraded,
}

/// One key, as the service tells of it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Key {
    /// The namespace; `None` for the root key.
    namespace: Option<String>,
    title: Option<String>,
    version: u32,
    state: String,
    /// In seconds since 1970.
    made_at: i64,
    generation: u64,
    /// The state of the generator. `state` is that of the version.
    made_while: String,
    kinds: Vec<String>,
    records: Option<u64>,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

/// A number of a key version.
#[derive(Deserialize, Serialize)]
pub(crate) struct Version {
    pub(crate) version: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let done = match &arguments.command {
        Some(Command::Revoke(arguments)) => revoke(arguments),
        None => list(arguments),
    };
    done.map_or_else(Stop::say, |()| Exit::Ok)
}

/// All keys, the root key first.
pub(crate) fn all(operator: &Operator) -> Result<Vec<Key>, Stop> {
    Ok(operator.get::<Keys>("/admin/keys")?.keys)
}

/// The id of the namespace that is called so.
pub(crate) fn find_namespace(keys: &[Key], wanted: &str) -> Result<String, Stop> {
    let is_it = |key: &&Key| {
        key.namespace.as_deref() == Some(wanted) || key.title.as_deref() == Some(wanted)
    };
    let mut found: Vec<_> =
        keys.iter().filter(is_it).filter_map(|key| key.namespace.clone()).collect();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Stop::no(format!(
            "there is no namespace {}; lavawall kv namespaces lists them",
            print::shown(wanted)
        ))),
        _ => Err(Stop::usage(format!(
            "{} is the title of one namespace and the id of another: use the id, {}",
            print::shown(wanted),
            found.join(" or ")
        ))),
    }
}

fn list(arguments: &Arguments) -> Result<(), Stop> {
    let operator = Operator::new(&arguments.admin)?;
    let mut keys = all(&operator)?;
    keys.retain(|key| arguments.picks(key));
    if arguments.json {
        for key in &keys {
            print::line(serde_json::to_string(key).map_err(|error| Stop::new(Exit::Io, error))?);
        }
    } else {
        print::line(table::of(&keys).trim_end());
    }
    if arguments.rotate { rotate_all(&operator, &keys) } else { Ok(()) }
}

impl Arguments {
    fn picks(&self, key: &Key) -> bool {
        let is_between = match self.made_between.as_deref() {
            // In the wrong order.
            Some([b, a]) if b.first > a.last => (a.first..=b.last).contains(&key.made_at),
            Some([a, b]) => (a.first..=b.last).contains(&key.made_at),
            _ => true,
        };
        let is_while = self.made_while.is_none_or(|state| {
            let name = match state {
                State::Ready => "ready",
                State::Degraded => "degraded",
            };
            key.made_while == name
        });
        is_between && is_while
    }
}

/// Replaces these keys. Of versions that seal no more, records are being sealed anew already.
fn rotate_all(operator: &Operator, keys: &[Key]) -> Result<(), Stop> {
    let mut waiting = Vec::new();
    for key in keys.iter().filter(|key| key.state != "destroyed") {
        match &key.namespace {
            None => rotate::rotate_root(operator)?,
            Some(namespace) => {
                if key.state == "active" {
                    rotate::rotate_namespace(operator, namespace)?;
                }
                waiting.push(namespace);
            }
        }
    }
    waiting.dedup();
    waiting.into_iter().try_for_each(|namespace| rotate::wait(operator, namespace))
}

fn revoke(arguments: &RevokeArguments) -> Result<(), Stop> {
    let operator = Operator::new(&arguments.admin)?;
    let namespace = find_namespace(&all(&operator)?, &arguments.namespace)?;
    let path = format!("/admin/namespaces/{namespace}/revoke");
    let Version { version } = operator.post(&path, &Version { version: arguments.version })?;
    print::note(&format!("namespace {namespace}: version {version} is revoked"));
    if arguments.no_wait { Ok(()) } else { rotate::wait(&operator, &namespace) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn picks(between: [&str; 2], made_at: &str) -> bool {
        let line = ["keys", "--made-between", between[0], between[1]];
        let line = Line::try_parse_from(line).expect("a command line");
        let made_at = made_at.parse::<jiff::Timestamp>().expect("a moment").as_second();
        let key = Key {
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
