//! The status of the service, gathered from its parts for `/status`, `/metrics` and the dashboard.

use std::sync::Arc;
use std::time::Instant;

use crate::api::status::{
    AlarmStatus, AssessedStatus, IncidentStatus, KeyringStatus, LiveStatus, QuorumStatus,
    RotationStatus, SourceStatus, Status, StoreSize,
};
use crate::caller::Caller;
use crate::collector::status::{
    Alarm, Assessed, LiveFigure, Picture, SourceReport, SourceState, StatusBoard,
};
use crate::http::app::App;
use crate::incident::Incident;
use crate::kv::Store;
use crate::kv::engine::StorageSize;
use crate::machine::rfc3339;
use crate::service_log;
use lavawall_entropy::{Kind, Quorum, Readiness, Severity};

/// For those who may not know of tenants.
const HIDDEN: &str = "the operator sees the reason";

/// The status at `now`.
pub(crate) fn of(app: &App, now: Instant) -> Status {
    let provenance = app.generator.provenance();
    let credited = |id: &str| {
        provenance.as_ref().is_some_and(|provenance| {
            provenance.sources.iter().any(|source| source.id == id && source.credit_bits > 0)
        })
    };
    let quorum = app.generator.quorum();
    let state = app.generator.state(now);
    Status {
        state: state.to_string(),
        reason: reason(app, state, &quorum, now),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        generation: provenance.as_ref().map_or(0, |provenance| provenance.generation),
        seed_age_seconds: provenance
            .as_ref()
            .map(|provenance| now.saturating_duration_since(provenance.seeded_at).as_secs()),
        uptime_seconds: now.saturating_duration_since(app.started).as_secs(),
        quorum: QuorumStatus {
            needed: wide(quorum.needed),
            present: quorum.present.iter().map(ToString::to_string).collect(),
            missing_required: quorum.missing_required.clone(),
            overdue: quorum.overdue,
        },
        memory_locked: app.generator.is_memory_locked(),
        tls: app.access.is_tls(),
        log_lines_lost: service_log::lost_lines(),
        log_lines_suppressed: service_log::log_limit::suppressed_lines(),
        keyring: app.store.as_deref().map(of_keyring),
        picture: showable(&app.board).map(|picture| picture.source.clone()),
        sources: app
            .board
            .sources()
            .into_iter()
            .map(|report| of_source(credited(&report.id), report))
            .collect(),
        incidents: app.incidents.list().into_iter().map(of_incident).collect(),
    }
}

/// The status at `now` for a caller. Totals of what is kept, and incidents that may name a tenant or a
/// namespace, are for those who may know of tenants; without tenants, also for callers without a token.
pub(crate) fn shown_to(app: &App, caller: &Caller, now: Instant) -> Status {
    let mut status = of(app, now);
    let is_alone = matches!(caller, Caller::Anonymous) && app.tenants.is_empty();
    if caller.sees_tenants() || is_alone {
        return status;
    }
    if let Some(keyring) = &mut status.keyring {
        keyring.namespaces = None;
        keyring.records = None;
        keyring.damaged = None;
        keyring.scrubbed = None;
        keyring.rotations = Vec::new();
        keyring.store = None;
        let hidden = |reason: &mut String| HIDDEN.clone_into(reason);
        keyring.read_only.iter_mut().for_each(hidden);
    }
    for incident in status.incidents.iter_mut().filter(|it| it.source.is_none()) {
        HIDDEN.clone_into(&mut incident.text);
    }
    status
}

/// The picture on the board, if its source is never credited.
///
/// # Security
/// A live camera's frame is a secret. Its runner does not put it on the board; this is the second check.
pub(crate) fn showable(board: &StatusBoard) -> Option<Arc<Picture>> {
    let picture = board.picture()?;
    let sources = board.sources();
    let source = sources.iter().find(|source| source.id == picture.source)?;
    (source.kind == Kind::None).then_some(picture)
}

/// The operator's reason why the service is not ready: it names sources.
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

fn of_keyring(store: &Store) -> KeyringStatus {
    let condition = store.keyring().condition();
    let report = store.report().unwrap_or_default();
    let scrub = store.scrub_progress();
    let disagree = report.iter().filter(|it| !it.agrees).count();
    KeyringStatus {
        state: condition.name().to_owned(),
        seal: condition.seal().map(|seal| seal.to_string()),
        namespaces: Some(wide(report.len())),
        records: Some(wide(report.iter().map(|it| it.records).sum())),
        damaged: Some(wide(disagree + report.iter().map(|it| it.damaged).sum::<usize>())),
        clock_doubt: store.clock_doubt(),
        read_only: store.read_only().map(|reason| reason.to_string()),
        scrubbed: Some(scrub.checked),
        scrub_completed_at: scrub.completed.map(rfc3339),
        rotations: report
            .into_iter()
            .filter(|it| it.behind() > 0)
            .map(|mut it| {
                let left = it.behind();
                it.dependents.remove(&it.active_version);
                RotationStatus {
                    namespace: it.id.to_string(),
                    version: it.active_version,
                    done: wide(it.resealed),
                    left,
                    dependents: it.dependents,
                }
            })
            .collect(),
        store: store.size().map(store_size),
    }
}

/// The size of the store as it is on the wire.
pub(crate) fn store_size(size: StorageSize) -> StoreSize {
    let StorageSize { live_bytes, file_bytes } = size;
    StoreSize { live_bytes, file_bytes }
}

fn of_source(in_last_seed: bool, report: SourceReport) -> SourceStatus {
    SourceStatus {
        id: report.id,
        source_type: report.source_type.to_owned(),
        kind: report.kind.to_string(),
        state: source_state(report.state).to_owned(),
        required: report.required,
        credit_bits_per_second: report.credit_bits_per_second,
        credited_bits: report.credited_bits,
        credit_basis: report.credit_basis,
        assessed: report.assessed.map(of_assessment),
        live: report.live.as_ref().map(of_window),
        in_last_seed,
        is_virtual: report.virtual_device,
        identity: report.identity,
        samples: report.samples,
        alarms: report.alarms,
        last_alarm: report.last_alarm.map(of_alarm),
        notes: report.notes,
    }
}

fn source_state(state: SourceState) -> &'static str {
    match state {
        SourceState::Starting => "starting",
        SourceState::Healthy => "healthy",
        SourceState::Alarmed => "alarmed",
        SourceState::Absent => "absent",
    }
}

fn of_assessment(assessed: Assessed) -> AssessedStatus {
    let Assessed { min_entropy, credited, samples, estimator, at } = assessed;
    AssessedStatus { min_entropy, credited, samples: wide(samples), estimator, at }
}

fn of_window(figure: &LiveFigure) -> LiveStatus {
    let LiveFigure { min_entropy, estimator, samples, at } = *figure;
    LiveStatus {
        min_entropy,
        estimator: estimator.to_owned(),
        samples: wide(samples),
        at: rfc3339(at),
        // A clock that was set back makes it new, not an error.
        age_seconds: at.elapsed().unwrap_or_default().as_secs(),
    }
}

fn of_alarm(alarm: Alarm) -> AlarmStatus {
    AlarmStatus {
        test: alarm.test.to_string(),
        severity: severity(alarm.severity).to_owned(),
        detail: alarm.detail,
        at: rfc3339(alarm.at),
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => "notice",
        Severity::Intermittent => "intermittent",
        Severity::Persistent => "persistent",
    }
}

fn of_incident(incident: Incident) -> IncidentStatus {
    IncidentStatus { source: incident.source, text: incident.text, at: rfc3339(incident.at) }
}

/// A count as it is on the wire, the same on every machine.
fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
