//! Rows in etcd, which replicates them: any minority of its members can be away.
//!
//! ```text
//! prefix v/ key              a value's row, or where its pieces are
//! prefix p/ key / id number  pieces of a long row: etcd takes requests of at most 1.5 MiB
//! prefix i/ e|s|m key        a row of the other tables, which every node watches
//! prefix i/ c node           written by each commit of a node: the last one shows at what revision it was
//! ```
//! Nothing is decided by etcd's clock: there are no leases.

mod layout;
mod members;
mod pieces;
mod watch;

use std::sync::Arc;

use etcd_client::{
    Compare, CompareOp, DeleteOptions, GetOptions, KeyValue, ResponseHeader, Txn, TxnOp,
};

use crate::kv::engine::shared_storage::{
    CommitLimits, CommitOutcome, Expectation, Revision, RevisionSnapshot, SharedStorage, Watch,
};
use crate::kv::engine::storage::{
    Change, Changes, ROW_MOST, Row, RowWithin, Snapshot, Storage, StorageError, StorageSize, Table,
};
use crate::kv::etcd_config::EtcdConfig;
use layout::Layout;
use members::{Members, revision_of};
use pieces::Pieces;

/// Records of one commit: each takes two rows and two ranges of old pieces, and etcd takes 128 operations.
const COMMIT_RECORDS: usize = 24;

/// Bytes of the rows of one commit, below etcd's 1.5 MiB.
const COMMIT_BYTES: usize = 1 << 20;

/// Rows that one request reads: at their largest they are 2 MiB, and answers of up to 4 MiB are taken.
const PAGE: usize = 1000;

/// Keeps rows in etcd.
pub(crate) struct EtcdStorage {
    members: Arc<Members>,
    layout: Layout,
    /// The key that each commit of this node writes.
    own: Vec<u8>,
}

impl EtcdStorage {
    /// Keeps rows in the etcd of this configuration, for the node of this number. Nothing is connected before the
    /// first use.
    ///
    /// # Errors
    /// When an endpoint, or a file of TLS, is not valid; or the system gives no thread.
    pub(crate) fn new(config: &EtcdConfig, node: u16) -> Result<Self, String> {
        let layout = Layout::below(&config.prefix);
        let own = layout.node(node);
        Ok(Self { members: Arc::new(Members::new(config)?), layout, own })
    }

    /// A row of a table, at a revision or at the last one.
    fn read(
        &self,
        table: Table,
        key: &[u8],
        at: Option<Revision>,
        most: usize,
    ) -> Result<Option<RowWithin>, StorageError> {
        let place = self.layout.row(table, key);
        let found = self.members.read(async |client| {
            let answer = client.kv_client().get(place.clone(), Some(options(at))).await?;
            let revision = answer.header().map_or(0, ResponseHeader::revision);
            Ok(answer.kvs().first().map(|found| (found.value().to_vec(), revision)))
        })?;
        let Some((row, revision)) = found else { return Ok(None) };
        if table != Table::Values {
            return Ok(Some(RowWithin::checked(row, most)));
        }
        // Pieces at the revision at which the row was read: a later commit removes them.
        let at = at.unwrap_or(revision_of(revision));
        match Pieces::parse(&row) {
            None => Ok(row.get(1..).map(|row| RowWithin::copied(row, most))),
            // Nobody wrote such a row: it does not open.
            Some(pieces) if pieces.bytes > ROW_MOST => Ok(Some(RowWithin::checked(row, most))),
            Some(pieces) if pieces.bytes > most => Ok(Some(RowWithin::Longer(pieces.bytes))),
            Some(pieces) => self.read_pieces(key, &pieces, at).map(|row| Some(RowWithin::Row(row))),
        }
    }

    /// A row from its pieces. When some are missing, the rest, which does not open.
    fn read_pieces(
        &self,
        key: &[u8],
        pieces: &Pieces,
        at: Revision,
    ) -> Result<Vec<u8>, StorageError> {
        let mut row = Vec::new();
        for number in 0..pieces.count() {
            let place = self.layout.piece(key, &pieces.id, number);
            let piece = self.members.read(async |client| {
                let answer = client.kv_client().get(place.clone(), Some(options(Some(at)))).await?;
                Ok(answer.kvs().first().map(|found| found.value().to_vec()))
            })?;
            let Some(piece) = piece else { break };
            row.extend(piece);
        }
        Ok(row)
    }

    fn scan_at(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        at: Option<Revision>,
    ) -> Result<Vec<Row>, StorageError> {
        let end = layout::end_of(&self.layout.row(table, prefix));
        let mut from = match after {
            Some(after) if after >= prefix => layout::next(&self.layout.row(table, after)),
            _ => self.layout.row(table, prefix),
        };
        let mut rows = Vec::new();
        while rows.len() < limit && from < end {
            let page = PAGE.min(limit - rows.len());
            let found = self.members.read(async |client| {
                let most = i64::try_from(page).unwrap_or(i64::MAX);
                let options = options(at).with_range(end.clone()).with_limit(most);
                let options =
                    if table == Table::Values { options.with_keys_only() } else { options };
                Ok(client.kv_client().get(from.clone(), Some(options)).await?.take_kvs())
            })?;
            let is_last = found.len() < page;
            for found in found {
                let (place, row) = found.into_key_value();
                let key = self.layout.key(table, &place).to_vec();
                let row = if table == Table::Values {
                    let row = self.read(table, &key, at, usize::MAX)?;
                    row.and_then(RowWithin::row).unwrap_or_default()
                } else {
                    row
                };
                from = layout::next(&place);
                rows.push((key, row));
            }
            if is_last {
                break;
            }
        }
        Ok(rows)
    }

    /// The operations that make a change. The pieces of a long row are written first.
    fn operations(&self, change: Change) -> Result<Vec<TxnOp>, StorageError> {
        Ok(match change {
            Change::Put(Table::Values, key, row) => {
                let place = self.layout.row(Table::Values, &key);
                if row.len() <= pieces::PIECE_BYTES {
                    let old = self.layout.pieces(&key);
                    return Ok(vec![
                        put(place, [&[pieces::WHOLE], row.as_slice()].concat()),
                        clear(old),
                    ]);
                }
                let pieces = Pieces::of(&row);
                for (number, piece) in pieces::split(&row) {
                    let place = self.layout.piece(&key, &pieces.id, number);
                    self.members.write(async move |client| {
                        client.kv_client().put(place, piece, None).await.map(drop)
                    })?;
                }
                // Those of the row before, and of attempts that failed.
                let [before, after] = self.layout.other_pieces(&key, &pieces.id);
                let range = |(from, end): (Vec<u8>, Vec<u8>)| {
                    TxnOp::delete(from, Some(DeleteOptions::new().with_range(end)))
                };
                vec![put(place, pieces.to_row()), range(before), range(after)]
            }
            Change::Put(table, key, row) => vec![put(self.layout.row(table, &key), row)],
            Change::Delete(Table::Values, key) => {
                let place = self.layout.row(Table::Values, &key);
                vec![TxnOp::delete(place, None), clear(self.layout.pieces(&key))]
            }
            Change::Delete(table, key) => vec![TxnOp::delete(self.layout.row(table, &key), None)],
            Change::Clear(table, prefix) => {
                let mut operations = vec![clear(self.layout.row(table, &prefix))];
                if table == Table::Values {
                    operations.push(clear(self.layout.pieces_below(&prefix)));
                }
                operations
            }
        })
    }

    /// Makes changes in one transaction.
    fn transact(
        &self,
        changes: Vec<Change>,
        compares: Vec<Compare>,
    ) -> Result<CommitOutcome, StorageError> {
        let mut operations = vec![put(self.own.clone(), Vec::new())];
        for change in changes {
            operations.extend(self.operations(change)?);
        }
        let transaction = Txn::new().when(compares).and_then(operations).or_else(vec![]);
        let answer =
            self.members.write(async move |client| client.kv_client().txn(transaction).await)?;
        let revision = revision_of(answer.header().map_or(0, ResponseHeader::revision));
        Ok(if answer.succeeded() {
            CommitOutcome::Committed(revision)
        } else {
            CommitOutcome::Conflict(revision)
        })
    }
}

fn options(at: Option<Revision>) -> GetOptions {
    let at = at.map_or(0, |at| i64::try_from(at.0).unwrap_or(i64::MAX));
    GetOptions::new().with_revision(at)
}

fn put(place: Vec<u8>, row: Vec<u8>) -> TxnOp {
    TxnOp::put(place, row, None)
}

/// Deletes all keys with a prefix.
fn clear(prefix: Vec<u8>) -> TxnOp {
    TxnOp::delete(prefix, Some(DeleteOptions::new().with_prefix()))
}

impl Storage for EtcdStorage {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.read(table, key, None, usize::MAX)?.and_then(RowWithin::row))
    }

    fn get_within(
        &self,
        table: Table,
        key: &[u8],
        most: usize,
    ) -> Result<Option<RowWithin>, StorageError> {
        self.read(table, key, None, most)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        self.scan_at(table, prefix, after, limit, None)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StorageError> {
        let snapshot: Box<dyn Snapshot + '_> = self.snapshot_at(self.revision()?)?;
        Ok(snapshot)
    }

    fn commit(&self, batch: &mut Changes<'_>) -> Result<(), StorageError> {
        let changes = batch.collect::<Result<Vec<_>, _>>()?;
        self.transact(changes, Vec::new()).map(drop)
    }

    fn size(&self) -> Option<StorageSize> {
        None
    }

    fn compact(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

impl SharedStorage for EtcdStorage {
    fn limits(&self) -> CommitLimits {
        CommitLimits { records: COMMIT_RECORDS, bytes: COMMIT_BYTES }
    }

    fn revision(&self) -> Result<Revision, StorageError> {
        let nodes = self.layout.nodes();
        self.members.read(async |client| {
            let options = GetOptions::new().with_prefix().with_keys_only();
            let answer = client.kv_client().get(nodes.clone(), Some(options)).await?;
            let last = answer.kvs().iter().map(KeyValue::mod_revision).max();
            Ok(revision_of(last.unwrap_or_default()))
        })
    }

    fn commit_expecting(
        &self,
        changes: Vec<Change>,
        expected: &[Expectation],
    ) -> Result<CommitOutcome, StorageError> {
        let compares = expected.iter().flat_map(|expectation| {
            let place = self.layout.row(expectation.table, &expectation.key);
            match expectation.unchanged_since {
                None => vec![Compare::version(place, CompareOp::Equal, 0)],
                Some(since) => {
                    let later = i64::try_from(since.0).unwrap_or(i64::MAX).saturating_add(1);
                    vec![
                        Compare::version(place.clone(), CompareOp::Greater, 0),
                        Compare::mod_revision(place, CompareOp::Less, later),
                    ]
                }
            }
        });
        match self.transact(changes, compares.collect())? {
            // etcd's own revision may be one of rows that are not watched.
            CommitOutcome::Conflict(_) => Ok(CommitOutcome::Conflict(self.revision()?)),
            committed @ CommitOutcome::Committed(_) => Ok(committed),
        }
    }

    fn snapshot_at(
        &self,
        revision: Revision,
    ) -> Result<Box<dyn RevisionSnapshot + '_>, StorageError> {
        Ok(Box::new(RowsAt { storage: self, revision }))
    }

    fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, StorageError> {
        let members = Arc::clone(&self.members);
        Ok(Box::new(watch::EtcdWatch::start(members, self.layout.clone(), after)))
    }
}

/// The rows at one revision.
struct RowsAt<'a> {
    storage: &'a EtcdStorage,
    revision: Revision,
}

impl RowsAt<'_> {
    /// Before the first commit there is no revision that could be asked for, and no row.
    fn at(&self) -> Option<Revision> {
        (self.revision > Revision(0)).then_some(self.revision)
    }
}

impl Snapshot for RowsAt<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.get_within(table, key, usize::MAX)?.and_then(RowWithin::row))
    }

    fn get_within(
        &self,
        table: Table,
        key: &[u8],
        most: usize,
    ) -> Result<Option<RowWithin>, StorageError> {
        self.at().map_or(Ok(None), |at| self.storage.read(table, key, Some(at), most))
    }
}

impl RevisionSnapshot for RowsAt<'_> {
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let scan = |at| self.storage.scan_at(table, prefix, after, limit, Some(at));
        self.at().map_or(Ok(Vec::new()), scan)
    }
}
