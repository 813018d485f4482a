//! The seeds of all services that answered, hashed together.
//!
//! ```text
//! mix = SHA-512("lavawall v1 seed mix" ‖ kernel ‖ len(part) ‖ part for name and seed of each service)
//! ```
//! `kernel` is 64 bytes that the kernel gives at once, and a length has 8 bytes, big-endian. As long as one
//! seed, or the kernel's bytes, cannot be predicted, neither can the mix: each seed is sealed to this command,
//! so that no service could choose its own after it has seen another.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::cli::seed::seed_request::{PreparedRequest, SeedFault};
use crate::cli::seed::seed_servers::SeedServers;
use crate::crypto::label;
use crate::machine::kernel_pool::{self, MIX_BYTES};

/// The seed of a service, by its name.
type NamedSeed = (String, Zeroizing<Vec<u8>>);

/// What came of asking all services.
pub(crate) struct Collected {
    /// In the order of the file.
    seeds: Vec<NamedSeed>,
    /// The services without a seed, and why.
    pub(crate) faults: Vec<ServerFault>,
}

/// A service without a seed.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {fault}")]
pub(crate) struct ServerFault {
    name: String,
    fault: SeedFault,
}

/// Fewer services answered than are needed.
#[derive(Debug)]
pub(crate) struct TooFew {
    need: usize,
    got: usize,
    faults: Vec<ServerFault>,
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} services must give a seed, and {} did", self.need, self.got)?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl Collected {
    /// Asks all services at once, and waits for each until the timeout: a few that are fast, and in an
    /// attacker's hands, do not keep the others out.
    ///
    /// # Errors
    /// When fewer than `need` gave a seed.
    pub(crate) fn of(
        servers: &SeedServers,
        request: PreparedRequest,
        need: usize,
    ) -> Result<Self, TooFew> {
        let end = Instant::now() + servers.timeout();
        let request = Arc::new(request);
        let (answered, answers) = mpsc::channel();
        let count = servers.servers.len();
        let late = || Err(SeedFault::Late(servers.timeout().as_secs()));
        let mut results: Vec<_> = (0..count).map(|_| late()).collect();
        let mut missing = count;
        for (number, server) in servers.servers.iter().enumerate() {
            let (request, server, answered) =
                (Arc::clone(&request), server.clone(), answered.clone());
            // One that is late is left behind, and ends with the process.
            let spawned = thread::Builder::new().name(format!("seed {number}")).spawn(move || {
                // Too late for a collector that waits no longer.
                let _ = answered.send((number, request.ask(&server)));
            });
            if let Err(error) = spawned {
                results[number] = Err(SeedFault::Thread(error));
                missing -= 1;
            }
        }
        while missing > 0 {
            let left = end.saturating_duration_since(Instant::now());
            let Ok((number, result)) = answers.recv_timeout(left) else { break };
            results[number] = result;
            missing -= 1;
        }
        let (mut seeds, mut faults) = (Vec::new(), Vec::new());
        for (server, result) in servers.servers.iter().zip(results) {
            let name = server.name.clone();
            match result {
                Ok(seed) => seeds.push((name, seed)),
                Err(fault) => faults.push(ServerFault { name, fault }),
            }
        }
        if seeds.len() < need {
            return Err(TooFew { need, got: seeds.len(), faults });
        }
        Ok(Self { seeds, faults })
    }

    /// The mix of all seeds with bytes of the kernel.
    ///
    /// # Errors
    /// When the kernel gives none.
    pub(crate) fn mixed(&self) -> std::io::Result<Zeroizing<[u8; MIX_BYTES]>> {
        let mut kernel = Zeroizing::new([0; 64]);
        kernel_pool::read_at_once(kernel.as_mut_slice())?;
        Ok(mix(&kernel, &self.seeds))
    }
}

fn mix(kernel: &[u8; 64], seeds: &[NamedSeed]) -> Zeroizing<[u8; MIX_BYTES]> {
    let mut hash = Sha512::new().chain_update(label::SEED_MIX).chain_update(kernel);
    for part in seeds.iter().flat_map(|(name, seed)| [name.as_bytes(), seed.as_slice()]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut mixed = Zeroizing::new([0; MIX_BYTES]);
    hash.finalize_into((&mut *mixed).into());
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds(bytes: [u8; 3]) -> Vec<NamedSeed> {
        let names = ["a", "b", "c"].into_iter().zip(bytes);
        names.map(|(name, byte)| (name.to_owned(), Zeroizing::new(vec![byte; 64]))).collect()
    }

    #[test]
    fn the_mix_depends_on_every_seed_and_on_the_kernel() {
        let kernel = [0; 64];
        let all = mix(&kernel, &seeds([1, 2, 3]));
        for changed in [[9, 2, 3], [1, 9, 3], [1, 2, 9]] {
            assert_ne!(mix(&kernel, &seeds(changed)), all, "one honest service is enough");
        }
        assert_ne!(mix(&[1; 64], &seeds([1, 2, 3])), all, "the kernel is enough");
        assert_ne!(mix(&kernel, &seeds([1, 2, 3])[..2]), all);
        // Equal seeds do not cancel each other out.
        assert_ne!(mix(&kernel, &seeds([1, 1, 2])), mix(&kernel, &seeds([3, 3, 2])));
    }

    #[test]
    fn where_one_part_ends_is_hashed() {
        let of = |name: &str, seed: &[u8]| {
            mix(&[0; 64], &[(name.to_owned(), Zeroizing::new(seed.to_vec()))])
        };
        assert_ne!(of("ab", b"c"), of("a", b"bc"));
    }
}
