#![doc = include_str!("../README.md")]

mod conditioner;
mod drbg;
mod generator;
mod health;
mod pool;
mod sample;
mod secret;

// Secrets: zeroized on drop, never printed, compared in constant time.
pub use secret::{Locked, Plain, Secret, append_secret, on_scrubbed_stack, scrubbing_stack};

// Samples: raw bytes of a noise source.
pub use sample::{DELTA_BYTES, Frame, Kind, PixelFormat, Sample, Shape};

// Health: which samples are credited.
pub use health::adaptive::AdaptiveProportion;
pub use health::bytes::ByteTests;
pub use health::cutoff::{
    ALPHA_FAST, ALPHA_USUAL, Alpha, LEAST_H, START_UP_SYMBOLS, WINDOW, WINDOW_BINARY,
    adaptive_cutoff, adaptive_window, repetition_cutoff,
};
pub use health::finding::{Finding, HealthTest, Severity};
pub use health::frames::{FRAME_STEP, FrameTests, FramesConfig, H_PER_PIXEL};
pub use health::gate::{Admission, Gate, GateState};
pub use health::inspect::{Inspect, Inspection};
pub use health::jitter::JitterTests;
pub use health::limit::{Cutoff, HealthLimit, LimitRule};
pub use health::repetition::RepetitionCount;
pub use health::symbols::{EntropyClaim, SymbolTests};

// Conditioning and pooling: from samples to a seed.
pub use conditioner::{BLOCK_BYTES, BLOCK_CREDIT_BITS, Block, CREDIT_IN_BITS, Conditioner};
pub use pool::{FIRST_SEED_BITS, Pool, PoolMember, RESEED_BITS, Release, SEED_BYTES, Shortfall};

// The generator: from a seed to output, under a lease.
pub use drbg::{KEY_BYTES, MAX_ANSWER_BYTES};
pub use generator::lease::{Contribution, LeaseLimits, NotReady, Provenance, Quorum, Readiness};
pub use generator::selftest::{Primitives, SelfTestFailure, run_self_tests};
pub use generator::{Generator, Machine, OsFill};
