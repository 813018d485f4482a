//! `/status` and `/health/…`: how the service is, for machines that watch over it.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use serde::Serialize;

use crate::collector::status::{Assessed, Incident, LiveFigure, SourceReport, SourceState};
use crate::dialect::web::wall;
use crate::http::app::App;
use crate::keyring::NamespaceId;
use crate::keyring::seal::SealKind;
use crate::kv::Store;
use lavawall_entropy::{HealthTest, Kind, Quorum, Readiness, Severity};

/// The answer of `/status`.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) state: Readiness,
    /// Why it is not ready, in a sentence; absent when it is.
    pub(crate) reason: Option<String>,
    pub(crate) version: &'static str,
    pub(crate) generation: u64,
    pub(crate) seed_age_seconds: Option<u64>,
    pub(crate) uptime_seconds: u64,
    pub(crate) quorum: QuorumStatus,
    pub(crate) memory_locked: bool,
    pub(crate) tls: bool,
    /// The keyring and what opens it; absent where there is none to be used.
    pub(crate) keyring: Option<KeyringStatus>,
    /// The recorded or drawn source that `/wall.png` shows.
    pub(crate) picture: Option<String>,
    pub(crate) sources: Vec<SourceStatus>,
    pub(crate) incidents: Vec<IncidentStatus>,
}

/// How the keyring is.
#[derive(Debug, Serialize)]
pub(crate) struct KeyringStatus {
    /// `absent`, `sealed` or `open`.
    pub(crate) state: &'static str,
    /// What opens it. A file opens it for whoever has the disk.
    pub(crate) seal: Option<SealKind>,
    /// How many namespaces and records are open.
    pub(crate) namespaces: usize,
    pub(crate) records: usize,
    /// Records that do not open, and namespaces that are not as they were left.
    pub(crate) damaged: usize,
    /// Namespaces of which records are still under older key versions.
    pub(crate) rotations: Vec<RotationStatus>,
}

/// How far the rotation of a namespace is.
#[derive(Debug, Serialize)]
pub(crate) struct RotationStatus {
    pub(crate) namespace: NamespaceId,
    /// What records are sealed under anew.
    pub(crate) version: u32,
    pub(crate) done: usize,
    pub(crate) left: u64,
    /// How many records still depend on each older version.
    pub(crate) dependents: BTreeMap<u32, u64>,
}

impl KeyringStatus {
    fn of(store: &Store) -> Self {
        let condition = store.keyring().condition();
        let report = store.report().unwrap_or_default();
        let disagree = report.iter().filter(|it| !it.agrees).count();
        Self {
            state: condition.name(),
            seal: condition.seal(),
            namespaces: report.len(),
            records: report.iter().map(|it| it.records).sum(),
            damaged: disagree + report.iter().map(|it| it.damaged).sum::<usize>(),
            rotations: report
                .into_iter()
                .filter(|it| it.behind() > 0)
                .map(|mut it| {
                    let left = it.behind();
                    it.dependents.remove(&it.active_version);
                    RotationStatus {
                        namespace: it.id,
                        version: it.active_version,
                        done: it.resealed,
                        left,
                        dependents: it.dependents,
                    }
                })
                .collect(),
        }
    }
}

/// Which kinds count, and which are needed.
#[derive(Debug, Serialize)]
pub(crate) struct QuorumStatus {
    pub(crate) needed: usize,
    pub(crate) present: Vec<Kind>,
    pub(crate) missing_required: Vec<String>,
    pub(crate) overdue: bool,
}

/// One source.
#[derive(Debug, Serialize)]
pub(crate) struct SourceStatus {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) source_type: &'static str,
    pub(crate) kind: Kind,
    pub(crate) state: SourceState,
    pub(crate) required: bool,
    pub(crate) credit_bits_per_second: f64,
    pub(crate) credited_bits: u64,
    pub(crate) credit_basis: String,
    /// Absent while the credit is provisional, or there is none.
    pub(crate) assessed: Option<Assessed>,
    /// What the last window of its noise was worth; absent before there was one.
    pub(crate) live: Option<LiveStatus>,
    pub(crate) in_last_seed: bool,
    #[serde(rename = "virtual")]
    pub(crate) is_virtual: bool,
    pub(crate) identity: Option<String>,
    pub(crate) samples: u64,
    pub(crate) alarms: u64,
    pub(crate) last_alarm: Option<AlarmStatus>,
    pub(crate) notes: Vec<String>,
}

/// The running assessment of a source.
#[derive(Debug, Serialize)]
pub(crate) struct LiveStatus {
    /// Bits a symbol.
    pub(crate) min_entropy: f64,
    pub(crate) estimator: &'static str,
    /// Symbols in the window.
    pub(crate) samples: usize,
    /// RFC 3339.
    pub(crate) at: String,
}

impl LiveStatus {
    fn of(figure: &LiveFigure) -> Self {
        let LiveFigure { min_entropy, estimator, samples, at } = *figure;
        Self { min_entropy, estimator, samples, at: rfc3339(at) }
    }
}

/// The last alarm of a source.
#[derive(Debug, Serialize)]
pub(crate) struct AlarmStatus {
    pub(crate) test: HealthTest,
    pub(crate) severity: Severity,
    pub(crate) detail: String,
    /// RFC 3339.
    pub(crate) at: String,
}

/// Something an operator must look at.
#[derive(Debug, Serialize)]
pub(crate) struct IncidentStatus {
    pub(crate) source: Option<String>,
    pub(crate) text: String,
    /// RFC 3339.
    pub(crate) at: String,
}

impl Status {
    /// How things are at `now`.
    pub(crate) fn of(app: &App, now: Instant) -> Self {
        let provenance = app.generator.provenance();
        let credited = |id: &str| {
            provenance.as_ref().is_some_and(|provenance| {
                provenance.sources.iter().any(|source| source.id == id && source.credit_bits > 0)
            })
        };
        let quorum = app.generator.quorum();
        let state = app.generator.state(now);
        Self {
            state,
            reason: reason(app, state, &quorum, now),
            version: env!("CARGO_PKG_VERSION"),
            generation: provenance.as_ref().map_or(0, |provenance| provenance.generation),
            seed_age_seconds: provenance
                .as_ref()
                .map(|provenance| now.saturating_duration_since(provenance.seeded_at).as_secs()),
            uptime_seconds: now.saturating_duration_since(app.started).as_secs(),
            quorum: QuorumStatus {
                needed: quorum.needed,
                present: quorum.present.clone(),
                missing_required: quorum.missing_required.clone(),
                overdue: quorum.overdue,
            },
            memory_locked: app.generator.is_memory_locked(),
            tls: app.access.is_tls(),
            keyring: app.store.as_deref().map(KeyringStatus::of),
            picture: wall::showing(&app.board),
            sources: app
                .board
                .sources()
                .into_iter()
                .map(|report| SourceStatus::of(credited(&report.id), report))
                .collect(),
            incidents: app.board.incidents().into_iter().map(IncidentStatus::of).collect(),
        }
    }
}

impl SourceStatus {
    fn of(in_last_seed: bool, report: SourceReport) -> Self {
        Self {
            id: report.id,
            source_type: report.source_type,
            kind: report.kind,
            state: report.state,
            required: report.required,
            credit_bits_per_second: report.credit_bits_per_second,
            credited_bits: report.credited_bits,
            credit_basis: report.credit_basis,
            assessed: report.assessed,
            live: report.live.as_ref().map(LiveStatus::of),
            in_last_seed,
            is_virtual: report.virtual_device,
            identity: report.identity,
            samples: report.samples,
            alarms: report.alarms,
            last_alarm: report.last_alarm.map(|alarm| AlarmStatus {
                test: alarm.test,
                severity: alarm.severity,
                detail: alarm.detail,
                at: rfc3339(alarm.at),
            }),
            notes: report.notes,
        }
    }
}

impl IncidentStatus {
    fn of(incident: Incident) -> Self {
        Self { source: incident.source, text: incident.text, at: rfc3339(incident.at) }
    }
}

/// Why the service is not ready. This is the operator's message: it names sources.
fn reason(app: &App, state: Readiness, quorum: &Quorum, now: Instant) -> Option<String> {
    match (state, app.generator.check(now)) {
        (Readiness::Ready, _) => None,
        (_, Err(why)) => Some(why.to_string()),
        (_, Ok(())) if quorum.stands() => {
            Some("the quorum is back; the next seed is due".to_owned())
        }
        (_, Ok(())) => Some(format!("the last seed goes on for the grace period: {quorum}")),
    }
}

/// The time as RFC 3339 has it, to the second, in UTC.
fn rfc3339(at: SystemTime) -> String {
    let to_the_second = |at: jiff::Timestamp| at.round(jiff::Unit::Second).unwrap_or(at);
    jiff::Timestamp::try_from(at).map(to_the_second).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn times_are_written_to_the_second_in_utc() {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(rfc3339(at), "2023-11-14T22:13:20Z");
    }
}
