#![doc = include_str!("../README.md")]

mod assessment;
mod bisection;
mod bound;
mod collision;
mod compression;
mod conditioning;
mod contexts;
mod estimator;
mod iid;
mod lag;
mod lz78y;
mod markov;
mod most_common;
mod multi_mcw;
mod multi_mmc;
mod parallel;
mod prediction;
mod restart;
mod samples;
mod table;
mod tuples;
mod work;

// Samples: what every test takes.
pub use samples::{LEAST_SAMPLES, MOST_BITS, Samples, SamplesError, WANTED_SAMPLES};

// Min-entropy by the ten estimators of §6.3.
pub use assessment::{Assessment, Estimate, assess};
pub use estimator::Estimator;

// Tests for independent and identically distributed samples (§5).
pub use iid::{
    ChiSquare, IidTests, IidVerdict, PermutationCounts, PermutationStatistic, SHUFFLE_SEED_BYTES,
    test_iid,
};

// Restart tests (§3.1.4).
pub use restart::{RESTART_MATRIX_SIDE, RestartError, RestartTests, test_restarts};

// The output entropy of a conditioning component (§3.1.5).
pub use conditioning::{ConditioningComponent, OutputEntropy};

#[cfg(test)]
mod tests;
