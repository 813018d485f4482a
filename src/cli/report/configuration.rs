//! The effective configuration. It holds no secrets, only the names of their files.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::calibrate::setup::Setup;
use crate::cli::report::facts;
use crate::config::Config;
use crate::plan::PlannedSource;
use crate::report::Fact;
use crate::source::Facts;

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
