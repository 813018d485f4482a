//! Hands the last frame from the thread that waits for the camera to the reader.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use zeroize::Zeroizing;

/// One frame as it came.
pub(super) struct Shot {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) arrived: Instant,
}

/// Holds the last frame only.
#[derive(Default)]
pub(super) struct FrameSlot {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Default)]
struct Inside {
    last: Option<Shot>,
    ended: Option<String>,
    stopped: bool,
}

impl FrameSlot {
    /// Puts a frame in the place of the last one.
    pub(super) fn put(&self, shot: Shot) {
        self.inside.lock().last = Some(shot);
        self.changed.notify_all();
    }

    /// No more frames will come.
    pub(super) fn end(&self, reason: String) {
        self.inside.lock().ended = Some(reason);
        self.changed.notify_all();
    }

    /// Takes a frame that arrived after `start`; `None` when `deadline` comes first.
    ///
    /// # Errors
    /// When no more will come, the reason.
    pub(super) fn wait(&self, start: Instant, deadline: Instant) -> Result<Option<Shot>, String> {
        let mut inside = self.inside.lock();
        loop {
            if let Some(shot) = inside.last.take_if(|shot| shot.arrived >= start) {
                return Ok(Some(shot));
            }
            if let Some(reason) = &inside.ended {
                return Err(reason.clone());
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            self.changed.wait_until(&mut inside, deadline);
        }
    }

    /// Stops the other thread, and waits for its end at most `patience`.
    pub(super) fn stop(&self, patience: Duration) {
        let mut inside = self.inside.lock();
        inside.stopped = true;
        inside.last = None;
        self.changed.wait_while_for(&mut inside, |inside| inside.ended.is_none(), patience);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.inside.lock().stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot(byte: u8, arrived: Instant) -> Shot {
        Shot { bytes: Zeroizing::new(vec![byte]), arrived }
    }

    #[test]
    fn only_the_last_frame_is_kept_and_given_once() {
        let (slot, start) = (FrameSlot::default(), Instant::now());
        slot.put(shot(1, start));
        slot.put(shot(2, start));
        let given = slot.wait(start, start).expect("goes on").expect("a frame");
        assert_eq!(*given.bytes, [2]);
        assert!(slot.wait(start, start).expect("goes on").is_none());
    }

    #[test]
    fn a_frame_from_before_the_wait_is_not_given() {
        let slot = FrameSlot::default();
        let before = Instant::now();
        slot.put(shot(1, before));
        let start = before + Duration::from_nanos(1);
        assert!(slot.wait(start, start).expect("goes on").is_none());
    }

    #[test]
    fn a_camera_that_failed_says_why_instead_of_letting_wait() {
        let slot = FrameSlot::default();
        slot.end("No such device".to_owned());
        let far = Instant::now() + Duration::from_hours(1);
        assert_eq!(slot.wait(Instant::now(), far).err().as_deref(), Some("No such device"));
    }
}
