//! Which host a request is for (RFC 9112 §3.2).

use crate::appliance::{Appliance, config, seed};
use crate::client::Client;

#[test]
fn a_request_of_http_1_1_names_one_host_and_one_of_http_1_0_at_the_most() {
    let appliance = Appliance::starting(config());
    seed(&appliance.generator, 1);
    let paths =
        ["/random", "/health/live", "/", "/client/v4/accounts/default/storage/kv/namespaces"];
    for (version, hosts, is_right) in [
        ("1.1", "", false),
        ("1.1", "Host: localhost\r\n", true),
        ("1.1", "Host: localhost\r\nHost: localhost\r\n", false),
        ("1.0", "", true),
        ("1.0", "Host: localhost\r\n", true),
        ("1.0", "Host: localhost\r\nhost: b\r\n", false),
    ] {
        for path in paths {
            let mut client = Client::connect(appliance.address);
            client.send(&format!("GET {path} HTTP/{version}\r\n{hosts}\r\n"));
            let answer = client.read("GET");
            if is_right {
                assert_ne!(answer.status, 400, "{path} {version} {hosts:?}");
                continue;
            }
            let problem = answer.problem();
            assert_eq!(
                (answer.status, &problem["field"]),
                (400, &"Host".into()),
                "{path} {hosts:?}"
            );
            assert_eq!(problem["value"], hosts.matches('\n').count().to_string());
            assert_eq!(answer.header("connection"), Some("close"), "what follows may be another's");
        }
    }
}
