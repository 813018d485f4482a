use std::sync::{Arc, Mutex};

use super::*;
use lavawall_entropy::{Frame, Shape};

/// A camera that notes until when each frame is waited for.
#[derive(Default)]
struct Fake {
    waits: Arc<Mutex<Vec<Duration>>>,
    interval: Duration,
    held: Arc<Mutex<u32>>,
}

impl CameraBackend for Fake {
    fn frame(&mut self, sample: &mut Sample, deadline: Instant) -> Result<(), SourceError> {
        let wait = deadline.saturating_duration_since(Instant::now());
        self.waits.lock().expect("not poisoned").push(wait);
        sample.shape = Shape::Frame(Frame {
            format: PixelFormat::Grey,
            width: 16,
            height: 16,
            sequence: None,
            damaged: false,
        });
        Ok(())
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn hold_settings(&mut self) -> Vec<String> {
        *self.held.lock().expect("not poisoned") += 1;
        vec!["focus cannot be held: not permitted".to_owned()]
    }
}

fn camera(fake: Fake) -> Camera {
    Camera { backend: Box::new(fake), facts: Facts::default(), has_begun: false }
}

/// The waits, rounded up to ten milliseconds.
fn waits(interval_ms: u64, reads: usize) -> Vec<u64> {
    let fake = Fake { interval: Duration::from_millis(interval_ms), ..Fake::default() };
    let waits = Arc::clone(&fake.waits);
    let mut camera = camera(fake);
    for _ in 0..reads {
        camera
            .read(
                &mut Sample::new(std::time::Instant::now()),
                Instant::now() + Duration::from_mins(1),
            )
            .expect("a frame");
    }
    let waits = waits.lock().expect("not poisoned");
    waits
        .iter()
        .map(|wait| u64::try_from(wait.as_millis().div_ceil(10) * 10).expect("short"))
        .collect()
}

#[test]
fn a_frame_is_waited_for_three_intervals_and_the_first_one_longer() {
    assert_eq!(waits(1000, 3), [5000, 3000, 3000]);
    assert_eq!(waits(33, 2), [5000, 500]);
}

#[test]
fn no_frame_is_waited_for_past_the_callers_deadline() {
    let fake = Fake { interval: Duration::from_secs(1), ..Fake::default() };
    let waits = Arc::clone(&fake.waits);
    camera(fake)
        .read(&mut Sample::new(std::time::Instant::now()), Instant::now())
        .expect("a frame");
    assert_eq!(waits.lock().expect("not poisoned")[0], Duration::ZERO);
}

#[test]
fn settings_are_held_after_the_picture_has_settled_and_only_if_asked() {
    for (lock_settings, held) in [(true, 1), (false, 0)] {
        let fake = Fake::default();
        let (waits, holds) = (Arc::clone(&fake.waits), Arc::clone(&fake.held));
        let mut camera = camera(fake);
        camera.settle(&CameraConfig { lock_settings, ..CameraConfig::default() }).expect("settles");
        assert_eq!(waits.lock().expect("not poisoned").len(), SETTLING as usize);
        assert_eq!(*holds.lock().expect("not poisoned"), held);
        assert_eq!(camera.facts().notes.len(), held as usize);
    }
}

mod admission {
    use super::*;
    use crate::source::camera::node::test_node;

    const REAL: &str = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-3";
    const MADE_UP: &str = "/sys/devices/platform/vhci_hcd.0/usb3/3-1";

    #[test]
    fn a_virtual_camera_is_refused_unless_allowed_and_then_marked() {
        let error =
            admit(&test_node(MADE_UP), &CameraConfig::default(), None).expect_err("virtual");
        assert!(matches!(error, SourceError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("allow-virtual = true"), "{error}");
        let allowed = CameraConfig { allow_virtual: true, ..CameraConfig::default() };
        let facts = admit(&test_node(MADE_UP), &allowed, None).expect("allowed");
        assert!(facts.virtual_device && facts.notes[0].contains("allow-virtual"));
        let facts = admit(&test_node(REAL), &CameraConfig::default(), None).expect("real");
        assert!(!facts.virtual_device && facts.notes.is_empty());
    }

    #[test]
    fn another_camera_under_the_same_name_is_refused() {
        let node = test_node(REAL);
        let identity = node.identity();
        admit(&node, &CameraConfig::default(), Some(&identity)).expect("the same");
        let error = admit(&node, &CameraConfig::default(), Some("usb:dead:beef at 0 port 1"))
            .expect_err("another");
        assert!(matches!(error, SourceError::IdentityChanged { .. }), "{error}");
    }

    #[test]
    fn a_compressed_format_is_noted_as_worth_nothing() {
        let config = CameraConfig { format: PixelFormat::Mjpeg, ..CameraConfig::default() };
        let facts = admit(&test_node(REAL), &config, None).expect("real");
        assert!(facts.notes[0].contains("credited nothing"), "{:?}", facts.notes);
    }
}
