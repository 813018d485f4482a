//! Tests for a lit scene in front of the lens.

use crate::health::finding::{Finding, HealthTest, Severity};
use crate::health::frames::luma::Luma;

/// A picture whose brightest hundredth is darker than this…
pub(super) const DARK: u8 = 35;

/// …and whose blocks differ by less than this is that of a covered lens.
pub(super) const FLAT: f32 = 3.0;

/// Blocks of 16 × 16 pixels.
const BLOCK: usize = 4;

/// White in limited range (ITU-R BT.601).
pub(super) const WHITE: u8 = 235;

/// More than this share of white pixels is too much light.
pub(super) const MOST_WHITE: f64 = 0.2;

/// Tests for a covered lens and for too much light.
pub(super) fn check(luma: &Luma) -> Result<(), Finding> {
    let mut counts = [0u32; 256];
    luma.values.iter().for_each(|value| counts[usize::from(*value)] += 1);
    let total: u32 = counts.iter().sum();
    let at_least = |level: u8| counts[usize::from(level)..].iter().sum::<u32>();
    // The 99th percentile is below the level when less than a hundredth reaches it.
    if at_least(DARK) * 100 < total {
        let means = luma.block_means(BLOCK);
        let brightest = means.iter().copied().fold(f32::MIN, f32::max);
        let darkest = means.iter().copied().fold(f32::MAX, f32::min);
        let spread = brightest - darkest;
        if spread < FLAT {
            let detail = format!("dark, and its blocks differ by {spread:.1} steps only");
            return Err(alarm(HealthTest::CoveredLens, detail));
        }
    }
    let white = f64::from(at_least(WHITE)) / f64::from(total.max(1));
    if white > MOST_WHITE {
        let limit = format!("{:.0}", MOST_WHITE * 100.0);
        let detail =
            format!("{} % white, limit {limit} %", Finding::figure(white * 100.0, 0, &limit));
        return Err(alarm(HealthTest::Saturated, detail));
    }
    Ok(())
}

fn alarm(test: HealthTest, detail: String) -> Finding {
    Finding { test, severity: Severity::Intermittent, detail }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// 40 by 40 readings.
    fn picture(value: impl Fn(usize) -> u8) -> Luma {
        Luma {
            width: 40,
            values: Zeroizing::new((0..1600).map(value).collect()),
            ..Luma::default()
        }
    }

    fn test_of(luma: &Luma) -> Option<HealthTest> {
        check(luma).err().map(|finding| finding.test)
    }

    #[test]
    fn dark_and_flat_is_covered_and_neither_alone_is() {
        assert_eq!(test_of(&picture(|_| 16)), Some(HealthTest::CoveredLens));
        assert_eq!(test_of(&picture(|_| 34)), Some(HealthTest::CoveredLens));
        assert_eq!(test_of(&picture(|_| 35)), None, "bright enough");
        let half_lit = |by: u8| picture(move |place| if place < 800 { 16 } else { 16 + by });
        assert_eq!(test_of(&half_lit(2)), Some(HealthTest::CoveredLens));
        assert_eq!(test_of(&half_lit(3)), None, "not flat");
    }

    #[test]
    fn a_few_bright_pixels_do_not_uncover_a_lens() {
        let sparks = |count| picture(move |place| if place < count { 36 } else { 33 });
        assert_eq!(test_of(&sparks(15)), Some(HealthTest::CoveredLens));
        assert_eq!(test_of(&sparks(16)), None, "one in a hundred");
    }

    #[test]
    fn a_fifth_may_be_white_and_no_more() {
        let white = |count| picture(move |place| if place < count { 235 } else { 234 });
        assert_eq!(test_of(&white(320)), None);
        assert_eq!(test_of(&white(321)), Some(HealthTest::Saturated));
    }
}
