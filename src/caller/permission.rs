//! Permissions: what a tenant may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest permission, in bytes: the longest title and the words before it.
const LENGTH_MOST: usize = 600;

/// One thing that a tenant may do. As text: `random`, `status:read`, `seed`, `keys:use:NAME`,
/// `keys:manage:NAME`, `operator`, `kv:read:TITLE`, `kv:write:TITLE`; `keys:use` and `keys:manage` are those of
/// all names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Permission {
    /// Random bytes, numbers, strings.
    Random,
    /// Status, metrics, the dashboard's data.
    StatusRead,
    /// Sealed seeds.
    Seed,
    /// Using keys of its own with such names, without seeing them.
    KeysUse(TitlePattern),
    /// Making, changing, exporting and destroying them.
    KeysManage(TitlePattern),
    /// Reading records and names of the namespaces with such titles.
    KvRead(TitlePattern),
    /// Writing and deleting records; making, renaming and deleting the namespaces.
    KvWrite(TitlePattern),
    /// All of these.
    Operator,
}

/// The titles of namespaces or the names of keys: one, or with `*` at the end all that begin so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TitlePattern {
    text: String,
    is_prefix: bool,
}

/// What a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed<'a> {
    /// [`Permission::Random`].
    Random,
    /// [`Permission::StatusRead`].
    StatusRead,
    /// [`Permission::Seed`].
    Seed,
    /// [`Permission::Operator`].
    Operator,
    /// [`Permission::KeysUse`] of the key with this name.
    KeysUse(&'a str),
    /// [`Permission::KeysManage`] of the key with this name.
    KeysManage(&'a str),
    /// [`Permission::KvRead`] of the namespace with this title.
    KvRead(&'a str),
    /// [`Permission::KvWrite`] of the namespace with this title.
    KvWrite(&'a str),
}

/// A text that is no permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be random, status:read, seed, keys:use:NAME, keys:manage:NAME, operator, kv:read:TITLE or \
     kv:write:TITLE, where NAME and TITLE may end with *"
)]
pub(crate) struct PermissionError;

impl Permission {
    /// Whether it is enough for `needed`.
    #[must_use]
    pub(crate) fn allows(&self, needed: Needed<'_>) -> bool {
        match (self, needed) {
            (Self::Operator, _)
            | (Self::Random, Needed::Random)
            | (Self::Seed, Needed::Seed)
            | (Self::StatusRead, Needed::StatusRead) => true,
            (Self::KeysUse(titles), Needed::KeysUse(title))
            | (Self::KeysManage(titles), Needed::KeysManage(title))
            | (Self::KvRead(titles), Needed::KvRead(title))
            | (Self::KvWrite(titles), Needed::KvWrite(title)) => titles.matches(title),
            _ => false,
        }
    }
}

impl TitlePattern {
    /// All names.
    fn all() -> Self {
        Self { text: String::new(), is_prefix: true }
    }

    fn is_all(&self) -> bool {
        self.is_prefix && self.text.is_empty()
    }

    /// Whether a title is one of these.
    #[must_use]
    pub(crate) fn matches(&self, title: &str) -> bool {
        if self.is_prefix { title.starts_with(&self.text) } else { title == self.text }
    }
}

impl fmt::Display for Needed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::StatusRead => f.write_str("status:read"),
            Self::Seed => f.write_str("seed"),
            Self::Operator => f.write_str("operator"),
            Self::KeysUse(name) => write!(f, "keys:use:{name}"),
            Self::KeysManage(name) => write!(f, "keys:manage:{name}"),
            Self::KvRead(title) => write!(f, "kv:read:{title}"),
            Self::KvWrite(title) => write!(f, "kv:write:{title}"),
        }
    }
}

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        if text.len() > LENGTH_MOST || text.contains(char::is_control) {
            return Err(PermissionError);
        }
        match text {
            "random" => return Ok(Self::Random),
            "status:read" => return Ok(Self::StatusRead),
            "seed" => return Ok(Self::Seed),
            "keys:use" => return Ok(Self::KeysUse(TitlePattern::all())),
            "keys:manage" => return Ok(Self::KeysManage(TitlePattern::all())),
            "operator" => return Ok(Self::Operator),
            _ => {}
        }
        if let Some(names) = text.strip_prefix("keys:use:") {
            return names.parse().map(Self::KeysUse);
        }
        if let Some(names) = text.strip_prefix("keys:manage:") {
            return names.parse().map(Self::KeysManage);
        }
        if let Some(titles) = text.strip_prefix("kv:read:") {
            return titles.parse().map(Self::KvRead);
        }
        text.strip_prefix("kv:write:").ok_or(PermissionError)?.parse().map(Self::KvWrite)
    }
}

impl FromStr for TitlePattern {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        if text.is_empty() {
            return Err(PermissionError);
        }
        let prefix = text.strip_suffix('*');
        Ok(Self { text: prefix.unwrap_or(text).to_owned(), is_prefix: prefix.is_some() })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::StatusRead => f.write_str("status:read"),
            Self::Seed => f.write_str("seed"),
            Self::KeysUse(names) if names.is_all() => f.write_str("keys:use"),
            Self::KeysManage(names) if names.is_all() => f.write_str("keys:manage"),
            Self::KeysUse(names) => write!(f, "keys:use:{names}"),
            Self::KeysManage(names) => write!(f, "keys:manage:{names}"),
            Self::Operator => f.write_str("operator"),
            Self::KvRead(titles) => write!(f, "kv:read:{titles}"),
            Self::KvWrite(titles) => write!(f, "kv:write:{titles}"),
        }
    }
}

impl fmt::Display for TitlePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.is_prefix { "*" } else { "" })
    }
}

impl TryFrom<String> for Permission {
    type Error = PermissionError;

    fn try_from(text: String) -> Result<Self, PermissionError> {
        text.parse()
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(text: &str) -> Permission {
        text.parse().expect(text)
    }

    #[test]
    fn every_permission_reads_back_the_same() {
        for text in [
            "random",
            "status:read",
            "seed",
            "keys:use",
            "keys:manage",
            "keys:use:unseal",
            "keys:manage:a-*",
            "operator",
            "kv:read:acme/*",
            "kv:write:a title: with colons",
            "kv:read:*",
        ] {
            assert_eq!(permission(text).to_string(), text);
        }
        for text in [
            "",
            "Random",
            "kv",
            "kv:read",
            "kv:read:",
            "kv:delete:a",
            "kv:read:a\nb",
            "keys:use:",
            "keys",
        ] {
            assert_eq!(text.parse::<Permission>(), Err(PermissionError), "{text}");
        }
    }

    #[test]
    fn a_permission_allows_what_it_says_and_nothing_else() {
        let all = [
            Needed::Random,
            Needed::StatusRead,
            Needed::Seed,
            Needed::KvRead("acme/a"),
            Needed::KvWrite("acme/a"),
            Needed::KvRead("acme"),
            Needed::KvRead("other"),
            Needed::KeysUse("unseal"),
            Needed::KeysManage("unseal"),
            Needed::KeysUse("other"),
        ];
        let allowed = |text| all.iter().filter(|needed| permission(text).allows(**needed)).count();
        for (text, count) in [
            ("random", 1),
            ("status:read", 1),
            ("kv:read:acme/*", 1),
            ("kv:read:acme", 1),
            ("kv:write:acme/*", 1),
            ("kv:read:*", 3),
            ("operator", 10),
            ("seed", 1),
            ("keys:use", 2),
            ("keys:use:*", 2),
            ("keys:use:un*", 1),
            ("keys:use:unseal", 1),
            ("keys:use:unsea", 0),
            ("keys:manage", 1),
            ("keys:manage:other", 0),
        ] {
            assert_eq!(allowed(text), count, "{text}");
        }
        assert!(permission("kv:write:acme/*").allows(Needed::KvWrite("acme/a")));
        assert!(!permission("kv:write:acme/*").allows(Needed::KvRead("acme/a")));
    }
}
