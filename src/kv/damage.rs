//! Damage that reads meet: each record is counted once, and reported once.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::kv::record_id::RecordId;

/// The most damaged records of a namespace that are remembered; 16 bytes each. More are one incident already.
const REMEMBERED_MOST: usize = 100_000;

/// The most ids that a report names.
const NAMED_MOST: usize = 20;

/// The damaged records of one namespace that reads have met since it was loaded.
#[derive(Default)]
pub(crate) struct DamageLog(Mutex<BTreeMap<RecordId, IsReported>>);

type IsReported = bool;

impl DamageLog {
    /// Remembers a record. Returns whether it is new.
    pub(crate) fn add(&self, id: RecordId) -> bool {
        let mut met = self.0.lock();
        let is_new = met.len() < REMEMBERED_MOST && !met.contains_key(&id);
        if is_new {
            met.insert(id, false);
        }
        is_new
    }

    /// Forgets a record: it was written or removed, or it opens again.
    pub(crate) fn remove(&self, id: RecordId) {
        self.0.lock().remove(&id);
    }

    /// The number of records that are not among `known`.
    pub(crate) fn count_beside<T>(&self, known: &BTreeMap<RecordId, T>) -> usize {
        self.0.lock().keys().filter(|id| !known.contains_key(id)).count()
    }

    /// The records that were not taken before.
    pub(crate) fn take_new(&self) -> Vec<RecordId> {
        let mut met = self.0.lock();
        let new = met.iter_mut().filter(|(_, is_reported)| !**is_reported);
        new.map(|(id, is_reported)| {
            *is_reported = true;
            *id
        })
        .collect()
    }
}

/// The ids, up to a bound.
pub(crate) fn named(ids: &[RecordId]) -> String {
    let names: Vec<_> = ids.iter().take(NAMED_MOST).map(ToString::to_string).collect();
    let more = ids.len().saturating_sub(NAMED_MOST);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_reported_once_and_again_after_it_was_written() {
        let log = DamageLog::default();
        let (first, second) = (RecordId([1; 16]), RecordId([2; 16]));
        log.add(first);
        log.add(first);
        assert_eq!(log.take_new(), [first]);
        log.add(first);
        log.add(second);
        assert_eq!(log.take_new(), [second]);
        assert_eq!(log.count_beside::<u8>(&BTreeMap::new()), 2);
        assert_eq!(log.count_beside(&BTreeMap::from([(first, 0)])), 1);
        log.remove(first);
        log.add(first);
        assert_eq!(log.take_new(), [first]);
    }

    #[test]
    fn a_report_names_a_bounded_number_of_records() {
        let ids: Vec<_> = (0..25).map(|number| RecordId([number; 16])).collect();
        let text = named(&ids);
        assert!(text.ends_with("and 5 more"), "{text}");
        assert_eq!(named(&ids[..1]), ids[0].to_string());
    }
}
