//! Service links: variables that an orchestrator sets in a container for each service beside it.
//!
//! ```text
//! LAVAWALL_METRICS_SERVICE_HOST=10.0.0.11        Kubernetes, for a Service named lavawall-metrics
//! LAVAWALL_METRICS_SERVICE_PORT=9100
//! LAVAWALL_METRICS_SERVICE_PORT_HTTP=9100        a named port
//! LAVAWALL_METRICS_PORT=tcp://10.0.0.11:9100     Kubernetes, and links of containers
//! LAVAWALL_METRICS_PORT_9100_TCP=tcp://10.0.0.11:9100
//! LAVAWALL_METRICS_PORT_9100_TCP_PROTO=tcp       and _PORT=9100, _ADDR=10.0.0.11
//! LAVAWALL_METRICS_NAME=/web/lavawall-metrics    links of containers alone
//! LAVAWALL_METRICS_PORT_9100_TCP_START=tcp://…   adjacent ports; and _END, _PORT_START, _PORT_END
//! LAVAWALL_METRICS_ENV_PATH=/usr/bin             a variable of the linked container
//! ```
//! Name and value must both have such a form: a mistyped key of the configuration has not. Those of a
//! service named `lavawall` cannot be mistaken, since no section is called `service` or `port`.

use std::net::IpAddr;

/// The transport protocols of services.
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// Whether this variable describes a service whose name begins with `lavawall`.
pub(crate) fn is_service_link(name: &str, value: &str) -> bool {
    let Some(name) = name.strip_prefix("LAVAWALL").filter(|rest| rest.starts_with('_')) else {
        return false;
    };
    let is_of_lavawall = ["_PORT_", "_SERVICE_"].iter().any(|start| name.starts_with(start));
    // No key has a part that is called `env`.
    if name == "_PORT" || is_of_lavawall || name.contains("_ENV_") {
        return true;
    }
    let is_address = || is_address(value);
    let is_port = || value.parse::<u16>().is_ok();
    let is_host = || value.parse::<IpAddr>().is_ok();
    let is_protocol = || PROTOCOLS.iter().any(|protocol| value.eq_ignore_ascii_case(protocol));
    let is_linked_name = || value.strip_prefix('/').is_some_and(|path| path.contains('/'));
    let ends = |end: &str| name.ends_with(end);
    // One name can have two forms: that of the service `lavawall-service` has the address, too.
    ends("_SERVICE_HOST") && is_host()
        || (ends("_SERVICE_PORT") || name.contains("_SERVICE_PORT_")) && is_port()
        || ends("_PORT") && is_address()
        || ends("_NAME") && is_linked_name()
        || match after_port(name) {
            Some("" | "_START" | "_END") => is_address(),
            Some("_PROTO") => is_protocol(),
            Some("_PORT" | "_PORT_START" | "_PORT_END") => is_port(),
            Some("_ADDR") => is_host(),
            _ => false,
        }
}

/// What follows `_PORT_9100_TCP` in a name.
fn after_port(name: &str) -> Option<&str> {
    name.match_indices("_PORT_").find_map(|(at, start)| {
        let (port, rest) = name[at + start.len()..].split_once('_')?;
        port.parse::<u16>().ok()?;
        PROTOCOLS.iter().find_map(|protocol| rest.strip_prefix(protocol))
    })
}

/// Whether a value is like `tcp://10.0.0.11:9100`.
fn is_address(value: &str) -> bool {
    value.split_once("://").is_some_and(|(protocol, address)| {
        PROTOCOLS.iter().any(|it| protocol.eq_ignore_ascii_case(it))
            && address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_any_service_whose_name_begins_like_ours_are_known() {
        for service in ["", "_METRICS", "_HTTP", "_POOL_QUORUM", "_SERVICE", "_2"] {
            for (suffix, value) in [
                ("_SERVICE_HOST", "10.0.0.11"),
                ("_SERVICE_HOST", "fd00::11"),
                ("_SERVICE_PORT", "9100"),
                ("_SERVICE_PORT_HTTP_METRICS", "9100"),
                ("_PORT", "tcp://10.0.0.11:9100"),
                ("_PORT", "udp://[fd00::11]:53"),
                ("_PORT_9100_TCP", "tcp://10.0.0.11:9100"),
                ("_PORT_53_UDP", "udp://10.0.0.11:53"),
                ("_PORT_5060_SCTP", "sctp://10.0.0.11:5060"),
                ("_PORT_9100_TCP_PROTO", "tcp"),
                ("_PORT_9100_TCP_PORT", "9100"),
                ("_PORT_9100_TCP_ADDR", "10.0.0.11"),
                ("_NAME", "/web/lavawall"),
                ("_PORT_9100_TCP_START", "tcp://172.17.0.2:9100"),
                ("_PORT_9100_TCP_PORT_END", "9102"),
                ("_ENV_LAVAWALL_LOG", "debug"),
            ] {
                let name = format!("LAVAWALL{service}{suffix}");
                assert!(is_service_link(&name, value), "{name}={value}");
            }
        }
    }

    #[test]
    fn keys_and_mistyped_keys_are_no_links() {
        for (name, value) in [
            ("LAVAWALL_HTTP_PORT", "8080"),
            ("LAVAWALL_HTTP_LISTEN", "tcp://10.0.0.11:9100"),
            ("LAVAWALL_POOL_QUORUM", "2"),
            ("LAVAWALL_HTTP_SERVICE_HOST", "random.example"),
            ("LAVAWALL_HTTP_SERVICE_PORT", "http"),
            ("LAVAWALL_HTTP_PORT_9100_TCP", "9100"),
            ("LAVAWALL_HTTP_PORT_9100_TCP_HOST", "10.0.0.11"),
            ("LAVAWALL_HTTP_NAME", "web"),
            ("LAVAWALLS_PORT", "tcp://10.0.0.11:9100"),
        ] {
            assert!(!is_service_link(name, value), "{name}={value}");
        }
    }
}
