//! The place between the thread that waits for the camera and the one that waits for a frame.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
        self.lock().last = Some(shot);
        self.changed.notify_all();
    }

    /// No more frames will come.
    pub(super) fn end(&self, reason: String) {
        self.lock().ended = Some(reason);
        self.changed.notify_all();
    }

    /// Takes a frame that arrived after `start`; `None` when `deadline` comes first.
    ///
    /// # Errors
    /// When no more will come, the reason.
    pub(super) fn wait(&self, start: Instant, deadline: Instant) -> Result<Option<Shot>, String> {
        let mut inside = self.lock();
        loop {
            if let Some(shot) = inside.last.take_if(|shot| shot.arrived >= start) {
                return Ok(Some(shot));
            }
            if let Some(reason) = &inside.ended {
                return Err(reason.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            (inside, _) =
                self.changed.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has the other thread end, and waits for that as long as `patience`.
    pub(super) fn stop(&self, patience: Duration) {
        let mut inside = self.lock();
        inside.stopped = true;
        inside.last = None;
        let waited =
            self.changed.wait_timeout_while(inside, patience, |inside| inside.ended.is_none());
        drop(waited);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
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
