//! The configuration: composed of each module's own section, read from TOML and the environment.

mod error;
mod keys;
mod service_link;
mod text;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::credential::config::CredentialConfig;
use crate::egd::config::EgdConfig;
use crate::http::HttpConfigError;
use crate::kms::config::KmsConfig;
use crate::source::{Presence, SOURCE_TYPES, SourceSpec};
use crate::{caller, collector, durable, http, keyring, kv};

pub(crate) use error::ConfigError;
use keys::KeyPlaces;
use service_link::is_service_link;

/// The configuration file when none is named.
pub(crate) const SYSTEM_FILE: &str = "/etc/lavawall/lavawall.toml";

/// Variables that are settings of the command line and not keys of the file.
const NOT_KEYS: [&str; 7] = [
    "LAVAWALL_CONFIG",
    "LAVAWALL_STATE_DIR",
    "LAVAWALL_LOG",
    "LAVAWALL_URL",
    "LAVAWALL_TOKEN_FILE",
    "LAVAWALL_CA_FILE",
    "LAVAWALL_SOCKET",
];

/// The most sources one service runs: each is a thread.
const MAX_SOURCES: usize = 32;

/// The most `[[listen]]`: each is a socket for each worker thread.
const MAX_LISTENERS: usize = 64;

/// Everything that can be configured. An empty file means all defaults.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The state directory. Default `$XDG_STATE_HOME/lavawall`.
    pub state_dir: Option<PathBuf>,
    /// The operator's unix socket, of at most 107 bytes. Default `admin.sock` in the state directory.
    pub admin_socket: Option<PathBuf>,
    /// HTTP, and one listener.
    pub http: http::HttpConfig,
    /// More listeners, each a `[[listen]]`.
    pub listen: Vec<http::ListenerConfig>,
    /// Listeners of the entropy gathering daemon's protocol, each an `[[egd]]`.
    pub egd: Vec<EgdConfig>,
    /// Sockets of Kubernetes KMS v2, each a `[[kms]]`.
    pub kms: Vec<KmsConfig>,
    /// The socket for `LoadCredential=` of systemd.
    pub credential: Option<CredentialConfig>,
    /// Limits of tenants without limits of their own, of callers without a token, and of the service.
    pub limits: caller::config::LimitsConfig,
    /// The quorum and the reseed interval.
    pub pool: collector::config::PoolConfig,
    /// The keyring.
    pub keyring: keyring::KeyringConfig,
    /// The store of records.
    pub kv: kv::KvConfig,
    /// The sources, or `None` for every source that this machine has.
    #[serde(skip)]
    pub sources: Option<Vec<SourceEntry>>,
    /// Each `[[source]]` as it is written.
    #[serde(skip)]
    source_tables: Vec<toml::Table>,
}

/// One `[[source]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEntry {
    /// Its name: the key `id`, or its type, numbered from the second on.
    pub id: String,
    /// Its configuration.
    pub spec: SourceSpec,
}

impl Config {
    /// Reads `file`, else `/etc/lavawall/lavawall.toml` if it exists, else takes the defaults; then applies the
    /// environment's `LAVAWALL_SECTION_KEY`. A byte that is not UTF-8 comes as U+FFFD, and is refused.
    ///
    /// # Errors
    /// Names the file, line, key and reason.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let system = Path::new(SYSTEM_FILE);
        let Some(path) = file.or_else(|| system.exists().then_some(system)) else {
            return Self::parse("environment", "", environment);
        };
        let unreadable = |error| ConfigError::unreadable(path, &error);
        let text = durable::read_given(path).map_err(unreadable)?;
        let text = str::from_utf8(&text).map_err(|error| unreadable(io::Error::other(error)))?;
        Self::parse(&path.display().to_string(), text, environment)
    }

    /// Parses the text of a configuration file, named `file` in errors.
    ///
    /// # Errors
    /// Names the file, line, key and reason.
    pub fn parse(
        file: &str,
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let environment: Vec<_> = environment.collect();
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut keys = KeyPlaces::new(file, text);
        let mut root = DeTable::parse(text).map_err(|error| keys.locate(&error))?;
        keys.collect(root.get_ref());
        for (name, value) in &environment {
            overlay(root.get_mut(), &mut keys, name, value)?;
        }
        let has_http_listen = root
            .get_ref()
            .get("http")
            .and_then(|http| http.get_ref().as_table())
            .is_some_and(|http| http.contains_key("listen"));
        if root.get_ref().get("listen").is_some_and(|listen| listen.get_ref().is_table()) {
            let reason = "is a list: write [[listen]], with two brackets".to_owned();
            return Err(keys.error("listen", reason));
        }
        let sources = root.get_mut().remove("source");
        let source_tables = sources.clone().map(source_tables).unwrap_or_default();
        let value = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
        let mut config = Self::deserialize(ValueDeserializer::from(value))
            .map_err(|error| keys.locate(&error))?;
        for (number, listener) in config.listen.iter_mut().enumerate() {
            listener.table = format!("listen[{number}]");
            listener.has_tokens = config.http.tokens.is_some();
        }
        if !config.listen.is_empty() && !has_http_listen {
            config.http.listen = None;
        }
        config.source_tables = source_tables;
        config.sources = sources.map(|array| parse_sources(array, &keys)).transpose()?;
        config.validate(&keys)?;
        Ok(config)
    }

    /// Checks across sections.
    fn validate(&self, keys: &KeyPlaces<'_>) -> Result<(), ConfigError> {
        self.http.validate().map_err(|invalid| {
            keys.error(&format!("http.{}", invalid.field), invalid.reason.clone())
        })?;
        self.validate_listeners(keys)?;
        self.limits
            .validate()
            .map_err(|(field, reason)| keys.error(&format!("limits.{field}"), reason))?;
        self.kv.validate().map_err(|(field, reason)| keys.error(&format!("kv.{field}"), reason))?;
        for required in &self.pool.required {
            self.validate_required(required)
                .map_err(|reason| keys.error("pool.required", reason))?;
        }
        Ok(())
    }

    /// The listeners: that of `http.listen` first.
    #[must_use]
    pub fn listeners(&self) -> Vec<http::ListenerConfig> {
        self.http.listener().into_iter().chain(self.listen.iter().cloned()).collect()
    }

    /// The listener of each `[[egd]]`.
    #[must_use]
    pub(crate) fn egd_listeners(&self) -> Vec<http::ListenerConfig> {
        let listener = |(number, egd): (usize, &EgdConfig)| egd.listener(&format!("egd[{number}]"));
        self.egd.iter().enumerate().map(listener).collect()
    }

    /// The listener of each `[[kms]]`.
    #[must_use]
    pub(crate) fn kms_listeners(&self) -> Vec<http::ListenerConfig> {
        let listener = |(number, kms): (usize, &KmsConfig)| kms.listener(&format!("kms[{number}]"));
        self.kms.iter().enumerate().map(listener).collect()
    }

    /// The listener of `[credential]`.
    #[must_use]
    pub(crate) fn credential_listener(&self) -> Option<http::ListenerConfig> {
        self.credential.as_ref().map(CredentialConfig::listener)
    }

    fn validate_listeners(&self, keys: &KeyPlaces<'_>) -> Result<(), ConfigError> {
        let counts =
            [("listen", self.listen.len()), ("egd", self.egd.len()), ("kms", self.kms.len())];
        for (table, count) in counts {
            if count > MAX_LISTENERS {
                let reason = format!("at most {MAX_LISTENERS} listeners (got {count})");
                return Err(keys.error(table, reason));
            }
        }
        let (egd, kms) = (self.egd_listeners(), self.kms_listeners());
        let valid = self.listen.iter().map(|listener| (listener, listener.validate()));
        let of_egd = egd.iter().zip(&self.egd).map(|(listener, egd)| (listener, egd.validate()));
        let of_kms = kms.iter().zip(&self.kms).map(|(listener, kms)| (listener, kms.validate()));
        let credential = self.credential_listener();
        let of_units = self.credential.iter().map(CredentialConfig::validate);
        let of_units = credential.iter().zip(of_units);
        for (listener, validated) in valid.chain(of_egd).chain(of_kms).chain(of_units) {
            validated.map_err(|HttpConfigError { field, value, reason }| {
                keys.error(&listener.key(field), format!("{reason} (got {value})"))
            })?;
        }
        let all = self.listeners().into_iter().chain(egd).chain(kms).chain(credential);
        let all: Vec<_> = all.collect();
        for (number, listener) in all.iter().enumerate() {
            if let Some(other) = all[..number].iter().find(|it| listener.is_at_place_of(it)) {
                let reason = format!("is that of {} too (got {})", other.table, listener.name());
                return Err(keys.error(&listener.key("address"), reason));
            }
        }
        Ok(())
    }

    /// The keys that differ from `old` and are read at the start only.
    #[must_use]
    pub fn needs_restart(&self, old: &Self) -> Vec<String> {
        let fields = |section: &str, config: serde_json::Result<serde_json::Value>| {
            let config = config.ok().and_then(|config| config.as_object().cloned());
            let named = move |(key, value)| (format!("{section}.{key}"), value);
            config.unwrap_or_default().into_iter().map(named).collect::<Vec<_>>()
        };
        let all = |config: &Self| {
            let mut all = fields("http", serde_json::to_value(&config.http));
            all.extend(fields("keyring", serde_json::to_value(&config.keyring)));
            all.extend(fields("kv", serde_json::to_value(&config.kv)));
            all.push((
                "pool.grace-period".to_owned(),
                format!("{:?}", config.pool.grace_period).into(),
            ));
            all.push(("listen".to_owned(), format!("{:?}", config.listen).into()));
            all.push(("egd".to_owned(), format!("{:?}", config.egd).into()));
            all.push(("kms".to_owned(), format!("{:?}", config.kms).into()));
            all.push(("credential".to_owned(), format!("{:?}", config.credential).into()));
            all.push(("state-dir".to_owned(), format!("{:?}", config.state_dir).into()));
            all.push(("admin-socket".to_owned(), format!("{:?}", config.admin_socket).into()));
            all
        };
        let changed = all(self).into_iter().zip(all(old)).filter(|(new, old)| new != old);
        changed.map(|((key, _), _)| key).collect()
    }

    /// A required source must be configured, and must be one that can be credited.
    fn validate_required(&self, required: &str) -> Result<(), String> {
        let Some(sources) = &self.sources else {
            let automatic = names(Presence::is_automatic);
            return if automatic.contains(&required) {
                Ok(())
            } else {
                let automatic = automatic.join(", ");
                Err(format!(
                    "without any [[source]] it must be one of {automatic} (got {required:?})"
                ))
            };
        };
        let mut called = sources.iter().filter(|source| source.is_called(required)).peekable();
        if called.peek().is_none() {
            return Err(format!("no source has the id or type {required:?}"));
        }
        if called.any(|source| !source.spec.may_be_credited()) {
            return Err(format!(
                "{required:?} is credited nothing, so there would never be a seed"
            ));
        }
        Ok(())
    }
}

impl SourceEntry {
    /// Whether `name` is its name or its type.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.id == name || self.spec.type_name() == name
    }
}

/// Sets the key that a variable such as `LAVAWALL_POOL_QUORUM` names. The value is read as TOML if
/// it is a whole value, and as a plain string otherwise.
fn overlay<'a>(
    root: &mut DeTable<'a>,
    keys: &mut KeyPlaces<'_>,
    name: &str,
    value: &'a str,
) -> Result<(), ConfigError> {
    let is_ours = !NOT_KEYS.contains(&name) && !is_service_link(name, value);
    let Some(path) = name.strip_prefix("LAVAWALL_").filter(|_| is_ours) else {
        return Ok(());
    };
    // What is not UTF-8 comes with the replacement character: it would be another path.
    if value.contains(char::REPLACEMENT_CHARACTER) {
        return Err(ConfigError::variable(name, "is not UTF-8"));
    }
    let kebab = |part: &str| part.to_lowercase().replace('_', "-");
    let Some((section, key)) = path.split_once('_').map(|(a, b)| (kebab(a), kebab(b))) else {
        return Err(ConfigError::variable(name, "must name a section and a key"));
    };
    let span = keys.variable(name, &section, &key);
    let value = match DeValue::parse(value).map(Spanned::into_inner) {
        Ok(whole @ (DeValue::Integer(_) | DeValue::Boolean(_) | DeValue::Array(_))) => whole,
        _ => DeValue::String(value.into()),
    };
    let entry = root
        .entry(Spanned::new(span.clone(), section.into()))
        .or_insert_with(|| Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
    let DeValue::Table(table) = entry.get_mut() else {
        return Err(ConfigError::variable(name, "names a section that is not a table"));
    };
    table.remove(key.as_str());
    table.insert(Spanned::new(span.clone(), key.into()), Spanned::new(span, value));
    Ok(())
}

/// Each source as a table. What is none is refused by [`parse_sources`].
fn source_tables(array: Spanned<DeValue<'_>>) -> Vec<toml::Table> {
    Vec::deserialize(ValueDeserializer::from(array)).unwrap_or_default()
}

fn parse_sources(
    array: Spanned<DeValue<'_>>,
    keys: &KeyPlaces<'_>,
) -> Result<Vec<SourceEntry>, ConfigError> {
    let DeValue::Array(array) = array.into_inner() else {
        return Err(keys.error("source", "is a list: write [[source]], with two brackets".into()));
    };
    if array.len() > MAX_SOURCES {
        let reason = format!("at most {MAX_SOURCES} sources (got {})", array.len());
        return Err(keys.error("source", reason));
    }
    let mut entries = Vec::new();
    let mut ids = BTreeSet::new();
    for (number, source) in array.into_iter().enumerate() {
        entries.push(parse_source(source, number, &mut ids, keys)?);
    }
    Ok(entries)
}

fn parse_source(
    source: Spanned<DeValue<'_>>,
    number: usize,
    ids: &mut BTreeSet<String>,
    keys: &KeyPlaces<'_>,
) -> Result<SourceEntry, ConfigError> {
    let here = |key: &str| format!("source[{number}].{key}");
    let span = source.span();
    let DeValue::Table(mut table) = source.into_inner() else {
        return Err(keys.error("source", "is a list of tables: write [[source]]".into()));
    };
    let mut take = |key: &str| table.remove(key).map(Spanned::into_inner);
    let Some(DeValue::String(type_name)) = take("type") else {
        let reason = format!("must be one of {}", names(|_| true).join(", "));
        return Err(keys.error(&here("type"), reason));
    };
    let id = match take("id") {
        None => free_id(&type_name, ids),
        Some(DeValue::String(id)) if is_id(&id) && !ids.contains(&*id) => id.into_owned(),
        Some(_) => {
            let reason = "must be unique, and 1 to 32 of a-z, 0-9, - and _".to_owned();
            return Err(keys.error(&here("id"), reason));
        }
    };
    ids.insert(id.clone());
    let rest = ValueDeserializer::from(Spanned::new(span, DeValue::Table(table)));
    match SourceSpec::parse(&type_name, rest) {
        None => {
            let reason = format!("{type_name:?} is not one of {}", names(|_| true).join(", "));
            Err(keys.error(&here("type"), reason))
        }
        Some(Err(error)) => Err(keys.locate_in(&here(""), &error)),
        Some(Ok(spec)) => Ok(SourceEntry { id, spec }),
    }
}

/// The names of the types with this presence.
fn names(presence: impl Fn(Presence) -> bool) -> Vec<&'static str> {
    SOURCE_TYPES.iter().filter(|entry| presence(entry.presence)).map(|entry| entry.name).collect()
}

/// Names go into header fields, metrics labels and file names.
fn is_id(id: &str) -> bool {
    (1..=32).contains(&id.len())
        && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// The type's name, or `camera-2` when `camera` is taken.
fn free_id(type_name: &str, ids: &BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{type_name}-{number}"));
    std::iter::once(type_name.to_owned())
        .chain(numbered)
        .find(|id| !ids.contains(id))
        .expect("there are more numbers than sources")
}
