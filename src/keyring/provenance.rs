//! Key provenance: the generation of the generator that drew a key, its sources, and its state.

use std::time::Instant;

use serde::Serialize;

use crate::crypto::codec::{Malformed, Reader, Writer};
use crate::crypto::key::{self, Key};
use crate::machine::unix_now;
use lavawall_entropy::{Generator, Kind, NotReady, Readiness};

/// The provenance of one key.
///
/// ```text
/// 8  made at, seconds since 1970
/// 8  generation
/// 1  state: 1 starting, 2 ready, 3 degraded, 4 refusing
/// 1  number of kinds
/// n  kinds, as in `KINDS`, from 1
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyProvenance {
    /// When it was drawn, in seconds since 1970.
    pub made_at: u64,
    /// The generator's generation. Counts from 1 at each start of the service.
    pub generation: u64,
    /// The state of the generator.
    #[serde(rename = "made_while")]
    pub state: Readiness,
    /// Kinds of source that were credited in that generation, each once.
    pub kinds: Vec<Kind>,
}

/// Kinds by their number on disk, from 1. New ones go to the end.
const KINDS: [Kind; 7] = [
    Kind::PhysicalCamera,
    Kind::OperatingSystem,
    Kind::CpuInstruction,
    Kind::CpuTiming,
    Kind::Device,
    Kind::Tpm,
    Kind::None,
];

/// States by their number on disk, from 1.
const STATES: [Readiness; 4] =
    [Readiness::Starting, Readiness::Ready, Readiness::Degraded, Readiness::Refusing];

impl KeyProvenance {
    /// Draws a key; returns it with its provenance.
    ///
    /// # Errors
    /// When the generator refuses.
    pub fn draw(generator: &Generator) -> Result<(Key, Self), NotReady> {
        loop {
            let before = Self::now(generator);
            let key = key::draw_key(generator)?;
            // After a reseed in between, the generation of the key would be unknown.
            if Self::now(generator).generation == before.generation {
                return Ok((key, before));
            }
        }
    }

    fn now(generator: &Generator) -> Self {
        let provenance = generator.provenance();
        let mut kinds: Vec<_> = provenance
            .iter()
            .flat_map(|provenance| &provenance.sources)
            .filter(|source| source.credit_bits > 0)
            .map(|source| source.kind)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        Self {
            made_at: unix_now(),
            generation: provenance.map_or(0, |provenance| provenance.generation),
            state: generator.state(Instant::now()),
            kinds,
        }
    }

    /// Appends it.
    pub(crate) fn write(&self, to: &mut Writer) {
        to.u64(self.made_at).u64(self.generation).byte(number_of(&STATES, self.state));
        to.byte(u8::try_from(self.kinds.len()).expect("there are seven kinds"));
        for kind in &self.kinds {
            to.byte(number_of(&KINDS, *kind));
        }
    }

    /// Reads it.
    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (made_at, generation) = (from.u64()?, from.u64()?);
        let state = at_number(&STATES, from.byte()?)?;
        let count = from.byte()?;
        let kinds = from.bytes(usize::from(count))?;
        let kinds = kinds.iter().map(|number| at_number(&KINDS, *number)).collect::<Result<_, _>>();
        Ok(Self { made_at, generation, state, kinds: kinds? })
    }
}

fn number_of<T: PartialEq + Copy>(all: &[T], one: T) -> u8 {
    let at = all.iter().position(|other| *other == one).expect("every value is in its table");
    u8::try_from(at + 1).expect("the tables are short")
}

fn at_number<T: Copy>(all: &[T], number: u8) -> Result<T, Malformed> {
    let at = usize::from(number).checked_sub(1).ok_or(Malformed)?;
    all.get(at).copied().ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support;

    #[test]
    fn an_origin_names_the_generation_the_credited_kinds_and_the_state() {
        let generator = test_support::generator();
        let (_, origin) = KeyProvenance::draw(&generator).expect("seeded");
        assert_eq!((origin.generation, origin.state), (1, Readiness::Ready));
        assert_eq!(origin.kinds, [Kind::OperatingSystem, Kind::CpuTiming], "and not `replay`");
        test_support::degrade(&generator);
        let (_, origin) = KeyProvenance::draw(&generator).expect("the grace period has begun");
        assert_eq!(origin.state, Readiness::Degraded);
    }

    #[test]
    fn every_kind_and_state_is_read_back() {
        for state in STATES {
            let origin = KeyProvenance { made_at: 1, generation: 2, state, kinds: KINDS.to_vec() };
            let mut writer = Writer::default();
            origin.write(&mut writer);
            let bytes = writer.finish();
            assert_eq!(KeyProvenance::read(&mut Reader::of(&bytes)), Ok(origin));
        }
        let unknown_state = [[0; 16].as_slice(), &[5, 0]].concat();
        assert_eq!(KeyProvenance::read(&mut Reader::of(&unknown_state)), Err(Malformed));
        let unknown_kind = [[0; 16].as_slice(), &[1, 1, 8]].concat();
        assert_eq!(KeyProvenance::read(&mut Reader::of(&unknown_kind)), Err(Malformed));
    }
}
