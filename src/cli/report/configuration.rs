//! The effective configuration. It holds no secrets, only the names of their files.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::api::keys::ConfigurationAnswer;
use crate::calibrate::setup::Setup;
use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::report::facts;
use crate::config::Config;
use crate::plan::PlannedSource;
use crate::report::Fact;
use crate::source::Facts;

/// The most of an answer, in bytes.
const ANSWER_LIMIT: usize = 1 << 20;

/// The configuration that the report is about.
pub(crate) struct InForce {
    pub(crate) config: Config,
    /// Calibrations are read from it.
    pub(crate) state_dir: Option<PathBuf>,
    /// Where the configuration comes from, in sentences.
    pub(crate) origin: String,
}

impl InForce {
    /// The configuration that the service runs with, or else that of the file and the environment.
    pub(crate) fn of(connection: &ConnectionArguments, file: Config, ask: bool) -> Self {
        let asked = if ask { running(connection) } else { Err("--no-service".to_owned()) };
        match asked {
            Ok((config, state_dir)) => {
                let mut origin = "The running service has it.".to_owned();
                let other = config.differences(&file);
                if !other.is_empty() {
                    origin.push_str(" The file and the environment of this command differ: ");
                    origin.push_str(&other.join(", "));
                    origin.push('.');
                }
                Self { config, state_dir: Some(state_dir), origin }
            }
            Err(reason) => {
                let state_dir = connection.state_dir().ok();
                let origin = format!(
                    "The file and the environment of this command say so; a service that runs may have \
                     another: {reason}."
                );
                Self { config: file, state_dir, origin }
            }
        }
    }
}

/// The configuration and the state directory of the running service, which its admin socket tells.
fn running(connection: &ConnectionArguments) -> Result<(Config, PathBuf), String> {
    let client = connection.client().map_err(|error| error.to_string())?;
    let answer = client.call("GET", "/admin/configuration", None).and_then(|answer| {
        if answer.status() == 404 {
            return Ok(None);
        }
        answer.accepted(&[200])?.read(ANSWER_LIMIT).map(Some)
    });
    let answer = answer
        .map_err(|error| error.to_string())?
        .ok_or("it is told over the admin socket of a service of this version only")?;
    let ConfigurationAnswer { configuration, state_dir } =
        serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    let config = Config::parse("of the running service", &configuration, std::iter::empty())
        .map_err(|error| error.to_string())?;
    Ok((config, state_dir.into()))
}

/// Every section.
pub(crate) fn sections(
    config: &Config,
    state_dir: Option<&Path>,
    plans: &[PlannedSource],
) -> Vec<(String, Vec<Fact>)> {
    let state_dir = state_dir.map(|dir| dir.display().to_string());
    let state_dir = state_dir.unwrap_or_else(|| "not found".to_owned());
    let mut sections = vec![
        ("Service".to_owned(), vec![Fact::new("state-dir", state_dir)]),
        ("[http]".to_owned(), keys(&config.http)),
        ("[pool]".to_owned(), pool(config)),
        ("[keyring]".to_owned(), keys(&config.keyring)),
        ("[kv]".to_owned(), keys(&config.kv)),
    ];
    for plan in plans {
        let setup = Setup::of(&plan.entry.spec, &Facts::default());
        let mut list = vec![Fact::new("type", &setup.source_type)];
        list.extend(facts::of_setup(&setup));
        sections.push((format!("[[source]] {}", plan.entry.id), list));
    }
    sections
}

fn pool(config: &Config) -> Vec<Fact> {
    let time = |time| humantime::format_duration(time).to_string();
    let required = config.pool.required.join(", ");
    vec![
        Fact::new("quorum", config.pool.quorum),
        Fact::new("required", if required.is_empty() { "none".to_owned() } else { required }),
        Fact::new("reseed-interval", time(config.pool.reseed_interval)),
        Fact::new("grace-period", time(config.pool.grace_period)),
    ]
}

/// The keys of a table.
fn keys(section: &impl Serialize) -> Vec<Fact> {
    let Ok(Value::Object(keys)) = serde_json::to_value(section) else { return Vec::new() };
    keys.into_iter().map(|(key, value)| Fact::new(key, plain(&value))).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
