//! A client of Kubernetes KMS v2, as kube-apiserver has one: gRPC over one connection to a unix socket.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use prost::Message;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

/// What a call may take before a test fails.
const PATIENCE: Duration = Duration::from_mins(1);

// The messages of k8s.io/kms, apis/v2/api.proto.

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StatusRequest {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StatusResponse {
    #[prost(string, tag = "1")]
    pub(crate) version: String,
    #[prost(string, tag = "2")]
    pub(crate) healthz: String,
    #[prost(string, tag = "3")]
    pub(crate) key_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EncryptRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) plaintext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) uid: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EncryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) key_id: String,
    #[prost(btree_map = "string, bytes", tag = "3")]
    pub(crate) annotations: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DecryptRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) uid: String,
    #[prost(string, tag = "3")]
    pub(crate) key_id: String,
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub(crate) annotations: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DecryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) plaintext: Vec<u8>,
}

impl EncryptResponse {
    /// What opens it again.
    pub(crate) fn into_request(self) -> DecryptRequest {
        let Self { ciphertext, key_id, annotations } = self;
        DecryptRequest { ciphertext, uid: "another".into(), key_id, annotations }
    }
}

/// A refusal: its code (gRPC, doc/statuscodes.md) and message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: u32,
    pub(crate) message: String,
}

/// One connection.
pub(crate) struct KmsClient {
    runtime: Runtime,
    send: SendRequest<Bytes>,
}

impl KmsClient {
    /// Connects to a socket.
    pub(crate) fn connect(path: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let send = runtime.block_on(async {
            let stream = UnixStream::connect(path).await.expect("a connection");
            // Answers are small frames, and many of them wait to be read in a burst.
            let mut client = h2::client::Builder::new();
            client.data_frame_budget(1 << 20).initial_connection_window_size(1 << 20);
            let (send, connection) = client.handshake(stream).await.expect("HTTP/2");
            // A connection that the service closes fails the next call.
            tokio::spawn(async move { drop(connection.await) });
            send
        });
        Self { runtime, send }
    }

    /// Makes a call; gives its answer or its refusal. `None` when the connection is gone.
    pub(crate) fn try_call<A: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Option<Result<A, Refused>> {
        let send = self.send.clone();
        let call = async { tokio::time::timeout(PATIENCE, call(send, method, request)).await };
        let answer = self.runtime.block_on(call).expect("an answer in time").ok()?;
        Some(answer.map(|bytes| A::decode(bytes).expect("the message")))
    }

    /// Makes a call over a connection that is there.
    pub(crate) fn call<A: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Result<A, Refused> {
        self.try_call(method, request).expect("a connection")
    }

    pub(crate) fn status(&self) -> StatusResponse {
        self.call("Status", &StatusRequest {}).expect("the state")
    }

    pub(crate) fn encrypt(&self, text: &[u8]) -> Result<EncryptResponse, Refused> {
        self.call("Encrypt", &EncryptRequest { plaintext: text.into(), uid: "one".into() })
    }

    pub(crate) fn decrypt(&self, request: &DecryptRequest) -> Result<Vec<u8>, Refused> {
        self.call::<DecryptResponse>("Decrypt", request).map(|answer| answer.plaintext)
    }

    /// Begins a call and sends no message; gives its refusal.
    pub(crate) fn half(&self, method: &str) -> Option<Refused> {
        let send = self.send.clone();
        let call = async {
            let mut send = send.ready().await.expect("a connection");
            let (answer, _stream) = send.send_request(head(method), false).expect("sent");
            let answer = tokio::time::timeout(PATIENCE, answer).await.expect("in time");
            refusal(answer.expect("an answer").headers())
        };
        self.runtime.block_on(call)
    }

    /// Makes calls at once; gives the time of each from the begin of all, and its answer.
    pub(crate) fn at_once(
        &self,
        method: &str,
        requests: &[impl Message],
    ) -> Vec<(Duration, Result<Bytes, Refused>)> {
        self.at_once_after(method, requests, || {})
    }

    /// As [`Self::at_once`]; does `work` when the calls are sent, before an answer is read.
    pub(crate) fn at_once_after(
        &self,
        method: &str,
        requests: &[impl Message],
        work: impl FnOnce(),
    ) -> Vec<(Duration, Result<Bytes, Refused>)> {
        self.runtime.block_on(async {
            let begin = Instant::now();
            let calls = requests.iter().map(|request| {
                let (send, method, body) = (self.send.clone(), method.to_owned(), framed(request));
                tokio::spawn(async move {
                    let answer = call_with(send, &method, body).await.expect("a connection");
                    (begin.elapsed(), answer)
                })
            });
            let calls: Vec<_> = calls.collect();
            // Each of them, and the connection, has its turns until nothing is left to send.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            work();
            let mut answers = Vec::with_capacity(calls.len());
            for call in calls {
                answers.push(call.await.expect("no panic"));
            }
            answers
        })
    }
}

/// A message as gRPC frames it: no compression, four bytes of length.
fn framed(message: &impl Message) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(u32::try_from(message.encoded_len()).expect("short"));
    message.encode(&mut body).expect("room");
    body.freeze()
}

fn head(method: &str) -> hyper::Request<()> {
    hyper::Request::post(format!("http://localhost/v2.KeyManagementService/{method}"))
        .version(hyper::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("a request")
}

async fn call(
    send: SendRequest<Bytes>,
    method: &str,
    request: &impl Message,
) -> Result<Result<Bytes, Refused>, h2::Error> {
    call_with(send, method, framed(request)).await
}

/// Makes a call; an error is that of the connection.
async fn call_with(
    send: SendRequest<Bytes>,
    method: &str,
    body: Bytes,
) -> Result<Result<Bytes, Refused>, h2::Error> {
    let mut send = send.ready().await?;
    let (answer, mut stream) = send.send_request(head(method), false)?;
    stream.reserve_capacity(body.len());
    let mut body = body;
    while !body.is_empty() {
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(Ok(room)) = room else { break };
        let piece = body.split_to(room.min(body.len()));
        stream.send_data(piece, body.is_empty())?;
    }
    let (head, mut received) = answer.await?.into_parts();
    assert_eq!(head.status, 200, "gRPC says it in trailers");
    if let Some(refused) = refusal(&head.headers) {
        return Ok(Err(refused));
    }
    let mut answer = BytesMut::new();
    while let Some(piece) = received.data().await {
        let piece = piece?;
        received.flow_control().release_capacity(piece.len())?;
        answer.extend_from_slice(&piece);
    }
    let trailers = received.trailers().await?.expect("trailers");
    if let Some(refused) = refusal(&trailers) {
        return Ok(Err(refused));
    }
    assert_eq!(trailers["grpc-status"], "0");
    let message = answer.split_off(5);
    assert_eq!(answer[0], 0, "no compression");
    assert_eq!(answer[1..], u32::try_from(message.len()).expect("short").to_be_bytes());
    Ok(Ok(message.freeze()))
}

fn refusal(headers: &hyper::HeaderMap) -> Option<Refused> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().expect("text"));
    let code = text("grpc-status")?.parse().expect("a code");
    let message = percent_encoding::percent_decode_str(text("grpc-message").unwrap_or_default());
    let message = message.decode_utf8().expect("text").into_owned();
    (code != 0).then_some(Refused { code, message })
}
