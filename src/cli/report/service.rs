//! The running service's own state and that of its sources.

use serde::Deserialize;

use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::error::CommandError;
use crate::cli::print;
use crate::cli::status::STATUS_BYTES;
use crate::report::{Fact, Incident, Running, Service};

/// Asks the service, or says why nothing is known of it.
pub(crate) fn ask(connection: &ConnectionArguments) -> Result<Service, String> {
    let known = answer(connection).and_then(|bytes| {
        let status: Status = serde_json::from_slice(&bytes)
            .map_err(|error| format!("this does not look like a lavawall's status: {error}"))?;
        Ok(status.into())
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

/// The part of `/status` that is shown.
#[derive(Debug, Deserialize)]
struct Status {
    state: String,
    reason: Option<String>,
    version: String,
    generation: u64,
    seed_age_seconds: Option<u64>,
    uptime_seconds: u64,
    quorum: Quorum,
    memory_locked: bool,
    tls: bool,
    keyring: Option<Keyring>,
    sources: Vec<SourceStatus>,
    incidents: Vec<IncidentStatus>,
}

#[derive(Debug, Deserialize)]
struct Quorum {
    needed: usize,
    present: Vec<String>,
    missing_required: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Keyring {
    state: String,
    seal: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SourceStatus {
    id: String,
    state: String,
    credit_basis: String,
    live: Option<Live>,
    samples: u64,
    credited_bits: u64,
    alarms: u64,
    last_alarm: Option<Alarm>,
}

#[derive(Debug, Deserialize)]
struct Live {
    min_entropy: f64,
    estimator: String,
    at: String,
}

#[derive(Debug, Deserialize)]
struct Alarm {
    test: String,
    severity: String,
    detail: String,
    at: String,
}

#[derive(Debug, Deserialize)]
struct IncidentStatus {
    source: Option<String>,
    text: String,
    at: String,
}

impl From<Status> for Service {
    fn from(status: Status) -> Self {
        Self {
            facts: status.facts(),
            sources: status.sources.into_iter().map(Running::from).collect(),
            incidents: status.incidents.into_iter().map(Incident::from).collect(),
        }
    }
}

impl Status {
    fn facts(&self) -> Vec<Fact> {
        let yes = |it: bool| if it { "yes" } else { "no" };
        let state = match &self.reason {
            Some(reason) => format!("{}: {reason}", self.state),
            None => self.state.clone(),
        };
        let uptime = std::time::Duration::from_secs(self.uptime_seconds);
        let seed = self.seed_age_seconds.map_or_else(
            || "none yet".to_owned(),
            |age| format!("number {}, {age} s old", self.generation),
        );
        let Quorum { needed, present, missing_required } = &self.quorum;
        let mut quorum =
            format!("{needed} kinds needed, {} there: {}", present.len(), present.join(", "));
        if !missing_required.is_empty() {
            quorum.push_str("; missing: ");
            quorum.push_str(&missing_required.join(", "));
        }
        let mut facts = vec![
            Fact::new("state", state),
            Fact::new("lavawall", &self.version),
            Fact::new("running for", humantime::format_duration(uptime)),
            Fact::new("seed", seed),
            Fact::new("quorum", quorum),
            Fact::new("memory locked", yes(self.memory_locked)),
            Fact::new("TLS", yes(self.tls)),
        ];
        if let Some(keyring) = &self.keyring {
            let seal = keyring.seal.as_deref().unwrap_or("none");
            facts.push(Fact::new("keyring", format!("{}, seal: {seal}", keyring.state)));
        }
        facts
    }
}

impl From<SourceStatus> for Running {
    fn from(it: SourceStatus) -> Self {
        let live = |it: Live| format!("{:.3} bits by {}, {}", it.min_entropy, it.estimator, it.at);
        let last = |it: Alarm| format!("{} {} ({}): {}", it.at, it.test, it.severity, it.detail);
        Self {
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
}

impl From<IncidentStatus> for Incident {
    fn from(it: IncidentStatus) -> Self {
        let source = it.source.unwrap_or_else(|| "service".to_owned());
        Self { source, at: it.at, text: it.text }
    }
}
