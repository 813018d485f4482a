//! The provenance headers of random answers.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use lavawall_entropy::{Generator, Provenance};

/// The number of the seed since the start of the service.
pub(crate) const GENERATION: HeaderName = HeaderName::from_static("entropy-generation");

/// The age of the seed in whole seconds.
pub(crate) const AGE: HeaderName = HeaderName::from_static("entropy-age");

/// Every source in the seed, `q=1` for the credited ones.
pub(crate) const SOURCES: HeaderName = HeaderName::from_static("entropy-sources");

/// The header values, built once per generation.
#[derive(Default)]
pub(crate) struct ProvenanceHeaders {
    current: ArcSwapOption<CurrentHeaders>,
}

struct CurrentHeaders {
    provenance: Arc<Provenance>,
    generation: HeaderValue,
    sources: HeaderValue,
}

impl ProvenanceHeaders {
    /// Adds the headers of the current seed; none before the first. Call it before drawing: then
    /// the answer is of this seed or a later one.
    pub(crate) fn add(&self, generator: &Generator, now: Instant, headers: &mut HeaderMap) {
        let Some(provenance) = generator.provenance() else { return };
        let label = match self.current.load_full() {
            Some(label) if Arc::ptr_eq(&label.provenance, &provenance) => label,
            _ => self.renew(provenance),
        };
        let age = now.saturating_duration_since(label.provenance.seeded_at).as_secs();
        headers.insert(GENERATION, label.generation.clone());
        headers.insert(AGE, HeaderValue::from(age));
        headers.insert(SOURCES, label.sources.clone());
    }

    fn renew(&self, provenance: Arc<Provenance>) -> Arc<CurrentHeaders> {
        let sources = sources(&provenance);
        let label = Arc::new(CurrentHeaders {
            generation: HeaderValue::from(provenance.generation),
            sources: HeaderValue::try_from(sources).expect("names are reduced to tokens"),
            provenance,
        });
        self.current.store(Some(Arc::clone(&label)));
        label
    }
}

/// `camera;q=1, os;q=1, jitter;q=0`
fn sources(provenance: &Provenance) -> String {
    let each = provenance
        .sources
        .iter()
        .map(|source| format!("{};q={}", token(&source.id), u8::from(source.credit_bits > 0)));
    each.collect::<Vec<_>>().join(", ")
}

/// The name with an underscore for every character that a token cannot have (RFC 9110 §5.6.2).
fn token(name: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    name.chars().map(|c| if is_token(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavawall_entropy::{Contribution, Kind};
    use std::time::SystemTime;

    fn from(ids: &[(&str, u32)]) -> Provenance {
        let contribution = |&(id, credit_bits): &(&str, u32)| Contribution {
            id: id.to_owned(),
            kind: Kind::None,
            credit_bits,
        };
        Provenance {
            generation: 3,
            seeded_at: Instant::now(),
            seeded_on: SystemTime::now(),
            sources: ids.iter().map(contribution).collect(),
        }
    }

    #[test]
    fn credited_sources_weigh_one_and_the_others_nothing() {
        let text = sources(&from(&[("camera", 512), ("os", 384), ("jitter", 0)]));
        assert_eq!(text, "camera;q=1, os;q=1, jitter;q=0");
    }

    #[test]
    fn no_name_breaks_out_of_the_header() {
        let text = sources(&from(&[("usb:046d é\r\nSet-Cookie: x, y;z", 1)]));
        assert_eq!(text, "usb_046d____Set-Cookie__x__y_z;q=1");
    }
}
