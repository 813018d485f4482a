//! The messages of `v2.KeyManagementService` (k8s.io/kms, apis/v2/api.proto), by their numbers on the wire.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroize;

/// Asks for the state.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatusRequest {}

/// The state, and the id of the key that seals now.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatusResponse {
    #[prost(string, tag = "1")]
    pub(crate) version: String,
    /// `ok`, or why no key can be used.
    #[prost(string, tag = "2")]
    pub(crate) healthz: String,
    #[prost(string, tag = "3")]
    pub(crate) key_id: String,
}

/// A text to be sealed.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct EncryptRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) plaintext: Vec<u8>,
    /// The client's own name of the call, for its log.
    #[prost(string, tag = "2")]
    pub(crate) uid: String,
}

/// The sealed text.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EncryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) key_id: String,
    #[prost(btree_map = "string, bytes", tag = "3")]
    pub(crate) annotations: BTreeMap<String, Vec<u8>>,
}

/// A text to be opened, with all that was answered when it was sealed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DecryptRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) ciphertext: Vec<u8>,
    /// As in [`EncryptRequest`]: another one than there.
    #[prost(string, tag = "2")]
    pub(crate) uid: String,
    #[prost(string, tag = "3")]
    pub(crate) key_id: String,
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub(crate) annotations: BTreeMap<String, Vec<u8>>,
}

/// The opened text.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct DecryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) plaintext: Vec<u8>,
}

impl fmt::Debug for EncryptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptRequest({} bytes)", self.plaintext.len())
    }
}

impl fmt::Debug for DecryptResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptResponse({} bytes)", self.plaintext.len())
    }
}

impl Drop for EncryptRequest {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

impl Drop for DecryptResponse {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn each_field_has_its_number_on_the_wire() {
        let status =
            StatusResponse { version: "v".into(), healthz: "h".into(), key_id: "k".into() };
        assert_eq!(status.encode_to_vec(), b"\x0a\x01v\x12\x01h\x1a\x01k");
        let annotations = BTreeMap::from([("a.b".to_owned(), b"x".to_vec())]);
        let encrypted = EncryptResponse {
            ciphertext: b"c".into(),
            key_id: "k".into(),
            annotations: annotations.clone(),
        };
        assert_eq!(encrypted.encode_to_vec(), b"\x0a\x01c\x12\x01k\x1a\x08\x0a\x03a.b\x12\x01x");
        let asked = DecryptRequest {
            ciphertext: b"c".into(),
            uid: "u".into(),
            key_id: "k".into(),
            annotations,
        };
        let bytes = b"\x0a\x01c\x12\x01u\x1a\x01k\x22\x08\x0a\x03a.b\x12\x01x";
        assert_eq!(DecryptRequest::decode(bytes.as_slice()), Ok(asked));
        let asked = EncryptRequest::decode(b"\x0a\x01p\x12\x01u".as_slice()).expect("whole");
        assert_eq!((asked.plaintext.as_slice(), asked.uid.as_str()), (b"p".as_slice(), "u"));
        assert_eq!(DecryptResponse { plaintext: b"p".into() }.encode_to_vec(), b"\x0a\x01p");
        assert!(StatusRequest::decode(b"".as_slice()).is_ok());
    }

    #[test]
    fn a_plaintext_is_not_told() {
        let (plaintext, uid) = (b"canary".to_vec(), "uid".to_owned());
        let told = format!("{:?}", EncryptRequest { plaintext: plaintext.clone(), uid });
        assert_eq!(told, "EncryptRequest(6 bytes)");
        assert_eq!(format!("{:?}", DecryptResponse { plaintext }), "DecryptResponse(6 bytes)");
    }
}
