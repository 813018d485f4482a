//! The three calls of `v2.KeyManagementService`: Status, Encrypt and Decrypt.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use prost::Message;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic::server::{Grpc, UnaryService};

use crate::kms::kms_key::{KmsKey, SealedText};
use crate::kms::message_codec::MessageCodec;
use crate::kms::messages::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};
use crate::net::activity::Activity;

/// The version of the interface.
const VERSION: &str = "v2";

/// The state of a key that can be used.
const HEALTHY: &str = "ok";

/// The most bytes of a request: a sealed text and a key id of 1 KiB each, the annotations, which are a few
/// hundred, and a `uid`.
const MESSAGE_MOST: usize = 8 << 10;

/// How long a client may take for a request, and the service for the answer. kube-apiserver waits for 3 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The calls over one connection.
#[derive(Clone)]
pub(crate) struct KmsCalls {
    pub(crate) key: Arc<KmsKey>,
    pub(crate) activity: Arc<Activity>,
}

impl KmsCalls {
    /// The answer to a request.
    pub(crate) async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let answer = async move {
            match path.strip_prefix("/v2.KeyManagementService/") {
                Some("Status") => self.unary::<StatusRequest>(request).await,
                Some("Encrypt") => self.unary::<EncryptRequest>(request).await,
                Some("Decrypt") => self.unary::<DecryptRequest>(request).await,
                _ => Status::unimplemented("there is no such call").into_http(),
            }
        };
        timeout(CALL_TIMEOUT, answer).await.unwrap_or_else(|_| {
            Status::deadline_exceeded("the request or its answer took too long").into_http()
        })
    }

    async fn unary<Q>(self, request: Request<Incoming>) -> Response<Body>
    where
        Q: Message + Default + Send + 'static,
        Self: UnaryService<Q, Response: Message + Send + 'static>,
    {
        let codec = MessageCodec::<<Self as UnaryService<Q>>::Response, Q>::new();
        Grpc::new(codec).max_decoding_message_size(MESSAGE_MOST).unary(self, request).await
    }

    /// Does `work` while the client waits for the service.
    fn during<A, F>(&self, work: impl FnOnce(Arc<KmsKey>) -> F) -> Pending<A>
    where
        F: Future<Output = Result<A, Status>> + Send + 'static,
    {
        let busy = Activity::busy(&self.activity);
        let work = work(Arc::clone(&self.key));
        Box::pin(async move {
            let _busy = busy;
            work.await.map(tonic::Response::new)
        })
    }
}

/// An answer to come.
type Pending<A> = Pin<Box<dyn Future<Output = Result<tonic::Response<A>, Status>> + Send>>;

impl UnaryService<StatusRequest> for KmsCalls {
    type Response = StatusResponse;
    type Future = Pending<StatusResponse>;

    fn call(&mut self, _: tonic::Request<StatusRequest>) -> Self::Future {
        self.during(|key| async move {
            let state = key.state().await;
            let healthz = state.usable.map_or_else(|fault| fault.to_string(), |()| HEALTHY.into());
            Ok(StatusResponse { version: VERSION.into(), healthz, key_id: state.key_id })
        })
    }
}

impl UnaryService<EncryptRequest> for KmsCalls {
    type Response = EncryptResponse;
    type Future = Pending<EncryptResponse>;

    fn call(&mut self, request: tonic::Request<EncryptRequest>) -> Self::Future {
        self.during(|key| async move {
            let SealedText { sealed, key_id, annotations } =
                key.seal(&request.get_ref().plaintext).await?;
            Ok(EncryptResponse { ciphertext: sealed, key_id, annotations })
        })
    }
}

impl UnaryService<DecryptRequest> for KmsCalls {
    type Response = DecryptResponse;
    type Future = Pending<DecryptResponse>;

    fn call(&mut self, request: tonic::Request<DecryptRequest>) -> Self::Future {
        self.during(|key| async move {
            let DecryptRequest { ciphertext, key_id, annotations, .. } = request.into_inner();
            let mut text =
                key.open(&SealedText { sealed: ciphertext, key_id, annotations }).await?;
            Ok(DecryptResponse { plaintext: std::mem::take(&mut *text) })
        })
    }
}
