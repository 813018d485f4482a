//! For the fuzz target: what a request to open is answered, whatever its bytes are.

use std::sync::Arc;

use prost::Message;
use tokio::runtime::{Builder, Runtime};

use crate::caller::tenants::Tenants;
use crate::keyring::Keyring;
use crate::kms::kms_key::{KmsKey, SealedText};
use crate::kms::messages::DecryptRequest;
use lavawall_entropy::Generator;

/// A key of the operator's, without a socket.
pub struct KmsProbe {
    key: Arc<KmsKey>,
    runtime: Runtime,
}

impl KmsProbe {
    /// A key in this keyring.
    ///
    /// # Panics
    /// When the system gives no runtime.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>, generator: Arc<Generator>) -> Self {
        let tenants = Arc::new(Tenants::none());
        let key = Arc::new(KmsKey::new(Some(keyring), generator, tenants, None, "cluster"));
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        Self { key, runtime }
    }

    /// The bytes of a request that opens `text`.
    ///
    /// # Panics
    /// When it cannot be sealed.
    #[must_use]
    pub fn sealed(&self, text: &[u8]) -> Vec<u8> {
        let SealedText { sealed, key_id, annotations } =
            self.runtime.block_on(self.key.seal(text)).expect("the keyring is open");
        DecryptRequest { ciphertext: sealed, uid: "uid".into(), key_id, annotations }
            .encode_to_vec()
    }

    /// The text that a request opens.
    #[must_use]
    pub fn opened(&self, request: &[u8]) -> Option<Vec<u8>> {
        let DecryptRequest { ciphertext, key_id, annotations, .. } =
            DecryptRequest::decode(request).ok()?;
        let text = SealedText { sealed: ciphertext, key_id, annotations };
        self.runtime.block_on(self.key.open(&text)).ok().map(|text| text.to_vec())
    }
}
