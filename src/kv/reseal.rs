//! Resealing: moving records to the active key version after a rotation.

use crate::crypto::key_material::KeyMaterial;
use crate::keyring::NamespaceId;
use crate::kv::batch::CommitBatch;
use crate::kv::engine::Table;
use crate::kv::error::KvError;
use crate::kv::index::Slot;
use crate::kv::name::RecordName;
use crate::kv::namespace::open_entry_row;
use crate::kv::record;
use crate::kv::record::RowHeader;
use crate::kv::store::Store;

/// The most records that are resealed in one commit.
const RESEAL_BATCH: usize = 500;

/// The most bytes of rows that are resealed in one commit, except the last record: writers wait for it.
const RESEAL_BATCH_BYTES: usize = 8 << 20;

impl Store {
    /// Reseals up to 500 records that are not under the active key version; returns how many, and 0 when
    /// there are no more that can be resealed. A record that does not open stays as it is.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn reseal(&self, id: NamespaceId) -> Result<usize, KvError> {
        if self.read_only().is_some() {
            return Ok(0);
        }
        let mut after: Option<RecordName> = None;
        loop {
            let (mut writer, namespace) = self.writing(id)?;
            let keys = namespace.keys();
            let after_name = after.as_ref().map(RecordName::as_str);
            let names = {
                let most = self.commit_records(RESEAL_BATCH);
                namespace.index().behind(keys.active, after_name, most)
            };
            let Some(last) = names.last() else { return Ok(0) };
            let mut batch = CommitBatch::of(&namespace, &keys, self.follower.as_ref());
            let mut material = KeyMaterial::of(&self.generator, names.len() * record::DRAWN_BYTES);
            for name in &names {
                self.reseal_one(&mut material, &mut batch, name.as_str())?;
                if batch.bytes > self.commit_bytes(RESEAL_BATCH_BYTES) {
                    break;
                }
            }
            let moved = batch.slots.len();
            if moved > 0 {
                match self.commit(&mut writer, batch) {
                    // Another node has resealed or written some: they are looked at again.
                    Err(KvError::Contended) => continue,
                    committed => committed?,
                }
                namespace.add_resealed(moved);
                return Ok(moved);
            }
            after = Some(last.clone());
        }
    }

    /// Adds one resealed record to the batch; nothing when the record does not open.
    fn reseal_one<'a>(
        &self,
        material: &mut KeyMaterial<'_>,
        batch: &mut CommitBatch<'a>,
        name: &'a str,
    ) -> Result<(), KvError> {
        let (keys, address) = (batch.keys, batch.address(name));
        let Some(slot) = batch.namespace.index().get(name) else { return Ok(()) };
        let rows = (
            self.storage.get(Table::Values, &address.key())?,
            self.storage.get(Table::Entries, &address.key())?,
        );
        let (Some(value), Some(entry)) = rows else { return Ok(()) };
        let Ok((head, _)) = RowHeader::read(&value) else { return Ok(()) };
        let entry = open_entry_row(keys, address, &entry);
        let (Some(old), Ok((entry_head, entry))) = (keys.get(head.key_version), entry) else {
            return Ok(());
        };
        if head.version != slot.version || entry_head.version != slot.version {
            return Ok(());
        }
        let new_head = RowHeader { key_version: keys.active, ..head };
        let active = keys.active();
        let (old, new, heads) = (&old.key, &active.key, (head, new_head));
        let resealed = record::reseal_value(material, (old, new), address, heads, value)?;
        let Some(value) = resealed else { return Ok(()) };
        let row = record::seal_entry(material, &active.entry_key, address, new_head, &entry)?;
        batch.put_rows(address, value, row);
        batch.set(name, address.id, Some(Slot { key_version: keys.active, ..slot }));
        Ok(())
    }
}
