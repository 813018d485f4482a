//! The text format of Prometheus, version 0.0.4, from that of `OpenMetrics`.
//!
//! ```text
//! # TYPE lavawall_requests counter       ─►  # TYPE lavawall_requests_total counter
//! # TYPE lavawall_build info             ─►  # TYPE lavawall_build_info gauge
//! # UNIT …, # EOF                        ─►  (no such lines)
//! ```
//! Both describe a family before its samples. The text format describes it under the name of the samples,
//! which have a suffix for counters and for information (`OpenMetrics` 1.0, §5).

use std::fmt::Write;

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Rewrites the text of `OpenMetrics`.
pub(crate) fn from_openmetrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        let Some(description) = line.strip_prefix("# ") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let mut words = description.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("HELP"), Some(_), text) => help = text,
            (Some("TYPE"), Some(family), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    other => ("", other),
                };
                // Writing to a String cannot fail.
                if let Some(help) = help.take() {
                    let help = help.replace("\\\"", "\"");
                    let _ = writeln!(out, "# HELP {family}{suffix} {help}");
                }
                let _ = writeln!(out, "# TYPE {family}{suffix} {kind}");
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_described_under_the_name_of_its_samples() {
        let text = "# HELP a_requests Answers.\n# TYPE a_requests counter\na_requests_total{e=\"# x\"} 1\n\
                    # HELP a_age_seconds Of \\\"it\\\".\n# TYPE a_age_seconds gauge\n\
                    # UNIT a_age_seconds seconds\na_age_seconds 2\n\
                    # HELP a_build What runs.\n# TYPE a_build info\na_build_info{v=\"1\"} 1\n# EOF\n";
        let expected = "# HELP a_requests_total Answers.\n# TYPE a_requests_total counter\n\
                        a_requests_total{e=\"# x\"} 1\n\
                        # HELP a_age_seconds Of \"it\".\n# TYPE a_age_seconds gauge\na_age_seconds 2\n\
                        # HELP a_build_info What runs.\n# TYPE a_build_info gauge\n\
                        a_build_info{v=\"1\"} 1\n";
        assert_eq!(from_openmetrics(text), expected);
    }
}
