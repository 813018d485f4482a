//! What the keyring and the store both build on: AEAD, codec, key material.

pub mod aead;
pub mod codec;
pub mod key_material;
