//! A machine whose hardware generator is a service on its host, by EGD.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::guest::{Guest, PATIENCE, release_build};

/// Rounds of each generator.
const ROUNDS: usize = 5;

/// Blocks of 4 KiB that a round reads.
const BLOCKS: u32 = 64;

/// A service on the host, for the machine.
struct HostService {
    child: Child,
    folder: PathBuf,
}

impl HostService {
    fn start(folder: &Path) -> Self {
        let configuration = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[[egd]]\nlisten = \"unix:{}\"\n\
             [[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n",
            socket(folder).display()
        );
        fs::write(folder.join("lavawall.toml"), configuration).expect("written");
        let ready = folder.join("ready");
        let log = File::create(folder.join("log")).expect("a log");
        let child = Command::new(release_build())
            .args(["serve", "--config"])
            .arg(folder.join("lavawall.toml"))
            .arg("--state-dir")
            .arg(folder.join("state"))
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the release build");
        let end = Instant::now() + PATIENCE;
        while !ready.exists() {
            assert!(Instant::now() < end, "the service on the host is not ready");
            thread::sleep(Duration::from_millis(100));
        }
        Self { child, folder: folder.to_owned() }
    }

    /// Ends it at once, and starts it again.
    fn kill_and_restart(mut self) -> Self {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
        let folder = self.folder.clone();
        fs::remove_file(folder.join("ready")).expect("removed");
        drop(self);
        Self::start(&folder)
    }
}

impl Drop for HostService {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("egd.sock")
}

/// Bytes of the machine's hardware generator, as digits.
fn read_hwrng(guest: &Guest) -> String {
    guest.shell(
        "dd if=/dev/hwrng bs=64 count=4 iflag=fullblock 2> /dev/null | hexdump -v -e '/1 \"%02x\"'",
    )
}

#[test]
#[ignore = "boots a virtual machine: make lab"]
fn a_machine_is_seeded_by_the_service_and_goes_on_when_it_is_killed_and_restarted() {
    let folder = tempfile::tempdir().expect("a directory");
    let service = HostService::start(folder.path());
    let guest = Guest::boot_with_egd("disk.toml", &socket(folder.path()));
    guest.wait_for("the kernel to be seeded", || {
        guest.shell("dmesg").contains("random: crng init done")
    });
    assert_eq!(guest.shell("cat /sys/class/misc/hw_random/rng_current").trim(), "virtio_rng.0");
    let first = read_hwrng(&guest);
    assert_eq!(first.len(), 512, "{first}");
    guest.wait_for("the service in the machine to be seeded by it", || {
        let source = guest.source("hwrng");
        source["state"] == "healthy" && source["in_last_seed"] == true
    });

    let _service = service.kill_and_restart();
    // QEMU connects again within a second (`reconnect=1`).
    let second = read_hwrng(&guest);
    assert_eq!(second.len(), 512, "{second}");
    assert_ne!(first, second);
    guest.check_kernel();
}

#[test]
#[ignore = "boots a virtual machine: make lab"]
fn a_machine_reads_the_service_and_the_generator_of_qemu_each_at_its_rate() {
    let folder = tempfile::tempdir().expect("a directory");
    let _service = HostService::start(folder.path());
    let guest = Guest::boot_with_both("os.toml", &socket(folder.path()));
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (number, rates) in rates.iter_mut().enumerate() {
            rates.push(bytes_a_second(&guest, number));
        }
    }
    let [ours, theirs] = rates.map(|mut rates| {
        rates.sort_unstable_by(f64::total_cmp);
        rates[ROUNDS / 2]
    });
    println!(
        "lab: {ours:.0} bytes a second by EGD, {theirs:.0} of rng-random: {:.2}",
        ours / theirs
    );
    guest.check_kernel();
}

/// How fast a machine reads one of its generators.
fn bytes_a_second(guest: &Guest, number: usize) -> f64 {
    let choose = format!("echo virtio_rng.{number} > /sys/class/misc/hw_random/rng_current");
    // In hundredths of a second.
    let uptime = "cut -d ' ' -f 1 /proc/uptime";
    let read = format!("dd if=/dev/hwrng of=/dev/null bs=4096 count={BLOCKS} iflag=fullblock");
    let printed = guest.shell(&format!("{choose}\n{uptime}\n{read} 2> /dev/null\n{uptime}"));
    let times: Vec<f64> = printed.lines().map(|line| line.trim().parse().expect(line)).collect();
    let [begin, end] = times[..] else { panic!("{printed}") };
    f64::from(BLOCKS * 4096) / (end - begin)
}
