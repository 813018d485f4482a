//! `lavawall status`: the state of the service, for people and for scripts.

use std::fmt::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::error::CommandError;
use crate::cli::print;
use crate::cli::service_arguments::ServiceArguments;
use crate::client::ClientError;
use crate::exitcode::Exit;

/// The most bytes of a status answer.
pub(crate) const STATUS_BYTES: usize = 1 << 20;

/// Show the state of the service and its noise sources
///
/// Exits with 0 when it is ready, and with 1 when it is starting, degraded or refusing.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print the service's own JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    service: ServiceArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let text = ask(&arguments.service)?;
    let parsed = serde_json::from_str(&text).map(printable).and_then(serde_json::from_value);
    let status: Status = parsed.map_err(|error| {
        let reason = format!("this does not look like a lavawall's status: {error}");
        CommandError::new(Exit::Unavailable, reason)
    })?;
    let is_ready = status.state == "ready";
    let paint = Paint(rustix::termios::isatty(std::io::stdout()));
    let shown = if arguments.json { text } else { status.render(paint) };
    print::line(shown.trim_end())?;
    if is_ready { Ok(()) } else { Err(Exit::Failure.into()) }
}

fn ask(service: &ServiceArguments) -> Result<String, ClientError> {
    let answer = service.client()?.call("GET", "/status", None)?.accepted(&[200])?;
    let bytes = answer.read(STATUS_BYTES)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Removes control characters: text from elsewhere must not control the terminal.
fn printable(value: Value) -> Value {
    match value {
        Value::String(text) => {
            text.chars().filter(|letter| !letter.is_control()).collect::<String>().into()
        }
        Value::Array(values) => values.into_iter().map(printable).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, printable(value))).collect()
        }
        other => other,
    }
}

/// The part of `/status` that is shown.
#[derive(Debug, Deserialize)]
struct Status {
    state: String,
    reason: Option<String>,
    version: String,
    generation: u64,
    seed_age_seconds: Option<f64>,
    sources: Vec<Source>,
    keyring: Option<Keyring>,
    incidents: Vec<Incident>,
}

#[derive(Debug, Deserialize)]
struct Keyring {
    state: String,
    seal: Option<String>,
    namespaces: usize,
    records: usize,
    damaged: usize,
    #[serde(default)]
    rotations: Vec<Rotation>,
}

#[derive(Debug, Deserialize)]
struct Rotation {
    namespace: String,
    version: u32,
    done: u64,
    left: u64,
}

#[derive(Debug, Deserialize)]
struct Source {
    id: String,
    kind: String,
    state: String,
    credit_bits_per_second: f64,
    in_last_seed: bool,
    #[serde(rename = "virtual")]
    is_virtual: bool,
    credit_basis: String,
    live: Option<Live>,
    last_alarm: Option<Alarm>,
    notes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Live {
    min_entropy: f64,
    estimator: String,
    samples: usize,
}

#[derive(Debug, Deserialize)]
struct Alarm {
    test: String,
    detail: String,
    at: String,
}

#[derive(Debug, Deserialize)]
struct Incident {
    source: Option<String>,
    text: String,
    at: String,
}

impl Status {
    fn render(&self, paint: Paint) -> String {
        let mut out = String::new();
        let age = self.seed_age_seconds.map_or_else(
            || "no seed yet".to_owned(),
            |age| format!("seed {} is {age:.0} s old", self.generation),
        );
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}  {age}  (lavawall {})", paint.state(&self.state), self.version);
        if let Some(reason) = &self.reason {
            let _ = writeln!(out, "  {reason}");
        }
        let _ = writeln!(out);
        for source in &self.sources {
            source.render(&mut out, paint);
        }
        if let Some(keyring) = &self.keyring {
            keyring.render(&mut out, paint);
        }
        for incident in &self.incidents {
            let source = incident.source.as_deref().unwrap_or("service");
            let _ = writeln!(out, "\nincident {}  {source}: {}", incident.at, incident.text);
        }
        out
    }
}

impl Keyring {
    fn render(&self, out: &mut String, paint: Paint) {
        let state = paint.state(&format!("{:<8}", self.state));
        let seal = self.seal.as_deref().map(|seal| format!("seal: {seal}")).unwrap_or_default();
        let _ = write!(out, "\n  {state}  keyring        {seal:<16}");
        if self.state == "open" {
            let _ = write!(out, " {} records in {} namespaces", self.records, self.namespaces);
        }
        let _ = writeln!(out);
        if self.damaged > 0 {
            let _ = writeln!(out, "            {} records or namespaces are damaged", self.damaged);
        }
        for rotation in &self.rotations {
            let _ = writeln!(
                out,
                "            namespace {}: resealing under version {}, {} done, {} left",
                rotation.namespace, rotation.version, rotation.done, rotation.left
            );
        }
    }
}

impl Source {
    fn render(&self, out: &mut String, paint: Paint) {
        let credit = if self.kind == "none" {
            "no credit".to_owned()
        } else {
            format!("{:.0} bit/s", self.credit_bits_per_second)
        };
        let seed = if self.in_last_seed { "in seed" } else { "" };
        let state = paint.state(&format!("{:<8}", self.state));
        let _ = writeln!(
            out,
            "  {state}  {:<14} {:<16} {credit:>14}  {seed:<7}  {}",
            self.id, self.kind, self.credit_basis
        );
        if let Some(Live { min_entropy, estimator, samples }) = &self.live {
            let _ = writeln!(
                out,
                "            now {min_entropy:.2} bits a symbol by {estimator} in {samples} symbols"
            );
        }
        if self.is_virtual {
            let _ = writeln!(out, "            virtual device, allowed by its configuration");
        }
        for note in &self.notes {
            let _ = writeln!(out, "            note: {note}");
        }
        if let Some(alarm) = &self.last_alarm {
            let _ = writeln!(
                out,
                "            last alarm {}  {}: {}",
                alarm.at, alarm.test, alarm.detail
            );
        }
    }
}

/// Colours, on a terminal only.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn state(self, state: &str) -> String {
        let colour = match state.trim() {
            "ready" | "healthy" | "open" => "32",
            "degraded" | "starting" | "alarmed" | "sealed" | "absent" => "33",
            _ => "31",
        };
        if self.0 { format!("\u{1b}[{colour}m{state}\u{1b}[0m") } else { state.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_cannot_steer_the_terminal() {
        let said = serde_json::json!({ "a": ["\u{1b}]0;title\u{7}", 1], "b": { "c": "x\ny" } });
        let shown = serde_json::json!({ "a": ["]0;title", 1], "b": { "c": "xy" } });
        assert_eq!(printable(said), shown);
    }
}
