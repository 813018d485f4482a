//! The configuration as the text of a file that names every key.

use serde::Serialize;
use toml::{Table, Value};

use crate::config::Config;

impl Config {
    /// The text of a file that means the same, defaults and the environment included. It has no comments.
    ///
    /// # Errors
    /// When a value has no form in TOML.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        let mut root = Table::new();
        for (key, path) in [("state-dir", &self.state_dir), ("admin-socket", &self.admin_socket)] {
            if let Some(path) = path {
                root.insert(key.into(), Value::try_from(path)?);
            }
        }
        let mut section = |name: &str, keys: Table| root.insert(name.to_owned(), keys.into());
        section("http", table(&self.http)?);
        section("limits", table(&self.limits)?);
        section("pool", table(&self.pool)?);
        section("keyring", table(&self.keyring)?);
        section("kv", table(&self.kv)?);
        if !self.listen.is_empty() {
            root.insert("listen".into(), Value::try_from(&self.listen)?);
        }
        if !self.egd.is_empty() {
            root.insert("egd".into(), Value::try_from(&self.egd)?);
        }
        if !self.kms.is_empty() {
            root.insert("kms".into(), Value::try_from(&self.kms)?);
        }
        if let Some(credential) = &self.credential {
            root.insert("credential".into(), Value::try_from(credential)?);
        }
        if self.sources.is_some() {
            let sources = self.source_tables.iter().cloned().map(Value::from).collect();
            root.insert("source".into(), Value::Array(sources));
        }
        toml::to_string(&root)
    }

    /// The keys that differ from `other`; the sources count as one.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut keys = self.needs_restart(other);
        let sections = |config: &Self| {
            let limits = table(&config.limits).unwrap_or_default();
            [("limits", limits), ("pool", table(&config.pool).unwrap_or_default())]
        };
        for ((section, own), (_, others)) in sections(self).into_iter().zip(sections(other)) {
            let differ =
                own.keys().chain(others.keys()).filter(|key| own.get(*key) != others.get(*key));
            for name in differ.map(|key| format!("{section}.{key}")) {
                if !keys.contains(&name) {
                    keys.push(name);
                }
            }
        }
        if self.source_tables != other.source_tables {
            keys.push("source".to_owned());
        }
        keys
    }

    /// The configuration of a service that ran with this one and reloaded `new`: what is read at the start
    /// only stays ([`Config::needs_restart`]).
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> Self {
        let mut config = self.clone();
        config.sources.clone_from(&new.sources);
        config.source_tables.clone_from(&new.source_tables);
        config.limits.clone_from(&new.limits);
        config.pool.clone_from(&new.pool);
        config.pool.grace_period = self.pool.grace_period;
        config
    }
}

fn table(section: &impl Serialize) -> Result<Table, toml::ser::Error> {
    Table::try_from(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, environment: &[(&str, &str)]) -> Config {
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Config::parse("test", text, environment).expect(text)
    }

    #[test]
    fn the_text_means_the_same_and_has_no_comments() {
        let all = r#"
            state-dir = "/srv/lava wall"
            admin-socket = "/run/lava.sock"
            [http]
            listen = "127.0.0.1:9000" # a comment
            max-bytes = 1000001
            idle-timeout = "1min 30s"
            hosts = ["random.example"]
            [pool]
            required = ["timer"]
            reseed-interval = "90s"
            [limits]
            tenant-rate = "50/s"
            tenant-burst = 9
            tenant-bytes = "1GiB/day"
            anonymous-long-answers = 2
            long-answers = 64
            long-answer-bytes = "100MiB/s"
            [kv]
            cache = 7654321
            [[listen]]
            address = "127.0.0.1:9001"
            device = "lo"
            serves = ["random"]
            [[listen]]
            address = "unix:/run/lavawall/random.sock"
            mode = "0660"
            [credential]
            listen = "unix:/run/lavawall/credential.sock"
            bytes = 64
            [[source]]
            type = "os"
            [[source]]
            type = "jitter"
            id = "timer"
            [[source]]
            type = "hwrng"
            entropy-per-bit = 0.25
        "#;
        for (text, environment) in
            [("", &[][..]), (all, &[]), (all, &[("LAVAWALL_POOL_QUORUM", "3")])]
        {
            let config = parse(text, environment);
            let written = config.text().expect("TOML");
            assert_eq!(parse(&written, &[]), config, "{written}");
            assert!(!written.contains('#'), "{written}");
        }
    }

    #[test]
    fn a_reload_changes_sources_and_seeds_and_leaves_the_rest() {
        let old = parse("[http]\nthreads = 1\n[pool]\ngrace-period = \"1min\"\n", &[]);
        let new = parse(
            "[http]\nthreads = 2\n[pool]\ngrace-period = \"2min\"\nquorum = 3\n[limits]\nlong-answers = 5\n[[source]]\ntype = \"os\"\n",
            &[],
        );
        let written = old.reloaded(&new).text().expect("TOML");
        for part in [
            "threads = 1",
            "grace-period = \"1m\"",
            "quorum = 3",
            "long-answers = 5",
            "type = \"os\"",
        ] {
            assert!(written.contains(part), "{part} in {written}");
        }
        assert_eq!(old.reloaded(&new).needs_restart(&old), Vec::<String>::new());
    }
}
