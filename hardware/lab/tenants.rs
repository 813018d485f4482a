//! Two tenants' networks over one EVPN fabric: the same address and port in the VRFs `red` and `blue`.

use serde_json::Value;

use crate::guest::Guest;

/// How long a tenant's machine waits for an answer, in seconds.
const CURL_PATIENCE: u32 = 10;

/// A tenant, with a machine in its own network.
struct Tenant<'a> {
    guest: &'a Guest,
    name: &'static str,
    token: String,
}

/// One answer, as curl shows it.
struct Shown {
    status: u16,
    head: String,
    body: String,
}

impl<'a> Tenant<'a> {
    fn create(guest: &'a Guest, name: &'static str, rate: &str) -> Self {
        let allow =
            format!("--allow random --allow 'kv:read:{name}/*' --allow 'kv:write:{name}/*'");
        let printed = operate(guest, &format!("tenant create {name} {allow}"));
        // Beside it, on standard error, is the word that it is shown once.
        let token = printed.lines().find(|line| line.len() == 43 && !line.contains(' '));
        let token = token.unwrap_or_else(|| panic!("no token: {printed}")).to_owned();
        operate(guest, &format!("tenant limit {name} --rate {rate}"));
        Self { guest, name, token }
    }

    /// Calls from this tenant's machine with this token. `None` when it cannot be reached.
    fn call_with(&self, token: &str, arguments: &str) -> Option<Shown> {
        let name = self.name;
        let printed = self.guest.shell(&format!(
            "/sbin/ip netns exec {name} curl --silent --show-error --include --max-time {CURL_PATIENCE} \
             --http1.1 --cacert /{name}.pem --header 'Authorization: Bearer {token}' \
             https://10.1.0.1:8080{arguments}; echo \"code $?\""
        ));
        let (answer, code) = printed.rsplit_once("code ").expect("an exit code");
        if code.trim() != "0" {
            println!("lab: {name}: {}", answer.trim());
            return None;
        }
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let head = head.to_ascii_lowercase();
        Some(Shown { status: status.expect("a status"), head, body: body.trim_end().to_owned() })
    }

    fn call(&self, arguments: &str) -> Option<Shown> {
        self.call_with(&self.token, arguments)
    }

    /// The status of the answer to a request for randomness; `None` when there is none.
    fn random(&self) -> Option<u16> {
        let shown = self.call("/random?bytes=32\\&format=hex")?;
        assert!(shown.status != 200 || shown.body.len() == 64, "{}", shown.body);
        Some(shown.status)
    }

    fn namespaces(&self) -> Vec<String> {
        let shown = self.call("/client/v4/accounts/default/storage/kv/namespaces").expect("a list");
        let listed: Value = serde_json::from_str(&shown.body).expect("JSON");
        let result = listed["result"].as_array().unwrap_or_else(|| panic!("{listed}"));
        result.iter().map(|it| it["title"].as_str().expect("a title").to_owned()).collect()
    }

    fn make_namespace(&self, title: &str) -> u16 {
        let body =
            format!("--header 'content-type: application/json' --data '{{\"title\":\"{title}\"}}'");
        let path = "/client/v4/accounts/default/storage/kv/namespaces";
        self.call(&format!("{path} {body}")).expect("an answer").status
    }

    /// Requests counted for this tenant, over all dialects.
    fn counted_requests(&self) -> u64 {
        let metrics = operator_metrics(self.guest);
        let mine = format!("tenant=\"{}\"", self.name);
        metrics
            .lines()
            .filter(|line| {
                line.starts_with("lavawall_tenant_requests_total{") && line.contains(&mine)
            })
            .map(|line| {
                line.rsplit(' ').next().and_then(|it| it.parse::<u64>().ok()).expect("a count")
            })
            .sum()
    }
}

/// Runs a command of the operator's in the machine; gives what it printed.
fn operate(guest: &Guest, arguments: &str) -> String {
    let printed = guest.shell(&format!(
        "LAVAWALL_STATE_DIR=/root/state lavawall {arguments} && echo 'it is done'"
    ));
    let done = printed.strip_suffix("it is done\n");
    done.unwrap_or_else(|| panic!("{arguments}: {printed}\n{}", guest.console())).to_owned()
}

/// `/metrics` as the operator sees it, on the host where the service runs.
fn operator_metrics(guest: &Guest) -> String {
    guest.shell(
        "/sbin/ip netns exec h1 curl --silent --show-error --max-time 10 \
         --header \"Authorization: Bearer $(cat /root/state/admin.token)\" \
         http://127.0.0.1:8080/metrics",
    )
}

/// A certificate for the address that both tenants see, and its key, in files of this name.
fn certificate(name: &str) -> [(String, String); 2] {
    let made = rcgen::generate_simple_self_signed(vec!["10.1.0.1".to_owned()]).expect("made");
    let key = made.signing_key.serialize_pem();
    [(format!("{name}.pem"), made.cert.pem()), (format!("{name}.key"), key)]
}

#[test]
#[ignore = "boots a virtual machine: make lab"]
fn two_tenants_with_one_address_on_two_networks_each_have_a_listener_limits_and_records_of_their_own()
 {
    let files: Vec<_> = ["red", "blue"].into_iter().flat_map(certificate).collect();
    let guest = Guest::boot_fabric("tenants.toml", &files);
    let red = Tenant::create(&guest, "red", "1000/s");
    let blue = Tenant::create(&guest, "blue", "3/h");

    // Each is answered by its own listener: its certificate is the only one that its machine trusts.
    guest.wait_for("red to be served", || red.random() == Some(200));
    guest.wait_for("blue to be served", || blue.random() == Some(200));

    // The limits are those of each.
    let head = red.call("/random?format=hex").expect("an answer").head;
    assert!(head.contains("ratelimit-policy: \"requests\";q=1000;w=1"), "{head}");
    let exhausted = || blue.random() == Some(429);
    guest.wait_for("blue to have used up its limit", exhausted);
    assert_eq!(red.random(), Some(200), "the limit of blue is none of red's");
    operate(&guest, "tenant limit blue --rate 1000/s");

    // The token of one is none on the listener of the other, and this is counted.
    let counted = |name| {
        let metrics = operator_metrics(&guest);
        let label =
            format!("lavawall_listener_foreign_tokens_total{{listener=\"10.1.0.1:8080%{name}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&label));
        line.unwrap_or_else(|| panic!("no {label} in {metrics}")).parse::<u64>().expect("a count")
    };
    assert_eq!((counted("red"), counted("blue")), (0, 0));
    let foreign = blue.call_with(&red.token, "/random?format=hex").expect("an answer");
    let unknown = blue.call_with(&"x".repeat(43), "/random?format=hex").expect("an answer");
    assert_eq!((foreign.status, &foreign.body), (401, &unknown.body));
    assert_eq!((counted("red"), counted("blue")), (0, 1));

    // Namespaces are those of each, and an interface that is not served is not there.
    assert_eq!(red.make_namespace("red/one"), 200);
    assert_eq!(blue.make_namespace("blue/one"), 200);
    assert_eq!(red.make_namespace("blue/two"), 403);
    assert_eq!(
        (red.namespaces(), blue.namespaces()),
        (vec!["red/one".into()], vec!["blue/one".into()])
    );
    assert_eq!(blue.call("/status").expect("an answer").status, 404);

    // A listener without a device is in no tenant's network, nor is that of a tenant in another.
    let unserved = guest.shell(
        "/sbin/ip netns exec h1 curl --max-time 5 https://10.1.0.1:8080/random; echo \"code $?\"",
    );
    assert!(unserved.contains("code 7") || unserved.contains("code 28"), "{unserved}");

    let (of_red, of_blue) = (red.counted_requests(), blue.counted_requests());
    guest.shell("/sbin/ip -n h1 link set vx-blue down");
    assert_eq!(blue.random(), None, "its network is down");
    for _ in 0..5 {
        assert_eq!(red.random(), Some(200), "red notices nothing");
    }
    assert_eq!(red.counted_requests(), of_red + 5);
    assert_eq!(blue.counted_requests(), of_blue);
    guest.shell("/sbin/ip -n h1 link set vx-blue up");
    guest.wait_for("blue to be served again", || blue.random() == Some(200));

    let used: Value =
        serde_json::from_str(&operate(&guest, "tenant usage red --json")).expect("JSON");
    assert!(used.to_string().contains("workers-kv"), "{used}");
    assert!(!guest.has_said("panicked"), "{}", guest.said_from("panicked"));
    guest.check_kernel();
}
