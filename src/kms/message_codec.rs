//! The codec of the messages, with buffers of their size.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Bytes that a buffer begins with: a message of kube-apiserver has some 500. The 8 KiB of the library for each
/// request and each answer made the allocator take pages from the kernel in a burst, and give them back after it.
const BUFFER_BYTES: usize = 1 << 10;

/// Encodes `A` and decodes `Q`.
pub(crate) struct MessageCodec<A, Q>(PhantomData<(A, Q)>);

impl<A, Q> MessageCodec<A, Q> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<A, Q> Codec for MessageCodec<A, Q>
where
    A: Message + Send + 'static,
    Q: Message + Default + Send + 'static,
{
    type Encode = A;
    type Decode = Q;
    type Encoder = ProstEncoder<A>;
    type Decoder = ProstDecoder<Q>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<A, Q>::raw_encoder(BufferSettings::new(BUFFER_BYTES, BUFFER_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<A, Q>::raw_decoder(BufferSettings::new(BUFFER_BYTES, BUFFER_BYTES))
    }
}
