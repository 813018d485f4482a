//! `lavawall tenant usage`: what a tenant has used.

use std::fmt::Write;

use clap::Args;

use crate::api::tenants::{KeptAmounts, UsageAnswer, UsedAmounts};
use crate::cli::admin_arguments::AdminArguments;
use crate::cli::error::CommandError;
use crate::cli::operator::Operator;
use crate::cli::print;
use crate::cli::tenant::path::path_of;

/// Show what a tenant has used, by protocol and hour
///
/// Use is kept for a month. A crash of the service loses the last second of it, in the tenant's favour.
#[derive(Debug, Args)]
pub(crate) struct UsageArguments {
    /// Name of the tenant
    name: String,
    /// First day in UTC, as 2026-01-31 [default: a month before the last]
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Last day in UTC, as 2026-01-31 [default: today]
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV (RFC 4180), a line per hour and protocol
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(crate) fn run(arguments: &UsageArguments) -> Result<(), CommandError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, date) in [("from", &arguments.from), ("to", &arguments.to)] {
        if let Some(date) = date {
            query.append_pair(name, date);
        }
    }
    let path = format!("{}/usage?{}", path_of(&arguments.name)?, query.finish());
    let usage: UsageAnswer = Operator::new(&arguments.admin)?.get(path.trim_end_matches('?'))?;
    if arguments.json {
        return Ok(print::json(&usage)?);
    }
    let text = if arguments.csv { csv(&usage) } else { table(&usage) };
    Ok(print::write(text.as_bytes())?)
}

fn csv(usage: &UsageAnswer) -> String {
    let mut out = "tenant,hour,protocol,requests,bytes,key_uses\r\n".to_owned();
    for hour in &usage.hours {
        let UsedAmounts { requests, bytes, key_uses } = hour.used;
        let (tenant, begin, protocol) = (&usage.tenant, &hour.hour, &hour.protocol);
        // Writing to a String cannot fail; names and times have no commas.
        let _ = write!(out, "{tenant},{begin},{protocol},{requests},{bytes},{key_uses}\r\n");
    }
    out
}

fn table(usage: &UsageAnswer) -> String {
    let mut out = format!("{} from {} to {}\n", usage.tenant, usage.from, usage.to);
    let _ =
        writeln!(out, "{:<12} {:>12} {:>16} {:>12}", "PROTOCOL", "REQUESTS", "BYTES", "KEY USES");
    for (protocol, UsedAmounts { requests, bytes, key_uses }) in &usage.total {
        let _ = writeln!(out, "{protocol:<12} {requests:>12} {bytes:>16} {key_uses:>12}");
    }
    if usage.total.is_empty() {
        out.push_str("nothing\n");
    }
    let KeptAmounts { namespaces, records, stored_bytes } = usage.at_rest;
    let bytes = stored_bytes.map_or("bytes not counted yet".to_owned(), |it| format!("{it} bytes"));
    let _ = writeln!(out, "at rest: {namespaces} namespaces, {records} records, {bytes}");
    out
}
