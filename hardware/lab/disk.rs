//! A disk that turns read-only under the running service, as Linux makes it in an emergency.

use serde_json::Value;

use crate::guest::Guest;
use crate::while_random_answers;

const NAMESPACES: &str = "/client/v4/accounts/default/storage/kv/namespaces";

/// What is written while the disk takes it, and must be there ever after.
struct Records<'a> {
    guest: &'a Guest,
    token: String,
    namespace: String,
    acknowledged: Vec<String>,
}

impl<'a> Records<'a> {
    fn begin(guest: &'a Guest) -> Self {
        guest.wait_for("the administrator's token", || {
            guest.shell("cat /root/state/admin.token").trim().len() == 43
        });
        let token = guest.shell("cat /root/state/admin.token").trim().to_owned();
        // The token is written before the first keyring is made and the store is opened.
        guest.wait_for("the store to open", || {
            guest.call(("GET", NAMESPACES), &token, None).0 == 200
        });
        let made = guest.call(("POST", NAMESPACES), &token, Some("{\"title\":\"first\"}"));
        assert_eq!(made.0, 200, "{}", made.1);
        let namespace = json(&made.1)["result"]["id"].as_str().expect("an id").to_owned();
        Self { guest, token, namespace, acknowledged: Vec::new() }
    }

    fn call(&self, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
        let path = format!("{NAMESPACES}/{}{path}", self.namespace);
        self.guest.call((method, &path), &self.token, body)
    }

    fn put(&self, name: &str) -> (u16, String) {
        self.call("PUT", &format!("/values/{name}"), Some(&value(name)))
    }

    /// Writes some more; each must be taken.
    fn write(&mut self, names: &[&str]) {
        for name in names {
            let (status, body) = self.put(name);
            assert_eq!(status, 200, "{name}: {body}\n{}", self.guest.console());
            self.acknowledged.push((*name).to_owned());
        }
    }

    /// Everything that was acknowledged is there.
    fn all_there(&self) {
        let listed = json(&self.call("GET", "/keys", None).1);
        let listed = listed["result"].as_array().expect("a list");
        for name in &self.acknowledged {
            assert_eq!(self.call("GET", &format!("/values/{name}"), None), (200, value(name)));
            assert!(listed.iter().any(|it| it["name"] == **name), "{name} in {listed:?}");
        }
    }

    /// What the service does while its disk takes nothing.
    fn writes_are_refused_and_all_else_goes_on(&self) {
        self.all_there();
        for _ in 0..3 {
            is_refused("the store cannot be written", &self.put("refused"));
            let gone = self.call("DELETE", &format!("/values/{}", self.acknowledged[0]), None);
            is_refused("the store cannot be written", &gone);
            self.all_there();
        }
        let second =
            self.guest.call(("POST", NAMESPACES), &self.token, Some("{\"title\":\"second\"}"));
        is_refused("cannot be written", &second);
        let rotate = format!("rotate namespace {}", self.namespace);
        let (printed, code) = self.operate(&rotate);
        assert!(code == 69 && printed.contains("Read-only file system"), "{code}: {printed}");
        assert!(printed.contains("audit log /root/state/audit.log"), "{printed}");
        self.guest.wait_for("the status to say it", || {
            let incidents = self.guest.status()["incidents"].to_string();
            incidents.contains("the store cannot write: ")
                && incidents.contains("Read-only file system")
        });
        assert_eq!(self.guest.status()["keyring"]["state"], "open");
        self.all_there();
    }

    /// Runs a command of the operator's in the machine; gives what it printed, and its exit code.
    fn operate(&self, arguments: &str) -> (String, i32) {
        let ask = format!("LAVAWALL_STATE_DIR=/root/state lavawall {arguments}; echo \"code $?\"");
        let printed = self.guest.shell(&ask);
        let code = printed.rsplit("code ").next().and_then(|code| code.trim().parse().ok());
        (printed.clone(), code.unwrap_or_else(|| panic!("no exit code: {printed}")))
    }
}

fn value(name: &str) -> String {
    format!("the value of {name} ").repeat(100)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The envelope, with 503 and these words.
fn is_refused(words: &str, (status, body): &(u16, String)) {
    assert_eq!(*status, 503, "{body}");
    let body = json(body);
    assert_eq!(body["success"], false, "{body}");
    let message = body["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains(words), "{message}");
}

/// As the kernel does in an emergency (`SysRq u`), whoever has files open for writing.
fn turn_read_only(guest: &Guest) {
    guest.shell("echo u > /proc/sysrq-trigger");
    guest.wait_for("the disk to be read-only", || {
        guest.shell("touch /root/state/trial").contains("Read-only file system")
    });
}

#[test]
#[ignore = "boots a virtual machine: make lab"]
fn a_disk_that_turns_read_only_refuses_writes_and_keys_and_loses_nothing_while_random_answers() {
    let guest = Guest::boot("disk.toml");
    let mut records = Records::begin(&guest);
    records.write(&["one", "two", "three"]);

    while_random_answers(&guest, || {
        turn_read_only(&guest);
        records.writes_are_refused_and_all_else_goes_on();
        guest.shell("mount -o remount,rw /root/state");
        guest.wait_for("writing to go on without a restart", || records.put("four").0 == 200);
        records.acknowledged.push("four".to_owned());
        records.write(&["five"]);
        records.all_there();
        assert_eq!(records.operate(&format!("rotate namespace {}", records.namespace)).1, 0);
    });

    // And where it does not come back: the service is killed, and the disk mounted anew.
    while_random_answers(&guest, || {
        turn_read_only(&guest);
        records.writes_are_refused_and_all_else_goes_on();
    });
    guest.shell(
        "echo 'umount /root/state; mount -t ext4 -o loop /disk /root/state' > /again\n\
         kill -KILL $(pidof lavawall)",
    );
    guest.wait_for("the service to be back", || {
        guest.get("/status").is_some_and(|it| {
            let status = json(&String::from_utf8_lossy(&it.body));
            // Nothing can be sealed before the first windows are assessed.
            status["state"] == "ready" && status["keyring"]["state"] == "open"
        })
    });
    records.write(&["six"]);
    records.all_there();
    let (printed, code) = records.operate("audit");
    assert_eq!(code, 0, "{printed}");
    assert!(!guest.has_said("panicked"), "{}", guest.said_from("panicked"));
    guest.check_kernel();
}
