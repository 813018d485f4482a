//! The running service, as `/status` describes it.

use crate::api::status::{AlarmStatus, IncidentStatus, LiveStatus, SourceStatus, Status};
use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::error::CommandError;
use crate::cli::print;
use crate::cli::status::STATUS_BYTES;
use crate::report::{Fact, ReportedIncident, RunningService, RunningSource};

/// Asks the service. The error is the reason why its state is not known.
pub(crate) fn ask(connection: &ConnectionArguments) -> Result<RunningService, String> {
    let known = answer(connection).and_then(|bytes| {
        let status: Status = serde_json::from_slice(&bytes)
            .map_err(|error| format!("this does not look like a lavawall's status: {error}"))?;
        Ok(service(status))
    });
    known.inspect_err(|reason| {
        print::note(&format!("without states and alarms of a running service: {reason}"));
    })
}

fn answer(connection: &ConnectionArguments) -> Result<Vec<u8>, String> {
    let ask = || -> Result<Vec<u8>, CommandError> {
        let answer = connection.client()?.call("GET", "/status", None)?.accepted(&[200])?;
        Ok(answer.read(STATUS_BYTES)?.to_vec())
    };
    ask().map_err(|error| error.to_string())
}

fn service(status: Status) -> RunningService {
    RunningService {
        facts: facts(&status),
        sources: status.sources.into_iter().map(source).collect(),
        incidents: status.incidents.into_iter().map(incident).collect(),
    }
}

fn facts(status: &Status) -> Vec<Fact> {
    let yes = |it: bool| if it { "yes" } else { "no" };
    let state = match &status.reason {
        Some(reason) => format!("{}: {reason}", status.state),
        None => status.state.clone(),
    };
    let uptime = std::time::Duration::from_secs(status.uptime_seconds);
    let seed = status.seed_age_seconds.map_or_else(
        || "none yet".to_owned(),
        |age| format!("number {}, {age} s old", status.generation),
    );
    let quorum = &status.quorum;
    let (needed, present) = (quorum.needed, &quorum.present);
    let mut kinds =
        format!("{needed} kinds needed, {} there: {}", present.len(), present.join(", "));
    if !quorum.missing_required.is_empty() {
        kinds.push_str("; missing: ");
        kinds.push_str(&quorum.missing_required.join(", "));
    }
    let mut facts = vec![
        Fact::new("state", state),
        Fact::new("lavawall", &status.version),
        Fact::new("running for", humantime::format_duration(uptime)),
        Fact::new("seed", seed),
        Fact::new("quorum", kinds),
        Fact::new("memory locked", yes(status.memory_locked)),
        Fact::new("TLS", yes(status.tls)),
    ];
    if let Some(keyring) = &status.keyring {
        let seal = keyring.seal.as_deref().unwrap_or("none");
        facts.push(Fact::new("keyring", format!("{}, seal: {seal}", keyring.state)));
    }
    facts
}

fn source(it: SourceStatus) -> RunningSource {
    let live =
        |it: LiveStatus| format!("{:.3} bits by {}, {}", it.min_entropy, it.estimator, it.at);
    let last = |it: AlarmStatus| format!("{} {} ({}): {}", it.at, it.test, it.severity, it.detail);
    RunningSource {
        id: it.id,
        state: it.state,
        credit_basis: it.credit_basis,
        live: it.live.map(live),
        samples: it.samples,
        credited_bits: it.credited_bits,
        alarms: it.alarms,
        last_alarm: it.last_alarm.map(last),
    }
}

fn incident(it: IncidentStatus) -> ReportedIncident {
    let source = it.source.unwrap_or_else(|| "service".to_owned());
    ReportedIncident { source, at: it.at, text: it.text }
}
