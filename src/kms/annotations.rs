//! The annotations of a sealed text: which version sealed it, and where that version came from. kube-apiserver
//! stores them in clear beside it.

use crate::crypto::kms::Annotations;
use crate::keyring::KeyVersion;

/// The number of the version. Names of annotations are domain names (k8s.io/apiserver, kmsv2), and `internal`
/// is a domain for private use.
const VERSION: &str = "version.kms.lavawall.internal";

/// When and from what the version was made.
const PROVENANCE: &str = "provenance.kms.lavawall.internal";

/// The annotations of what a version seals.
#[must_use]
pub(crate) fn of(version: &KeyVersion) -> Annotations {
    let it = &version.provenance;
    let kinds: Vec<_> = it.kinds.iter().map(ToString::to_string).collect();
    let provenance = format!(
        "made_at={}; generation={}; made_while={}; kinds={}",
        it.made_at,
        it.generation,
        it.state,
        kinds.join(",")
    );
    let text = |name: &str, value: String| (name.to_owned(), value.into_bytes());
    Annotations::from([text(VERSION, version.number.to_string()), text(PROVENANCE, provenance)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support::generator;
    use crate::keyring::{KeyProvenance, VersionState};

    #[test]
    fn they_tell_the_version_and_its_provenance_and_nothing_of_its_key() {
        let (key, provenance) = KeyProvenance::draw(&generator()).expect("seeded");
        let provenance = KeyProvenance { made_at: 1_700_000_000, ..provenance };
        let state = VersionState::Active;
        let told = of(&KeyVersion { number: 3, state, provenance, key: Some(key.into()) });
        let told: Vec<_> = told
            .iter()
            .map(|(name, value)| (name.as_str(), str::from_utf8(value).expect("text")))
            .collect();
        let provenance = "made_at=1700000000; generation=1; made_while=ready; \
                          kinds=operating-system,cpu-timing";
        assert_eq!(
            told,
            [
                ("provenance.kms.lavawall.internal", provenance),
                ("version.kms.lavawall.internal", "3"),
            ]
        );
    }
}
