//! Devices that fail behind a device file: named pipes that this test writes.

use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::Value;

use crate::running::{Running, get, lavawall};

/// How long anything is waited for before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A device file that gives what a function writes, until this is dropped.
struct Device {
    path: PathBuf,
    _folder: tempfile::TempDir,
    ends: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Device {
    /// A device whose every next bytes are written by `fill`.
    fn new(mut fill: impl FnMut(&mut Vec<u8>) + Send + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("device");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let ends = Arc::new(AtomicBool::new(false));
        let (device, over) = (path.clone(), Arc::clone(&ends));
        let writer = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            while !over.load(Ordering::Relaxed) {
                // Opening waits for a reader, as does writing while the pipe is full.
                let Ok(mut pipe) = OpenOptions::new().write(true).open(&device) else { return };
                loop {
                    bytes.clear();
                    fill(&mut bytes);
                    if over.load(Ordering::Relaxed) || pipe.write_all(&bytes).is_err() {
                        break;
                    }
                }
            }
        });
        Self { path, _folder: folder, ends, writer: Some(writer) }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // A reader frees a writer that waits for one; when it goes, a full pipe is an error.
        let reader = fs::File::open(&self.path);
        drop(reader);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Random bytes of the operating system.
fn noise(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).expect("the operating system's bytes");
    bytes
}

/// The operating system and a generator behind this device.
fn with(device: &Device, settings: &str) -> String {
    let path = device.path().display();
    format!(
        "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"hwrng\"\ndevice = \"{path}\"\n{settings}"
    )
}

/// The report on a source in `/status`.
fn report(service: &Running, id: &str) -> Value {
    let status: Value = serde_json::from_str(&get(service, "/status").text()).expect("JSON");
    let sources = status["sources"].as_array().expect("a list");
    sources.iter().find(|source| source["id"] == id).expect("the source").clone()
}

/// Waits until the report on a source says this, and gives it.
fn wait_for(service: &Running, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let report = report(service, id);
        if is_so(&report) {
            return report;
        }
        assert!(Instant::now() < end, "waited in vain for {what}: {report}\n{}", service.log());
        std::thread::yield_now();
    }
}

#[test]
fn a_device_that_gives_one_buffer_again_and_again_is_never_credited() {
    for (settings, size) in [("", 64), ("", 1000), ("entropy-per-bit = 1.0\n", 8)] {
        let buffer = noise(size);
        let device = Device::new(move |bytes| bytes.extend_from_slice(&buffer));
        let service = Running::start(&with(&device, settings));
        let report = wait_for(&service, "hwrng", "an alarm of its bytes", |report| {
            report["state"] == "alarmed"
        });
        let test = report["last_alarm"]["test"].as_str().expect("a name");
        assert!(["recurrence", "lag-predictor"].contains(&test), "{size}: {report}");
        assert_eq!(report["credited_bits"], 0, "{size}: {report}");
        assert_eq!(get(&service, "/health/ready").status, 503);
    }
}

#[test]
fn a_device_that_sticks_after_good_bytes_loses_its_credit() {
    let mut left = 400;
    let device = Device::new(move |bytes| {
        left -= i32::from(left > 0);
        bytes.extend(if left > 0 { noise(64) } else { [0x5a, 1, 2, 3, 4, 5, 6, 7].repeat(8) });
    });
    let service = Running::start(&with(&device, "[pool]\nreseed-interval = \"1s\"\n"));
    let report = wait_for(&service, "hwrng", "its alarm", |report| {
        report["state"] == "alarmed" && report["credited_bits"] != 0
    });
    let test = report["last_alarm"]["test"].as_str().expect("a name");
    assert!(["recurrence", "lag-predictor"].contains(&test), "{report}");
    assert_eq!(report["credit_bits_per_second"], 0.0, "of a source without credit: {report}");
    let end = Instant::now() + PATIENCE;
    while !get(&service, "/status").text().contains("\"degraded\"") {
        assert!(Instant::now() < end, "the quorum is not lost: {}", service.log());
        std::thread::yield_now();
    }
}

#[test]
fn a_device_that_gives_no_more_bytes_is_absent_and_has_no_credit_rate() {
    let (give, given) = channel();
    let device = Device::new(move |bytes| {
        if given.recv().is_ok() {
            bytes.extend(noise(64));
        }
    });
    // Dropped before the device, which waits for its writer.
    let give = give;
    // The first window: it is assessed before any credit. Then one sample after the other.
    let sent = Cell::new(256);
    (0..sent.get()).for_each(|_| give.send(()).expect("a writer"));
    let service = Running::start(&with(&device, ""));
    wait_for(&service, "hwrng", "its credit", |report| {
        if report["samples"].as_u64() >= Some(sent.get()) {
            give.send(()).expect("a writer");
            sent.set(sent.get() + 1);
        }
        report["credit_bits_per_second"] != 0.0
    });
    let report = wait_for(&service, "hwrng", "its silence", |it| it["state"] == "absent");
    assert_ne!(report["credited_bits"], 0, "{report}");
    assert_eq!(report["credit_bits_per_second"], 0.0, "{report}");
}

#[test]
fn a_device_that_passes_every_continuous_test_is_assessed_before_any_credit() {
    // One byte in eight follows from the last one: nothing repeats, and each value is as common as
    // any other. A claim of 8 bits a byte is false.
    let mut last = 0_u8;
    let device = Device::new(move |bytes| {
        for choice in noise(64) {
            let mixed = (last ^ (last >> 3)).wrapping_mul(0x9d);
            let mixed = (mixed ^ (mixed >> 4)).wrapping_mul(0x2b);
            last = mixed ^ (mixed >> 5) ^ if choice < 32 { 0 } else { choice };
            bytes.push(last);
        }
    });
    let service = Running::start(&with(&device, "entropy-per-bit = 1.0\n"));
    let report = wait_for(&service, "hwrng", "its alarm", |report| report["state"] == "alarmed");
    assert_eq!(report["last_alarm"]["test"], "below-claim", "{report}");
    assert_eq!(report["credited_bits"], 0, "{report}");
    assert_eq!(get(&service, "/health/ready").status, 503);
    let detail = report["last_alarm"]["detail"].as_str().expect("figures");
    assert!(detail.contains("at least 4.000 needed for a claim of 8.000"), "{detail}");
}

/// A generator behind this device, under the driver that this file names.
fn behind(device: &Device, driver: &std::path::Path) -> String {
    let (device, driver) = (device.path().display(), driver.display());
    format!("[[source]]\ntype = \"hwrng\"\ndevice = \"{device}\"\nrng-current = \"{driver}\"\n")
}

fn is_credited(report: &Value) -> bool {
    report["credited_bits"] != 0
}

#[test]
fn a_trusted_platform_module_behind_hwrng_is_of_the_kind_tpm_and_counts_once() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = |name: &str, driver: &str| {
        let path = folder.path().join(name);
        fs::write(&path, driver).expect("written");
        path
    };
    let drivers = [
        (file("chip", "tpm-rng-0\n"), "tpm"),
        (file("older", "tpm-rng"), "tpm"),
        (file("empty", ""), "tpm"),
        (folder.path().join("absent"), "tpm"),
        (file("host", "virtio_rng.0\n"), "device"),
        (file("board", "bcm2835-rng\n"), "device"),
    ];
    let devices: Vec<_> =
        drivers.iter().map(|_| Device::new(|bytes| bytes.extend(noise(64)))).collect();
    let sources: String =
        drivers[..4].iter().zip(&devices).map(|((driver, _), it)| behind(it, driver)).collect();
    let pool = "[pool]\nquorum = 3\nreseed-interval = \"1s\"\n[[source]]\ntype = \"os\"\n";
    let service = Running::start(&format!("{pool}{sources}"));
    let id = |number: usize| match number {
        0 => "hwrng".to_owned(),
        _ => format!("hwrng-{}", number + 1),
    };
    for number in 0..4 {
        let report = wait_for(&service, &id(number), "its credit", is_credited);
        assert_eq!(report["kind"], "tpm", "{report}");
        assert!(report["notes"][0].as_str().expect("a note").contains("kind tpm"), "{report}");
    }
    wait_for(&service, "os", "its credit", is_credited);
    // The collector counts kinds a moment after a source is credited.
    service.wait_until("two kinds are not counted", |it| {
        let refused = get(it, "/random");
        assert_eq!(refused.status, 503, "{}", refused.text());
        refused.text().contains("2 of 3")
    });
    // The same chips with two devices of the kind `device`.
    let sources: String =
        drivers.iter().zip(&devices).map(|((driver, _), it)| behind(it, driver)).collect();
    service.configure(&format!("{pool}{sources}"));
    service.signal(Signal::HUP);
    service.wait_until("it is not ready", |it| get(it, "/health/ready").status == 200);
    let notes = |number| report(&service, &id(number))["notes"].clone();
    assert!(
        notes(4)[0].as_str().expect("a note").contains("depend on the one host"),
        "{}",
        notes(4)
    );
    assert_eq!(notes(5), serde_json::json!([]));
}

#[test]
fn a_driver_that_takes_hwrng_over_is_not_counted_as_the_kind_before_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let driver = folder.path().join("rng_current");
    fs::write(&driver, "virtio_rng.0\n").expect("written");
    let device = Device::new(|bytes| bytes.extend(noise(64)));
    let pool = "[pool]\nreseed-interval = \"1s\"\n[[source]]\ntype = \"os\"\n";
    let service = Running::start(&format!("{pool}{}", behind(&device, &driver)));
    wait_for(&service, "hwrng", "its credit", is_credited);
    // Another one of the same kind is a change of identity, and goes on.
    fs::write(&driver, "virtio_rng.1\n").expect("written");
    wait_for(&service, "hwrng", "the other driver", |report| {
        report["identity"] == "virtio_rng.1" && report["state"] == "healthy"
    });
    fs::write(&driver, "tpm-rng-0\n").expect("written");
    service.wait_for_log("its device is now of the kind tpm, not device: reload to count it");
    let report = report(&service, "hwrng");
    assert!(report["state"] != "healthy" && report["kind"] == "device", "{report}");
    service.signal(Signal::HUP);
    let report = wait_for(&service, "hwrng", "its kind", |report| {
        report["kind"] == "tpm" && report["state"] == "healthy"
    });
    assert_eq!(report["identity"], "tpm-rng-0");
}

#[test]
fn a_live_assessment_is_shown_with_its_age_and_never_as_now() {
    let service = Running::start("[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n");
    let report = wait_for(&service, "os", "a live assessment", |report| !report["live"].is_null());
    assert!(report["live"]["age_seconds"].is_u64(), "{report}");
    let shown = service.operate(&["status", "--url", &service.url()], "").out;
    assert!(shown.contains(" s ago ") && !shown.contains(" now "), "{shown}");
    let page = get(&service, "/").text();
    assert!(page.contains("age_seconds"), "the dashboard shows it too");
}

#[test]
fn a_replay_goes_on_over_broken_pictures_and_a_truncated_frame_and_says_so() {
    let folder = tempfile::tempdir().expect("a directory");
    let picture = |level: u8| [b"P5 16 16 255\n".as_slice(), &[level; 256]].concat();
    for (name, content) in [
        ("a.pgm", picture(10)),
        ("b.pgm", picture(20)[..100].to_vec()),
        ("c.png", b"no picture".to_vec()),
        ("d.pgm", picture(30)),
    ] {
        fs::write(folder.path().join(name), content).expect("written");
    }
    let videos = tempfile::tempdir().expect("a directory");
    let frames = [b"YUV4MPEG2 W16 H16 F2000:1 Cmono\n".as_slice(), b"FRAME\n", &[1; 256]].concat();
    let video = videos.path().join("video.y4m");
    fs::write(&video, [&frames, b"FRAME\n".as_slice(), &[2; 200]].concat()).expect("written");
    let replay = |id: &str, path: &Path, more: &str| {
        let path = path.display();
        format!(
            "[[source]]\nid = \"{id}\"\ntype = \"replay\"\npath = \"{path}\"\nloop = true\n{more}"
        )
    };
    let service = Running::start(&format!(
        "[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n{}{}{}",
        replay("folder", folder.path(), "fps = 240\n"),
        replay("video", &video, "fps = 240\n"),
        replay("fast", &video, ""),
    ));
    for id in ["folder", "video"] {
        wait_for(&service, id, "a second round", |it| it["samples"].as_u64() > Some(5));
    }
    wait_for(&service, "fast", "its fault", |it| it["state"] == "absent");
    let log = service.log();
    for told in ["b.pgm", "c.png", "frame 1 is truncated"] {
        assert_eq!(log.matches(told).count(), 1, "{told}: {log}");
    }
    assert!(log.contains("(got 2000 in 1 s); fps sets another"), "{log}");
}

#[test]
fn a_source_that_gets_no_thread_is_one_incident_and_starts_when_there_is_one() {
    // A thread that has ended leaves no stack to the next one.
    let service = Running::start_with("[[source]]\ntype = \"os\"\n", |_| {
        let mut command = Command::new(lavawall());
        command.env("GLIBC_TUNABLES", "glibc.pthread.stack_cache_size=0");
        command
    });
    // What a start takes is taken: the rest of it would find no memory.
    service.wait_until_idle();
    // Less than the stack of a thread.
    service.limit_memory(Some(1 << 20));
    service.configure("[[source]]\ntype = \"os\"\n[[source]]\ntype = \"jitter\"\n");
    service.signal(Signal::HUP);
    service.wait_for_log("no thread");
    // Threads that end from here on make no room.
    service.map_no_more_memory();
    service.wait_until("it is not tried again", |it| it.log().matches("no thread").count() >= 3);
    let incidents = || {
        let status: Value = serde_json::from_str(&get(&service, "/status").text()).expect("JSON");
        let incidents = status["incidents"].as_array().expect("a list");
        incidents.iter().filter(|it| it["text"].to_string().contains("no thread")).count()
    };
    assert_eq!(incidents(), 1);
    assert_eq!(report(&service, "jitter")["state"], "absent");
    service.limit_memory(None);
    wait_for(&service, "jitter", "its thread", |report| report["state"] == "healthy");
    service.wait_until("it is not ready", |it| get(it, "/health/ready").status == 200);
    assert_eq!(incidents(), 1);
}

#[test]
fn a_flood_of_demands_shares_seeds_and_leaves_a_slow_device_its_turn() {
    // Fast through its start-up test, then two samples a second.
    let mut left = 600;
    let device = Device::new(move |bytes| {
        left -= i32::from(left > 0);
        if left == 0 {
            std::thread::sleep(Duration::from_millis(500));
        }
        bytes.extend(noise(64));
    });
    let jitter = "[[source]]\ntype = \"jitter\"\n";
    let pool = "[pool]\nreseed-interval = \"4s\"\n";
    let service = Running::start(&format!("{pool}{jitter}{}", with(&device, "")));
    wait_for(&service, "hwrng", "its credit", |report| report["credited_bits"] != 0);
    let generation = || {
        let status: Value = serde_json::from_str(&get(&service, "/status").text()).expect("JSON");
        status["generation"].as_u64().expect("a number")
    };
    let (began, before) = (Instant::now(), generation());
    let is_over = AtomicBool::new(false);
    let (answers, turns) = std::thread::scope(|scope| {
        let flood = || {
            let mut answers = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(get(&service, "/random?fresh=true").status, 200);
                answers += 1;
            }
            answers
        };
        let floods: Vec<_> = (0..16).map(|_| scope.spawn(flood)).collect();
        // Two turns of the slow device, in seeds of different generations.
        let mut turns = std::collections::BTreeSet::new();
        while turns.len() < 2 && began.elapsed() < PATIENCE {
            let headers = get(&service, "/random").headers;
            let value = |name: &str| {
                let line = headers.lines().find_map(|line| line.strip_prefix(name));
                line.expect("a header").trim().to_owned()
            };
            if value("entropy-sources:").contains("hwrng;q=1") {
                turns.insert(value("entropy-generation:"));
            }
        }
        is_over.store(true, Ordering::Relaxed);
        (floods.into_iter().map(|it| it.join().expect("answers")).sum::<u64>(), turns)
    });
    assert_eq!(turns.len(), 2, "the slow device is in no seed");
    let (seeds, seconds) = (generation() - before, began.elapsed().as_secs());
    // One fresh seed per second, a regular one every four, and those at either end.
    assert!(seeds <= seconds + seconds / 4 + 4, "{seeds} seeds in {seconds} s");
    assert!(answers > seeds, "{answers} answers share {seeds} seeds");
}
