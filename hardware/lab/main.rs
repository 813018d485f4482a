//! The real camera path with no camera, and disks that fail: the release build of the service in a
//! virtual machine, behind a stock kernel's own drivers, watched from outside. `make lab` runs it.

#![expect(
    clippy::print_stdout,
    reason = "whoever waits for a virtual machine wants to see how far it is"
)]

mod camera;
mod disk;
mod egd;
mod guest;
mod tenants;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use camera::{Camera, Scene};
use guest::{Guest, PATIENCE};
use serde_json::Value;

fn plug(guest: &Guest) -> Camera {
    let camera = Camera::plug(guest.usb(), PATIENCE);
    camera.unwrap_or_else(|error| panic!("the guest takes no USB device: {error}"))
}

/// Whether a source is healthy, and was credited in the last seed.
fn counts(source: &Value) -> bool {
    source["state"] == "healthy" && source["in_last_seed"] == true
}

/// Waits until the camera is credited.
fn wait_until_camera_counts(guest: &Guest, what: &str) {
    guest.wait_for(what, || guest.status()["state"] == "ready" && counts(&guest.source("camera")));
}

/// Runs `work` while `/random` is asked over and over: it must answer every time.
fn while_random_answers(guest: &Guest, work: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut answers = 0;
            while !done.load(SeqCst) {
                let answer = guest.get("/random?bytes=32");
                let answer = answer.unwrap_or_else(|| panic!("no answer\n{}", guest.console()));
                assert_eq!((answer.status, answer.body.len()), (200, 32));
                answers += 1;
            }
            answers
        });
        // Also when `work` panics, or the scope would wait for ever.
        let _done = OnDrop(&done);
        work();
        done.store(true, SeqCst);
        let answers = asking.join().expect("/random answered throughout");
        println!("lab: {answers} answers meanwhile");
    });
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Waits until this is the last alarm of the camera.
fn wait_for_alarm(guest: &Guest, test: &str) {
    let is_raised = || guest.source("camera")["last_alarm"]["test"] == test;
    guest.wait_for(&format!("the alarm {test}"), is_raised);
}

#[test]
#[ignore = "boots a virtual machine: make lab"]
fn a_usb_camera_is_credited_and_every_fault_of_it_is_told_while_random_answers() {
    let guest = Guest::boot("yuyv.toml");
    let refused = guest.get("/random").expect("an answer");
    assert_eq!(refused.status, 503, "no seed without the required camera");
    let camera = plug(&guest);
    wait_until_camera_counts(&guest, "the camera to be credited");
    for (id, kind) in [("hwrng", "device"), ("tpm", "tpm"), ("camera", "physical-camera")] {
        let source = guest.source(id);
        assert!(counts(&source) && source["kind"] == kind, "{source}");
    }
    assert_eq!(camera.power_line_hz(), Some(50));
    let source = guest.source("camera");
    assert!(!source["notes"].to_string().contains("mains"), "{source}");
    assert_eq!(source["virtual"], true);
    assert!(source["notes"].to_string().contains("allow-virtual"), "{source}");
    assert!(source["identity"].to_string().contains("usb:1d6b:0102:LAB0001"), "{source}");
    let sources = guest.get("/random").expect("an answer").sources;
    for id in ["camera;q=1", "hwrng;q=1", "tpm;q=1"] {
        assert!(sources.contains(id), "{id} in {sources}");
    }

    while_random_answers(&guest, || {
        drop(camera);
        guest.wait_for("the camera to be missed", || {
            guest.source("camera")["state"] == "absent" && guest.status()["state"] == "degraded"
        });
        let camera = plug(&guest);
        wait_until_camera_counts(&guest, "the camera to be back");

        camera.damage_one();
        wait_for_alarm(&guest, "bad-transfer");
        for (scene, alarm) in [(Scene::Frozen, "frozen"), (Scene::Covered, "covered-lens")] {
            camera.show(scene);
            wait_for_alarm(&guest, alarm);
            camera.show(Scene::Lamps);
            wait_until_camera_counts(&guest, "the camera to have earned its credit back");
        }
        camera.stall(true);
        wait_for_alarm(&guest, "deadline");
        camera.stall(false);
        wait_until_camera_counts(&guest, "the camera to be back");
    });
    guest.check_kernel();
}

#[test]
#[ignore = "boots a virtual machine: make lab"]
fn compressed_pictures_go_in_uncredited_and_a_virtual_camera_is_refused_by_the_rules() {
    let guest = Guest::boot("mjpeg.toml");
    let camera = plug(&guest);
    // Its first window is assessed before it counts as healthy.
    guest.wait_for("pictures", || {
        let source = guest.source("camera");
        source["samples"].as_u64() > Some(20) && source["state"] == "healthy"
    });
    let source = guest.source("camera");
    assert_eq!((&source["state"], &source["credited_bits"]), (&"healthy".into(), &0.into()));
    let goes_in =
        || guest.get("/random").is_some_and(|answer| answer.sources.contains("camera;q=0"));
    guest.wait_for("a seed with the camera in it, uncredited", goes_in);
    guest.wait_for("a refusal that says which key would allow it", || {
        let refused = guest.source("by-the-rules");
        let says = refused["last_alarm"]["detail"].to_string().contains("allow-virtual");
        refused["state"] == "absent" && says
    });

    while_random_answers(&guest, || {
        camera.cut_one();
        wait_for_alarm(&guest, "bad-transfer");
        drop(camera);
        guest.wait_for("the camera to be missed", || guest.source("camera")["state"] == "absent");
    });
    guest.check_kernel();
}

#[test]
#[ignore = "boots a virtual machine: make lab"]
fn nokhwa_reads_the_same_camera_and_survives_its_stall_and_its_unplugging() {
    let guest = Guest::boot("nokhwa.toml");
    let camera = plug(&guest);
    wait_until_camera_counts(&guest, "the camera to be credited");
    assert_eq!(camera.power_line_hz(), Some(60));
    while_random_answers(&guest, || {
        camera.stall(true);
        wait_for_alarm(&guest, "deadline");
        drop(camera);
        let camera = plug(&guest);
        wait_until_camera_counts(&guest, "the camera to be back");
        drop(camera);
        guest.wait_for("the camera to be missed", || guest.source("camera")["state"] == "absent");
    });
    guest.check_kernel();
}
