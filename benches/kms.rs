//! Kubernetes KMS v2 over its socket: the time of a call, one after another and many at once, as after a start of
//! kube-apiserver. It asks for 10 ms to open and 100 ms to seal. The service is on one core and the client on the
//! other; of the processor time of both the share of each call is told, too.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::cast_possible_truncation, reason = "counts of a few thousand")]
#![expect(clippy::cast_sign_loss, reason = "no time is negative")]

#[path = "../tests/service/kms_client.rs"]
#[allow(dead_code, reason = "shared with the service's tests, which use all of it")]
mod kms_client;
#[path = "../tests/service/running.rs"]
#[allow(dead_code, reason = "shared with the service's tests, which use all of it")]
mod running;

use std::process::Command;
use std::time::{Duration, Instant};

use kms_client::{DecryptRequest, EncryptRequest, KmsClient};
use running::Running;
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// Rounds of each.
const ROUNDS: usize = 41;

/// The unit of a processor's time.
const TICK: Duration = Duration::from_millis(10);

/// Calls one after another in a round.
const IN_TURN: usize = 500;

/// The seed of a data key of Kubernetes, in bytes.
const SEED: usize = 32;

fn main() {
    let folder = tempfile::tempdir().expect("a directory");
    let socket = folder.path().join("kms.sock");
    let configuration = format!(
        "[[kms]]\nlisten = \"unix:{}\"\nkey = \"cluster\"\n[[source]]\ntype = \"os\"\n\
         [[source]]\ntype = \"jitter\"\n",
        socket.display()
    );
    let service = Running::start_with(&configuration, |_| {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "0"]).arg(running::lavawall());
        command
    });
    let mut second = CpuSet::new();
    second.set(1);
    sched_setaffinity(None, &second).expect("a second core");
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
        let before = [service.processor_ticks(), own_ticks()];
        for _ in 0..ROUNDS {
            let answers = client.at_once("Decrypt", &stored[..count]);
            times.extend(answers.into_iter().map(|(time, answer)| {
                assert!(answer.is_ok());
                time
            }));
        }
        let after = [service.processor_ticks(), own_ticks()];
        let calls = times.len() as u32;
        report(&format!("Decrypt, {count} at once"), times);
        let [service, client] = [0, 1].map(|of| TICK * (after[of] - before[of]) as u32 / calls);
        println!("{:<28}  of each, the service {service:.1?}, the client {client:.1?}", "");
    }
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.extend(client.at_once("Encrypt", &texts).into_iter().map(|(time, _)| time));
    }
    report("Encrypt, 1000 at once", times);
}

/// The processor time of this thread.
fn own_ticks() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32).as_millis() as u64 / 10
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
