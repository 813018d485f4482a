//! Requirements of standards and whether this program meets them, from `requirement.toml`.

use serde::Deserialize;

/// One requirement of a standard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The standard.
    pub standard: String,
    /// The clause.
    pub clause: String,
    /// The requirement, in short.
    pub asks: String,
    /// Whether it is met.
    pub standing: Standing,
    /// How it is met, or the gap.
    pub how: String,
    /// Files, commands and tests that show it.
    #[serde(rename = "where")]
    pub places: Vec<String>,
}

/// Whether a requirement is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// All of it.
    Met,
    /// Some of it; `how` names the gap.
    Partly,
    /// It is not met.
    Not,
}

impl Standing {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Partly => "partly met",
            Self::Not => "not met",
        }
    }
}

/// All of them, in the order of the standards.
#[must_use]
pub fn requirements() -> Vec<Requirement> {
    #[derive(Deserialize)]
    struct File {
        requirement: Vec<Requirement>,
    }
    let file: File =
        toml::from_str(include_str!("requirement.toml")).expect("a test reads the same file");
    file.requirement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_met_is_said_and_what_is_met_is_shown() {
        let all = requirements();
        for standard in ["SP 800-90B", "SP 800-90C", "AIS 20/31"] {
            let of = |standing| {
                let is = |it: &&Requirement| it.standard == standard && it.standing == standing;
                all.iter().filter(is).count()
            };
            assert!(of(Standing::Met) > 0 && of(Standing::Not) > 0, "{standard}");
        }
        for requirement in all {
            let is_shown = requirement.standing != Standing::Met || !requirement.places.is_empty();
            assert!(is_shown && !requirement.how.is_empty(), "{}", requirement.clause);
        }
    }
}
