//! One request on its way through a dialect, and the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::audit::Actor;
use crate::caller::Caller;
use crate::caller::tenant::Tenant;
use crate::http::app::App;
use crate::http::body::{AnswerPermit, Body};
use crate::http::body_reading::{self, BodyLimits, ReceivedBody};
use crate::http::listener::Ingress;
use crate::http::memory_budget::MemoryPermit;
use crate::http::refusal::Refusal;
use crate::kv::{KvError, Store};
use crate::net::activity::{Activity, Busy};
use lavawall_entropy::scrubbing_stack;

/// More than the calls of the store use of the stack, in bytes.
const STACK_BYTES: usize = 64 << 10;

/// Attempts to read something whose size changes in between. The second knows the size.
const READ_ATTEMPTS: usize = 8;

/// Why a read of limited size gives nothing.
pub(crate) enum ReadFailure {
    /// It needs this many bytes.
    Needs(usize),
    /// It is refused.
    Refused(Refusal),
}

impl From<Refusal> for ReadFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<KvError> for ReadFailure {
    fn from(error: KvError) -> Self {
        match error {
            KvError::NeedsMemory { bytes } => Self::Needs(bytes),
            error => Self::Refused(error.into()),
        }
    }
}

/// A request, its caller, and the service that answers. Borrows the service: an immediate answer
/// touches no reference count that threads share.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a Arc<App>,
    pub(crate) caller: Caller,
    pub(crate) request: Request<Incoming>,
    pub(crate) activity: &'a Arc<Activity>,
    /// How it came in.
    pub(crate) ingress: &'a Ingress,
    /// As the answer repeats it.
    pub(crate) id: &'a HeaderValue,
}

/// The tenant of a call that was identified only after its body had been received: an extension of the answer.
#[derive(Clone)]
pub(crate) struct IdentifiedLate(pub(crate) Arc<Tenant>);

/// The answer to a call, in most cases complete.
pub(crate) enum Reply {
    /// Complete.
    Now(Response<Body>),
    /// After some work.
    Later(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        app: &'a Arc<App>,
        activity: &'a Arc<Activity>,
        caller: Caller,
        request: Request<Incoming>,
        ingress: &'a Ingress,
        id: &'a HeaderValue,
    ) -> Self {
        Self { app, caller, request, activity, ingress, id }
    }

    /// The path.
    pub(crate) fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// The query, empty if there is none.
    pub(crate) fn query(&self) -> &str {
        self.request.uri().query().unwrap_or_default()
    }

    /// The call for an answer that takes time. Until it is dropped the client waits for the service.
    pub(crate) fn into_owned(self) -> OwnedCall {
        OwnedCall {
            app: Arc::clone(self.app),
            caller: self.caller,
            request: self.request,
            activity: Arc::clone(self.activity),
            id: self.id.clone(),
            _busy: Activity::busy(self.activity),
        }
    }
}

impl Reply {
    /// An answer that takes time.
    pub(crate) fn later(work: impl Future<Output = Response<Body>> + Send + 'static) -> Self {
        Self::Later(Box::pin(work))
    }
}

/// As [`Call`], for an answer that takes time.
pub(crate) struct OwnedCall {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Caller,
    pub(crate) request: Request<Incoming>,
    pub(crate) activity: Arc<Activity>,
    /// As the answer repeats it.
    pub(crate) id: HeaderValue,
    _busy: Busy,
}

impl OwnedCall {
    /// The query, empty if there is none.
    pub(crate) fn query(&self) -> &str {
        self.request.uri().query().unwrap_or_default()
    }

    /// Receives a body.
    pub(crate) async fn receive(&mut self, limits: BodyLimits) -> Result<ReceivedBody, Refusal> {
        self.app.bodies.receive(&self.app.memory, &mut self.request, limits).await
    }

    /// The permit of an answer that is held in memory taken before.
    pub(crate) fn answer_permit(&self, memory: MemoryPermit) -> AnswerPermit {
        AnswerPermit { memory, paced: Arc::clone(&self.activity.paced) }
    }

    /// Receives a body of JSON of at most `limit` bytes.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, Refusal> {
        self.app.bodies.json(&self.app.memory, &mut self.request, limit).await
    }

    /// Reads the store on a thread that may wait for a disk. No reader waits for a writer.
    pub(crate) async fn on_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = Arc::clone(self.app.store()?);
        on_thread(move || work(&store)).await
    }

    /// As [`Self::on_store`], for an answer of any size. `read` gets the bytes that it may use: `bytes` at
    /// first, and what it asks for from then on. Returns the permit for them.
    pub(crate) async fn read_within<T: Send + 'static>(
        &self,
        mut bytes: usize,
        read: impl Fn(&Store, usize) -> Result<T, ReadFailure> + Send + Sync + 'static,
    ) -> Result<(T, AnswerPermit), Refusal> {
        let read = Arc::new(read);
        for _ in 0..READ_ATTEMPTS {
            let permit = self.app.memory.take(bytes).await?;
            let (store, read) = (Arc::clone(self.app.store()?), Arc::clone(&read));
            match on_thread(move || Ok(read(&store, permit.bytes()).map(|it| (it, permit)))).await?
            {
                Ok((done, memory)) => {
                    let paced = Arc::clone(&self.activity.paced);
                    return Ok((done, AnswerPermit { memory, paced }));
                }
                Err(ReadFailure::Refused(refusal)) => return Err(refusal),
                Err(ReadFailure::Needs(needed)) => bytes = needed,
            }
        }
        Err(Refusal::unavailable("what was asked for changes too often, try later"))
    }

    /// Changes the store on a thread that may wait for a disk.
    pub(crate) async fn change_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.act_on_store(move |store, _| work(store)).await
    }

    /// As [`Self::change_store`], for key operations: the audit log names the caller.
    pub(crate) async fn act_on_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, &Actor) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = Arc::clone(&self.app.writers).acquire_owned();
        let Ok(Ok(turn)) = timeout(self.app.idle_timeout, turn).await else {
            return Err(Refusal::unavailable("too much is being written at once, try later"));
        };
        // The thread goes on when the caller is gone: it keeps the turn.
        self.operate(move |store, actor| {
            let _turn = turn;
            work(store, actor)
        })
        .await
    }

    /// As [`Self::act_on_store`], for the operator: does not wait for those who write records.
    pub(crate) async fn operate<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, &Actor) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = Arc::clone(self.app.store()?);
        let actor = Actor::named(self.caller.to_string());
        on_thread(move || work(&store, &actor)).await
    }

    /// Ends the call: reads the rest of a body that was not needed, or was refused.
    pub(crate) async fn finish(mut self, response: Response<Body>) -> Response<Body> {
        if !body_reading::discard(&mut self.request).await {
            self.activity.still_sends();
        }
        response
    }
}

/// Runs `work` on a thread that may wait, and not on the one that serves others.
pub(crate) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let scrubbed = move || on_scrubbed(work);
    tokio::task::spawn_blocking(scrubbed).await.unwrap_or_else(|_| Err(Refusal::internal()))
}

/// Runs `work`, which waits for nothing and is short, and overwrites the stack that it used: ciphers and parsers
/// leave blocks of text there.
pub(crate) fn on_scrubbed<T>(work: impl FnOnce() -> T) -> T {
    scrubbing_stack::<STACK_BYTES, _>(work)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::hint::black_box;
    use std::os::unix::fs::FileExt;

    use super::*;

    const LEFT: [u8; 12 << 10] = [0x3c; 12 << 10];

    /// Leaves bytes on the stack, 16 KiB below the caller; returns their address.
    #[inline(never)]
    fn leave_below() -> usize {
        let gap = [0_u8; 16 << 10];
        black_box(&gap);
        let place = leave();
        black_box(&gap);
        place
    }

    #[inline(never)]
    fn leave() -> usize {
        let left = LEFT;
        black_box(&left).as_ptr().addr()
    }

    #[test]
    fn what_work_leaves_on_the_stack_of_its_thread_is_overwritten() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let place = runtime.block_on(on_thread(|| Ok(leave_below())));
        // The thread waits for more work, and its stack is there.
        check_overwritten(place.expect("no refusal"));
    }

    #[test]
    fn what_short_work_leaves_on_the_stack_is_overwritten() {
        check_overwritten(on_scrubbed(leave_below));
    }

    fn check_overwritten(place: usize) {
        let memory = File::open("/proc/self/mem").expect("proc is mounted");
        let mut seen = LEFT;
        memory.read_exact_at(&mut seen, place as u64).expect("the stack is mapped");
        let left: usize = seen.iter().map(|byte| usize::from(*byte == LEFT[0])).sum();
        assert!(left < 16, "{left} bytes are left");
    }
}
