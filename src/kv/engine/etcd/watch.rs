//! The watch of etcd: one stream of events, taken up again at its revision over another member when it ends or
//! hangs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use etcd_client::{Client, Event, WatchOptions};
use tokio::sync::{Notify, mpsc};

use super::layout::Layout;
use super::members::{Members, TRY, revision_of};
use crate::kv::engine::shared_storage::{Revision, RowChange, Watch, WatchError};
use crate::kv::engine::storage::{StorageAccess, StorageError};

/// The longest wait for changes that etcd has.
const DEADLINE: Duration = Duration::from_secs(2);

/// A stream that lacks them after this time is taken up over another member.
const HANGS: Duration = Duration::from_millis(300);

/// A pause before a stream is taken up again.
const PAUSE: Duration = Duration::from_millis(50);

/// The largest answer in bytes: the changes of one commit, such as the end of a namespace, come in one.
const ANSWER_MOST: usize = 128 << 20;

/// Answers that wait for the node. More wait in etcd.
const QUEUED: usize = 256;

/// A watch, and the task that reads its stream.
pub(super) struct EtcdWatch {
    members: Arc<Members>,
    layout: Layout,
    answers: mpsc::Receiver<Answer>,
    /// Tells the task that its stream hangs.
    hangs: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
    /// Every change up to this revision was received.
    received: Revision,
    /// Those that were not returned.
    changes: Vec<RowChange>,
}

/// Events of whole commits.
enum Answer {
    Events(Vec<Event>),
    /// etcd no longer keeps the next ones.
    Compacted,
}

impl EtcdWatch {
    pub(super) fn start(members: Arc<Members>, layout: Layout, after: Revision) -> Self {
        let (sender, answers) = mpsc::channel(QUEUED);
        let hangs = Arc::new(Notify::new());
        let task = read(Arc::clone(&members), layout.clone(), after, sender, Arc::clone(&hangs));
        let task = members.runtime().spawn(task);
        Self { members, layout, answers, hangs, task, received: after, changes: Vec::new() }
    }

    fn take(&mut self, events: &[Event]) {
        for event in events {
            let Some(after) = event.kv() else { continue };
            let revision = revision_of(after.mod_revision());
            self.received = self.received.max(revision);
            let Some((table, key)) = self.layout.watched_row(after.key()) else { continue };
            let is_deleted = after.version() == 0;
            self.changes.push(RowChange {
                revision,
                table,
                key: key.to_vec(),
                before: event.prev_kv().map(|before| before.value().to_vec()),
                after: (!is_deleted).then(|| after.value().to_vec()),
            });
        }
    }
}

impl Watch for EtcdWatch {
    fn until(&mut self, revision: Revision) -> Result<Vec<RowChange>, WatchError> {
        let started = Instant::now();
        let error = |reason: &str| {
            let reason = format!("etcd: {reason}");
            StorageError { what: StorageAccess::Read, reason }
        };
        loop {
            // What has come already, also of later commits.
            let next = match self.answers.try_recv() {
                Ok(answer) => Some(answer),
                Err(_) if self.received >= revision => break,
                Err(_) => {
                    let answers = &mut self.answers;
                    let next = async { tokio::time::timeout(HANGS, answers.recv()).await };
                    self.members.runtime().block_on(next).ok().flatten()
                }
            };
            match next {
                Some(Answer::Events(events)) => self.take(&events),
                Some(Answer::Compacted) => {
                    let reason = "it no longer keeps the changes that this node has not seen";
                    return Err(WatchError::Lost(error(reason)));
                }
                None if started.elapsed() < DEADLINE => self.hangs.notify_one(),
                None => return Err(WatchError::Away(error("changes do not come"))),
            }
        }
        Ok(std::mem::take(&mut self.changes))
    }
}

impl Drop for EtcdWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads events until nobody receives them.
async fn read(
    members: Arc<Members>,
    layout: Layout,
    mut after: Revision,
    sender: mpsc::Sender<Answer>,
    hangs: Arc<Notify>,
) {
    loop {
        let (number, client) = members.current();
        let stream = read_stream(client, &layout, &mut after, &sender);
        let ended = tokio::select! {
            ended = stream => ended,
            () = hangs.notified() => End::Again,
        };
        match ended {
            End::Done => return,
            End::Again => members.leave(number),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why a stream is read no more.
enum End {
    /// Nobody receives, or nothing more can be received.
    Done,
    /// It is to be taken up again.
    Again,
}

async fn read_stream(
    client: Client,
    layout: &Layout,
    after: &mut Revision,
    sender: &mpsc::Sender<Answer>,
) -> End {
    let from = i64::try_from(after.0).unwrap_or(i64::MAX).saturating_add(1);
    let options = WatchOptions::new().with_prefix().with_prev_key().with_start_revision(from);
    let mut client = client.watch_client().max_decoding_message_size(ANSWER_MOST);
    let opened = tokio::time::timeout(TRY, client.watch(layout.watched(), Some(options)));
    let Ok(Ok(mut stream)) = opened.await else { return End::Again };
    loop {
        let Ok(Some(answer)) = stream.message().await else { return End::Again };
        if answer.compact_revision() > 0 {
            // A receiver that is gone needs no answer.
            let _ = sender.send(Answer::Compacted).await;
            return End::Done;
        }
        if answer.canceled() {
            return End::Again;
        }
        let last =
            answer.events().iter().filter_map(|event| Some(event.kv()?.mod_revision())).max();
        if let Some(last) = last {
            if sender.send(Answer::Events(answer.events().to_vec())).await.is_err() {
                return End::Done;
            }
            *after = revision_of(last);
        }
    }
}
