//! `lavawall status`: the state of the service, for people and for scripts.

use std::fmt::Write;

use bytesize::ByteSize;
use clap::Args;
use serde_json::Value;

use crate::api::status::{KeyringStatus, LiveStatus, SourceStatus, Status, StoreSize};
use crate::cli::error::CommandError;
use crate::cli::print;
use crate::cli::service_arguments::ServiceArguments;
use crate::client::ClientError;
use crate::exitcode::Exit;

/// The most bytes of a status answer that are read.
pub(crate) const STATUS_BYTES: usize = 1 << 20;

/// Show the state of the service and of its noise sources
///
/// Exits with 0 when it is ready, and with 1 when it is starting, degraded or refusing.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Print the service's own JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    service: ServiceArguments,
}

pub(crate) fn run(arguments: &StatusArguments) -> Result<(), CommandError> {
    let text = ask(&arguments.service)?;
    let parsed = serde_json::from_str(&text).map(printable).and_then(serde_json::from_value);
    let status: Status = parsed.map_err(|error| {
        let reason = format!("this does not look like a lavawall's status: {error}");
        CommandError::new(Exit::Unavailable, reason)
    })?;
    let is_ready = status.state == "ready";
    let paint = Paint(rustix::termios::isatty(std::io::stdout()));
    let shown = if arguments.json { text } else { render(&status, paint) };
    print::line_if_read(shown.trim_end())?;
    if is_ready { Ok(()) } else { Err(Exit::Failure.into()) }
}

fn ask(service: &ServiceArguments) -> Result<String, ClientError> {
    let answer = service.client()?.call("GET", "/status", None)?.accepted(&[200])?;
    let bytes = answer.read(STATUS_BYTES)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Removes control characters: the text of a peer must not control the terminal.
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

/// The status as lines of text.
fn render(status: &Status, paint: Paint) -> String {
    let mut out = String::new();
    let age = status.seed_age_seconds.map_or_else(
        || "no seed yet".to_owned(),
        |age| format!("seed {} is {age} s old", status.generation),
    );
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}  {age}  (lavawall {})", paint.state(&status.state), status.version);
    if let Some(reason) = &status.reason {
        let _ = writeln!(out, "  {reason}");
    }
    let _ = writeln!(out);
    for source in &status.sources {
        render_source(source, &mut out, paint);
    }
    if let Some(keyring) = &status.keyring {
        render_keyring(keyring, &mut out, paint);
    }
    if status.log_lines_lost > 0 {
        let lost = status.log_lines_lost;
        let _ = writeln!(out, "\n  {lost} lines of the service's log were lost");
    }
    for incident in &status.incidents {
        let source = incident.source.as_deref().unwrap_or("service");
        let _ = writeln!(out, "\nincident {}  {source}: {}", incident.at, incident.text);
    }
    out
}

fn render_keyring(keyring: &KeyringStatus, out: &mut String, paint: Paint) {
    let state = paint.state(&format!("{:<8}", keyring.state));
    let seal = keyring.seal.as_deref().map(|seal| format!("seal: {seal}")).unwrap_or_default();
    let _ = write!(out, "\n  {state}  keyring        {seal:<16}");
    if keyring.state == "open"
        && let (Some(records), Some(namespaces)) = (keyring.records, keyring.namespaces)
    {
        let _ = write!(out, " {records} records in {namespaces} namespaces");
    }
    let _ = writeln!(out);
    if let Some(StoreSize { live_bytes, file_bytes }) = keyring.store {
        let (live, file) = (ByteSize::b(live_bytes), ByteSize::b(file_bytes));
        let _ = writeln!(out, "            store: {live} of records in a file of {file}");
    }
    if let Some(damaged) = keyring.damaged.filter(|damaged| *damaged > 0) {
        let _ = writeln!(out, "            {damaged} records or namespaces are damaged");
    }
    for rotation in &keyring.rotations {
        let _ = writeln!(
            out,
            "            namespace {}: resealing under version {}, {} done, {} left",
            rotation.namespace, rotation.version, rotation.done, rotation.left
        );
    }
}

fn render_source(source: &SourceStatus, out: &mut String, paint: Paint) {
    let credit = if source.kind == "none" {
        "no credit".to_owned()
    } else {
        format!("{:.0} bit/s", source.credit_bits_per_second)
    };
    let seed = if source.in_last_seed { "in seed" } else { "" };
    let state = paint.state(&format!("{:<8}", source.state));
    let _ = writeln!(
        out,
        "  {state}  {:<14} {:<16} {credit:>14}  {seed:<7}  {}",
        source.id, source.kind, source.credit_basis
    );
    if let Some(LiveStatus { min_entropy, estimator, samples, age_seconds, .. }) = &source.live {
        let _ = writeln!(
            out,
            "            {} {min_entropy:.2} bits per symbol by {estimator} in {samples} symbols",
            ago(*age_seconds)
        );
    }
    if source.is_virtual {
        let _ = writeln!(out, "            virtual device, allowed by its configuration");
    }
    for note in &source.notes {
        let _ = writeln!(out, "            note: {note}");
    }
    if let Some(alarm) = &source.last_alarm {
        let _ =
            writeln!(out, "            last alarm {}  {}: {}", alarm.at, alarm.test, alarm.detail);
    }
}

/// An age in the largest unit of which it has two.
fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        _ => format!("{} h ago", seconds / 3600),
    }
}

/// Colours, used on a terminal only.
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
    fn an_age_is_in_the_largest_unit_of_which_it_has_two() {
        for (seconds, expected) in
            [(0, "0 s ago"), (119, "119 s ago"), (120, "2 min ago"), (1500, "25 min ago")]
                .into_iter()
                .chain([
                    (7199, "119 min ago"),
                    (7200, "2 h ago"),
                    (u64::MAX, "5124095576030431 h ago"),
                ])
        {
            assert_eq!(ago(seconds), expected);
        }
    }

    #[test]
    fn text_of_a_peer_cannot_control_the_terminal() {
        let said = serde_json::json!({ "a": ["\u{1b}]0;title\u{7}", 1], "b": { "c": "x\ny" } });
        let shown = serde_json::json!({ "a": ["]0;title", 1], "b": { "c": "xy" } });
        assert_eq!(printable(said), shown);
    }
}
