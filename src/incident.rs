//! Incidents: findings that an operator must act on.

use std::collections::VecDeque;
use std::time::SystemTime;

use parking_lot::Mutex;

/// The number of past incidents that are kept.
const INCIDENTS_KEPT: usize = 100;

/// One incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// The source it concerns, if any.
    pub source: Option<String>,
    /// The finding and the action it needs.
    pub text: String,
    /// When it was opened.
    pub at: SystemTime,
}

/// The incidents since the service started. Nothing on the entropy path reads it.
#[derive(Debug, Default)]
pub struct IncidentLog {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    kept: VecDeque<Incident>,
    count: u64,
}

impl IncidentLog {
    /// Opens an incident, and logs it as an error.
    pub fn open(&self, source: Option<&str>, text: String) {
        tracing::error!(source, "incident: {text}");
        let mut entries = self.entries.lock();
        entries.count += 1;
        if entries.kept.len() == INCIDENTS_KEPT {
            entries.kept.pop_front();
        }
        let source = source.map(str::to_owned);
        entries.kept.push_back(Incident { source, text, at: SystemTime::now() });
    }

    /// The last incidents, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Incident> {
        self.entries.lock().kept.iter().cloned().collect()
    }

    /// Incidents since the service started, including those no longer kept.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.entries.lock().count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_incidents_are_kept_and_all_are_counted() {
        let log = IncidentLog::default();
        for number in 0..INCIDENTS_KEPT + 50 {
            log.open(Some("camera"), number.to_string());
        }
        let kept = log.list();
        assert_eq!((kept.len(), log.count()), (INCIDENTS_KEPT, INCIDENTS_KEPT as u64 + 50));
        assert_eq!((kept[0].text.as_str(), kept[99].text.as_str()), ("50", "149"));
    }
}
