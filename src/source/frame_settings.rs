//! Width, height and rate of pictures: limits and defaults, for every source of frames.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// The widest picture, in pixels: 8K.
pub(super) const MOST_WIDTH: u32 = 7680;

/// The highest picture, in pixels: 8K.
pub(super) const MOST_HEIGHT: u32 = 4320;

/// The smallest width or height, in pixels.
pub(super) const LEAST_SIDE: u32 = 16;

/// Frames per second where neither the configuration nor a recording says.
pub(super) const USUAL_FPS: u32 = 10;

/// Width in pixels of a drawing, and of a recording that does not say.
pub(super) fn usual_width() -> u32 {
    640
}

/// Height in pixels of a drawing, and of a recording that does not say.
pub(super) fn usual_height() -> u32 {
    360
}

/// The time from one frame to the next.
pub(super) fn interval(fps: u32) -> Duration {
    Duration::from_secs(1) / fps
}

/// An even width: YUYV gives two pixels one colour.
pub(super) fn width<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let width = within(deserializer, LEAST_SIDE, MOST_WIDTH)?;
    if width.is_multiple_of(2) {
        Ok(width)
    } else {
        Err(de::Error::custom(format!("must be even (got {width})")))
    }
}

/// A height.
pub(super) fn height<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within(deserializer, LEAST_SIDE, MOST_HEIGHT)
}

/// Frames per second.
pub(super) fn fps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within(deserializer, 1, 240)
}

fn within<'de, D: Deserializer<'de>>(
    deserializer: D,
    least: u32,
    most: u32,
) -> Result<u32, D::Error> {
    let value = i64::deserialize(deserializer)?;
    u32::try_from(value)
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| de::Error::custom(format!("must be from {least} to {most} (got {value})")))
}

/// Frames per second, where the recording may say.
pub(super) fn maybe_fps<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    fps(deserializer).map(Some)
}
