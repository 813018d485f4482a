//! Kubernetes KMS v2 over its socket: the time of a call, one after another and many at once, as after a start of
//! kube-apiserver. It asks for 10 ms to open and 100 ms to seal.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/service/kms_client.rs"]
#[allow(dead_code, reason = "shared with the service's tests, which use all of it")]
mod kms_client;
#[path = "../tests/service/running.rs"]
#[allow(dead_code, reason = "shared with the service's tests, which use all of it")]
mod running;

use std::time::{Duration, Instant};

use kms_client::{DecryptRequest, EncryptRequest, KmsClient};
use running::Running;

/// Rounds of each.
const ROUNDS: usize = 41;

/// Calls one after another in a round.
const IN_TURN: usize = 500;

/// The seed of a data key of Kubernetes, in bytes.
const SEED: usize = 32;

fn main() {
    let folder = tempfile::tempdir().expect("a directory");
    let socket = folder.path().join("kms.sock");
    let service = Running::start(&format!(
        "[[kms]]\nlisten = \"unix:{}\"\nkey = \"cluster\"\n[[source]]\ntype = \"os\"\n\
         [[source]]\ntype = \"jitter\"\n",
        socket.display()
    ));
    service.wait_until("healthy", |_| KmsClient::connect(&socket).status().healthz == "ok");
    let client = KmsClient::connect(&socket);
    let seal = || client.encrypt(&[7; SEED]).expect("sealed").into_request();
    let stored: Vec<DecryptRequest> = (0..1000).map(|_| seal()).collect();
    let text = EncryptRequest { plaintext: vec![7; SEED], uid: "one".into() };
    let texts = vec![text; 1000];

    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.extend((0..IN_TURN).map(|_| timed(|| drop(seal()))));
    }
    report("Encrypt, one after another", times);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let open = |at: usize| drop(client.decrypt(&stored[at]).expect("opened"));
        times.extend((0..IN_TURN).map(|at| timed(|| open(at))));
    }
    report("Decrypt, one after another", times);
    for count in [100, 1000] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let answers = client.at_once("Decrypt", &stored[..count]);
            times.extend(answers.into_iter().map(|(time, answer)| {
                assert!(answer.is_ok());
                time
            }));
        }
        report(&format!("Decrypt, {count} at once"), times);
    }
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.extend(client.at_once("Encrypt", &texts).into_iter().map(|(time, _)| time));
    }
    report("Encrypt, 1000 at once", times);
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100];
    println!("{what:<28}  p50 {:>8.1?}  p99 {:>8.1?}", at(50), at(99));
}
