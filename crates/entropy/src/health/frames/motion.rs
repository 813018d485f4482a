//! Detection of a scene without motion. It has no effect on credit: it informs the operator that
//! the lamps are off, or that the camera sees a photograph of them.

use std::time::{Duration, Instant};

use crate::health::finding::{Finding, HealthTest, Severity};
use crate::health::frames::luma::Luma;

/// Blocks of 16 × 16 pixels.
const BLOCK: usize = 4;

/// Blocks are compared over this time: lava is slow.
const INTERVAL: Duration = Duration::from_secs(30);

/// A block whose mean differs by more than this many steps, beyond what all did, has moved.
pub(super) const MOVED: f32 = 3.0;

/// When nothing has moved for this long the lamps are off. A cold lamp takes an hour to start.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

/// The earlier scene that blocks are compared with.
#[derive(Debug, Default)]
pub(super) struct Motion {
    reference: Option<(Instant, Vec<f32>)>,
    moved_at: Option<Instant>,
}

impl Motion {
    /// Looks at a frame taken at `at`; pictures whose pixels are coded are passed over.
    pub(super) fn check(&mut self, luma: &Luma, at: Instant) -> Option<Finding> {
        if luma.is_empty() {
            return None;
        }
        let moved_at = *self.moved_at.get_or_insert(at);
        let is_due = self
            .reference
            .as_ref()
            .is_none_or(|(then, _)| at.saturating_duration_since(*then) >= INTERVAL);
        if is_due {
            let means = luma.block_means(BLOCK);
            let before = self.reference.replace((at, means.clone()));
            if before.is_none_or(|(_, before)| has_moved(&before, &means)) {
                self.moved_at = Some(at);
            }
        }
        let still = at.saturating_duration_since(moved_at);
        (still >= PATIENCE && self.moved_at != Some(at)).then(|| Finding {
            test: HealthTest::StaticScene,
            severity: Severity::Notice,
            detail: format!(
                "nothing has moved for {} minutes: the lamps are off",
                still.as_secs() / 60
            ),
        })
    }
}

fn has_moved(before: &[f32], now: &[f32]) -> bool {
    let mut changes: Vec<_> = now.iter().zip(before).map(|(now, before)| now - before).collect();
    if before.len() != now.len() || changes.is_empty() {
        return true;
    }
    let middle = changes.len() / 2;
    // A change of all blocks is the light, not the lava.
    let common = *changes.select_nth_unstable_by(middle, f32::total_cmp).1;
    changes.iter().any(|change| (change - common).abs() > MOVED)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// A picture of four blocks across and four down, one of them brighter.
    fn wall(bright_block: usize, light: u8) -> Luma {
        let value = |place: usize| {
            let block = place / 16 / BLOCK * 4 + place % 16 / BLOCK;
            if block == bright_block { light + 40 } else { light }
        };
        Luma { width: 16, values: Zeroizing::new((0..256).map(value).collect()), ..Luma::default() }
    }

    /// The minutes at which a notice is given, with one picture per minute.
    fn noticed(picture: impl Fn(u64) -> Luma) -> Vec<u64> {
        let (start, mut motion) = (Instant::now(), Motion::default());
        let mut check = |minute| {
            let at = start + Duration::from_mins(minute);
            motion.check(&picture(minute), at).is_some()
        };
        (0..25).filter(|minute| check(*minute)).collect()
    }

    #[test]
    fn a_scene_that_stands_still_for_ten_minutes_is_noticed_and_not_before() {
        assert_eq!(noticed(|_| wall(5, 80)), (10..25).collect::<Vec<_>>());
    }

    #[test]
    fn light_that_changes_everywhere_is_no_motion() {
        assert_eq!(noticed(|minute| wall(5, 80 + (minute % 20) as u8)).first(), Some(&10));
    }

    #[test]
    fn one_block_that_moves_is_enough_and_ends_the_notice() {
        assert!(noticed(|minute| wall((minute % 16) as usize, 80)).is_empty());
        let once = noticed(|minute| wall(usize::from(minute >= 12), 80));
        assert_eq!(once, [10, 11, 22, 23, 24]);
    }

    #[test]
    fn pictures_that_cannot_be_compared_count_as_motion_and_a_common_change_does_not() {
        assert!(has_moved(&[80.0; 4], &[80.0; 5]), "another size");
        assert!(has_moved(&[80.0; 5], &[80.0; 4]), "another size");
        assert!(has_moved(&[], &[]), "no block");
        assert!(!has_moved(&[80.0; 4], &[80.0; 4]));
        assert!(!has_moved(&[80.0; 4], &[90.0; 4]), "the light");
        // The limit itself is no motion.
        assert!(!has_moved(&[80.0; 4], &[80.0, 80.0, 80.0, 80.0 + MOVED]));
        assert!(has_moved(&[80.0; 4], &[80.0, 80.0, 80.0, 80.5 + MOVED]));
        assert!(has_moved(&[80.0; 4], &[80.0, 80.0, 80.0, 79.5 - MOVED]));
    }
}
