//! The generator's promises.
