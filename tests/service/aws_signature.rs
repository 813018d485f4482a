//! A request to AWS KMS, signed by Signature Version 4.

use data_encoding::HEXLOWER;
use ring::{digest, hmac};

/// The headers that are signed.
const SIGNED: &str = "content-type;host;x-amz-date;x-amz-target";

/// A `POST` to `/`, of the media type `application/x-amz-json-1.1`.
pub(crate) struct AwsRequest<'a> {
    pub(crate) host: &'a str,
    /// As in `20261129T110000Z`.
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) target: &'a str,
    pub(crate) body: &'a str,
}

impl AwsRequest<'_> {
    /// The signature, in hexadecimal digits.
    pub(crate) fn signature(&self, secret: &str) -> String {
        let Self { host, date, target, body, .. } = self;
        let hash =
            |text: &str| HEXLOWER.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:{host}\nx-amz-date:{date}\n\
             x-amz-target:{target}\n\n{SIGNED}\n{}",
            hash(body)
        );
        let scope = self.scope();
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(&canonical));
        let mac = |key: &[u8], text: &str| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
        };
        let mut signing = format!("AWS4{secret}").into_bytes();
        for part in scope.split('/') {
            signing = mac(&signing, part);
        }
        HEXLOWER.encode(&mac(&signing, &text))
    }

    /// The value of `Authorization` with an access key's id and a signature.
    pub(crate) fn authorization(&self, id: &str, signature: &str) -> String {
        let scope = self.scope();
        format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={SIGNED}, Signature={signature}"
        )
    }

    fn scope(&self) -> String {
        format!("{}/{}/kms/aws4_request", &self.date[..8], self.region)
    }
}
